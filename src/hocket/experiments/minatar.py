"""MinAtar at 60 Hz under delay (virtual, delay-only): what a slow network loses, and what gives it back.

    python -m hocket.experiments.minatar --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.minatar --out FOLDER --collect   tables and figures of the finished tasks

Tasks run in the order of `PLAN`, the most telling first; ``--minutes`` and ``--only`` run a part of them, and the next
call runs the rest. ``--collect`` may be called at any time: one row a finished run, and the learning curves, as CSV.

Two comparisons were chosen before the runs: greedy play on Breakout at delays of 4 and 8, *newest* against the better
of *sequential* and *sequential greedier*. The others are exploratory. Results are of 500,000 ticks and say nothing
about more.

Arms, all with one update of 32 transitions every 4 ticks beside the acting (none waits for learning), the same ε per
tick (`hocket.learn.exploration`), and evaluations under their own rule and delay:

- *sequential*: one worker; an inference of (d − 1/4) ticks, then its action, then the next observation;
- *sequential greedier*: likewise, with the same ε per *decision* instead: equal ε per tick means that a third of its
  decisions are random in the end at a delay of 4, and more than half at 8;
- *sequential repeating*: likewise, and ticks without a decision repeat the last action, as frame skip does;
- *one worker*: the network of *newest* under the rule of *sequential*: the newest frame without staggering;
- *actions*: d staggered workers; the head runs just before its tick and is told the actions executed since (late
  binding);
- *newest*: likewise, and the head also sees the newest observation through a small encoder;
- *head alone*: that encoder and a head of the same size, without a trunk, at a delay of 1: what the head of *newest*
  could do by itself, at any delay of the trunk (an inference of its own must then last less than a tick);
- *no delay*: the network of *sequential* at a delay of 1;
- *Rainbow*: likewise, with all six parts of Rainbow;
- *random*, *no button*: without learning; *by hand* (Breakout): a player that rolls the game forward to the present
  (`hocket.experiments.breakout_by_hand`). It sees no newer frame than its delay allows, so *newest* is to be compared
  with that of a delay of 1.

The trunk stands for a far larger network, and the delay is given, whatever the networks cost: an encoder and head of
*newest* have a quarter of this small trunk's multiplications, and are charged 1 ms.

Young & Tian 2019, *MinAtar*: difficulty ramping; sticky actions with probability 0.1 unless the game is called
*unsticky*. Their network with one more layer of 128 units, which joins what the head is told. Their settings of DQN: a
replay of 100,000, batches of 32, γ 0.99, a target network every 1,000 frames, learning rate 2.5e-4, ε from 1 to 0.1 in
100,000 frames. Unlike theirs: the minimal action sets (``-v1``; all six actions there), Adam with ε = 3.125e-4
(Obando-Ceron & Castro 2021), double selection, returns of 3 steps, and an update every 4 frames instead of every one.
Their curves are of play with ε, as ``training`` here. Replay and returns are counted in decisions: those of
*sequential* span d times the ticks.

In ticks without an action of the network β presses no button. In all arms but *newest*, *head alone* and those of a
delay of 1 these are the first d − 1 ticks of every episode; in *sequential* also all ticks between its decisions.
``coverage`` counts the ticks in which the trunk has a part: in *newest* the others are the head's alone.

``final`` is the play of the weights with the best evaluation, in `GREEDY_EPISODES` of its own, with the share of
episodes that end with nothing; ``late_return`` is the mean of the evaluations in the last half, chosen by nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

import hocket
from hocket.core.rules import Rule
from hocket.experiments import breakout_by_hand
from hocket.experiments.figures import draw_against_delay, draw_learning_curves, values_of
from hocket.experiments.tables import KINDS, against_delay, by_arm
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.experiments.training_rows import COLUMNS as TRAINING_COLUMNS
from hocket.experiments.training_rows import rows_of
from hocket.hooks.record import RunRecord
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.policy import LearnedPolicy, late_head_s
from hocket.models.qnetwork import QNetwork, minatar_trunk, newest_encoder, q_network
from hocket.results.intervals import difference
from hocket.spaces.defaults import Default
from hocket.training.training import train

HZ = 60
EPISODE_TICKS = 2500
HIDDEN = 128
TICKS = 500_000
UNSTICKY = "breakout_unsticky"
GAMES = ("breakout", "space_invaders", UNSTICKY, "freeway", "asterix")
GREEDIER, REPEATING, ONE_WORKER = "sequential greedier", "sequential repeating", "one worker"
ONE_AT_A_TIME = ("sequential", GREEDIER, REPEATING, ONE_WORKER)
"""Arms whose next inference begins when the last has ended."""
LATE = ("actions", "newest", ONE_WORKER)
"""Arms whose head runs late."""
UNDER_DELAY = ("sequential", GREEDIER, REPEATING, ONE_WORKER, "actions", "newest")
WITHOUT_DELAY = ("no delay", "head alone")
MARKS = ("random", "no button")
BY_HAND = "by hand"
RAINBOW_ARM = "Rainbow"
SEEDS, MORE_SEEDS = (0, 1, 2), (3, 4)

Block = tuple[str, int, tuple[str, ...], tuple[int, ...]]
MAIN_ARMS = ("newest", "sequential", GREEDIER)
PAIR = ("newest", "sequential")
PLAN: tuple[Block, ...] = (
    ("breakout", 4, (*MAIN_ARMS, "head alone", "no delay"), SEEDS),
    ("breakout", 8, MAIN_ARMS, SEEDS),
    ("breakout", 4, ("actions", ONE_WORKER, REPEATING), SEEDS),
    ("space_invaders", 4, (*PAIR, "head alone", "no delay"), SEEDS),
    ("breakout", 4, (*MAIN_ARMS, "head alone", "no delay"), MORE_SEEDS),
    ("breakout", 8, MAIN_ARMS, MORE_SEEDS),
    ("freeway", 4, (*PAIR, "head alone", "no delay"), SEEDS),
    (UNSTICKY, 4, (*PAIR, "head alone", "no delay"), SEEDS),
    (UNSTICKY, 8, PAIR, SEEDS),
    ("breakout", 2, (*PAIR, "actions"), SEEDS),
    ("breakout", 8, ("actions",), SEEDS),
    ("space_invaders", 8, (*PAIR, "actions"), SEEDS),
    ("space_invaders", 2, (*PAIR, "actions"), SEEDS),
    ("space_invaders", 4, ("actions",), SEEDS),
    (UNSTICKY, 4, ("actions",), SEEDS),
    (UNSTICKY, 8, ("actions",), SEEDS),
    ("freeway", 4, ("actions",), SEEDS),
    ("asterix", 4, (*PAIR, "actions", "head alone", "no delay"), SEEDS),
    ("breakout", 1, (RAINBOW_ARM,), SEEDS),
)
"""A game, a delay, arms, seeds: all arms of a seed before the next seed, and before a game's first its references."""

STILL = hocket.Fixed(0)
NEVER_S = 1e6
"""An inference time longer than any run: the default acts in every tick."""
DEFAULT_ONLY = {"random": hocket.RandomDefault(), "no button": STILL}
DEFAULT_ONLY_TICKS = 30_000
BY_HAND_EPISODES = 200
GREEDY_SEEDS = 1000
"""Added to the seed of a training."""

DQN_OPTIONS: dict[str, Any] = {"gamma": 0.99, "learning_rate": 2.5e-4, "batch_size": 32, "target_ticks": 1000}
ALGORITHM = DQN(**DQN_OPTIONS, n_step=3, adam_epsilon=3.125e-4)
RAINBOW = Rainbow(**DQN_OPTIONS, n_step=3, adam_epsilon=3.125e-4, alpha=0.5, beta=Linear(0.4, 1.0, TICKS))
SUPPORT = (0.0, 20.0)
"""Of Rainbow's first distributions: Breakout pays +1 a brick, one brick every five ticks; it grows if it must."""
LEARNER = hocket.RoundRobin(update_every_ticks=4, warm_up_ticks=5000)
EPSILON, EPSILON_TICKS = 0.1, 100_000
REPLAY = hocket.ReplayOptions(capacity=100_000)
EVALUATION = hocket.EvaluationOptions(every_ticks=50_000, episodes=50, max_ticks=50_000)
GREEDY_EPISODES = 200
LONG_GAMES_SHARE = 0.1
"""Freeway plays a tenth of the episodes: all of them have `EPISODE_TICKS`."""

KNOWN = ("game", "delay", "arm", "seed")
ANY = "any"
"""The delay of arms that have none of their own."""
GREEDY_COLUMNS = ("return_sd", "zero_share", "episode_ticks")
COLUMNS = (*TRAINING_COLUMNS, *GREEDY_COLUMNS)
RUN_COLUMNS = (
    *KNOWN,
    *("ticks", "updates", "coverage", "delay_mean", "training_return", "late_return", "final_return", "final_tick"),
    *GREEDY_COLUMNS,
)
RUNS = Path("docs/results/minatar_runs.csv")
CURVES = Path("docs/results/minatar_curves.csv")
FIGURE = Path("docs/images/minatar.png")
CURVES_FIGURE = Path("docs/images/minatar_breakout_4.png")


def make_game(game: str) -> gym.Env[Any, Any]:
    """One of `GAMES`, truncated after `EPISODE_TICKS`."""
    sticky = 0.0 if game == UNSTICKY else 0.1
    name = "breakout" if game == UNSTICKY else game
    env = import_module("minatar.gym").BaseEnv(game=name, use_minimal_action_set=True, sticky_action_prob=sticky)
    return gym.wrappers.TimeLimit(env, EPISODE_TICKS)


def network_for(game: str, *, arm: str = "no delay", delay: int = 1) -> QNetwork:
    """The network of ``arm`` at ``delay``; that of *no delay* for arms that act likewise."""
    env = make_game(game)
    observations, actions = env.observation_space, env.action_space
    env.close()
    assert isinstance(observations, gym.spaces.Box) and isinstance(actions, gym.spaces.Discrete)
    shape = observations.shape
    trunk = newest_encoder(shape) if arm == "head alone" else minatar_trunk(shape[-1])
    options: dict[str, Any] = {}
    if arm in LATE:
        options["pending"] = delay - 1
    if arm in ("newest", ONE_WORKER):
        options["newest"] = newest_encoder(shape)
    if arm == RAINBOW_ARM:
        options |= {"dueling": True, "noisy": True, "support": SUPPORT, "atoms": RAINBOW.atoms}
    return q_network(*trunk, int(actions.n), hidden=HIDDEN, **options)


@dataclass(frozen=True)
class MinAtarRun(OneSeed):
    """One seed of one learning arm. ``delay`` is 1 for arms without one of their own."""

    game: str
    delay: int
    arm: str
    seed: int
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return f"{self.game}-{self.shown_delay}-{self.arm.replace(' ', '_')}"

    @property
    def shown_delay(self) -> str:
        """As it is entered into the tables."""
        return str(self.delay) if self.arm in UNDER_DELAY else ANY

    @property
    def rule(self) -> Rule:
        """One inference after another, or a worker a tick."""
        return hocket.Sequential() if self.arm in ONE_AT_A_TIME else hocket.TickDispatch(self.delay)

    @property
    def clock(self) -> hocket.Virtual:
        """Every inference takes a quarter of a tick less than the delay."""
        return hocket.Virtual(hz=HZ, latency=hocket.Constant((self.delay - 0.25) / HZ))

    @property
    def default(self) -> Default:
        """β."""
        return hocket.RepeatLast(0) if self.arm == REPEATING else STILL

    @property
    def epsilon(self) -> Linear:
        """By tick; the rate per tick of *sequential greedier* is that of `EPSILON` per decision."""
        last = 1 - (1 - EPSILON) ** (1 / self.delay) if self.arm == GREEDIER else EPSILON
        return Linear(1.0, last, EPSILON_TICKS)

    @property
    def late(self) -> bool:
        """True if the head runs late."""
        return self.arm in LATE

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        network = network_for(self.game, arm=self.arm, delay=self.delay)
        assert EVALUATION.episodes is not None
        result = train(
            lambda: make_game(self.game),
            network,
            RAINBOW if self.arm == RAINBOW_ARM else ALGORITHM,
            self.rule,
            self.clock,
            ticks=self.ticks,
            learner=LEARNER,
            acting=hocket.ActingOptions(epsilon=self.epsilon, late_binding=self.late),
            replay=REPLAY,
            evaluation=replace(EVALUATION, episodes=self.episodes(EVALUATION.episodes)),
            default=self.default,
            seed=self.seed,
        )
        known = {"game": self.game, "delay": self.shown_delay, "arm": self.arm, "seed": self.seed}
        empty = dict.fromkeys(GREEDY_COLUMNS, "")
        return [{**known, **empty, **row} for row in self.rows(result, network)]

    def episodes(self, usual: int) -> int:
        """Of an evaluation, instead of the ``usual`` ones."""
        return round(usual * LONG_GAMES_SHARE) if self.game == "freeway" else usual

    def rows(self, result: hocket.TrainResult, network: QNetwork) -> list[Row]:
        """Those of the training; the last is of a longer play of the best weights, which ``network`` has."""
        *others, final = rows_of(result)
        record, returns = self.greedy(network)
        figures = {
            "mean_return": round(float(returns.mean()), 4),
            "episodes": len(returns),
            "return_sd": round(float(returns.std(ddof=1)), 4),
            "zero_share": round(float((returns == 0).mean()), 4),
            "episode_ticks": round(len(record.ticks) / len(returns), 1),
        }
        return [*others, {**final, **figures}]

    def greedy(self, network: QNetwork) -> tuple[RunRecord, NDArray[np.float64]]:
        """`GREEDY_EPISODES` under the same rule and delay, and their returns."""
        wanted = self.episodes(GREEDY_EPISODES)
        env = make_game(self.game)
        head_s = late_head_s(HZ, realtime=False) if self.late else 0.0
        result = hocket.run(
            env,
            LearnedPolicy(network=network, pending=network.pending, head_s=head_s),
            self.rule,
            self.clock,
            ticks=wanted * EPISODE_TICKS,
            default=self.default,
            seed=GREEDY_SEEDS + self.seed,
            until=lambda record: len(record.final_observations) >= wanted,
        )
        env.close()
        return result.record, result.metrics().episode_returns


@dataclass(frozen=True)
class MinAtarMark(OneSeed):
    """One seed of a reference without learning."""

    game: str
    arm: str
    seed: int
    delay: int = 0
    """Of *by hand*."""

    @property
    def cell(self) -> str:
        return f"{self.game}-{self.delay or ANY}-{self.arm.replace(' ', '_')}"

    def play(self) -> list[Row]:
        known = {"game": self.game, "delay": str(self.delay or ANY), "arm": self.arm, "seed": self.seed}
        fixed = {**known, **dict.fromkeys(GREEDY_COLUMNS, ""), "kind": "final", "tick": 0}
        if self.arm == BY_HAND:
            sticky = 0.0 if self.game == UNSTICKY else 0.1
            returns = breakout_by_hand.returns(self.delay, episodes=BY_HAND_EPISODES, seed=self.seed, sticky=sticky)
            figures = {"mean_return": round(float(returns.mean()), 4), "episodes": len(returns)}
            return [{**fixed, **figures, "coverage": "", "delay_mean": self.delay, "updates": 0, "ticks": ""}]
        env = make_game(self.game)
        result = hocket.run(
            env,
            lambda observation: 0,
            hocket.Sequential(),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(NEVER_S)),
            ticks=DEFAULT_ONLY_TICKS,
            default=DEFAULT_ONLY[self.arm],
            seed=self.seed,
        )
        env.close()
        summary = result.summary()
        figures = {"mean_return": round(summary.return_mean, 4), "episodes": summary.episodes}
        run = {"coverage": summary.coverage, "delay_mean": "", "updates": 0, "ticks": summary.ticks}
        return [{**fixed, **figures, **run}]


def marks(game: str) -> list[MinAtarMark]:
    """The references of ``game``."""
    every = [MinAtarMark(game, arm, seed) for arm, seed in product(MARKS, SEEDS)]
    if game in ("breakout", UNSTICKY):
        delays = sorted({1, *(delay for planned, delay, *_ in PLAN if planned == game)})
        every += [MinAtarMark(game, BY_HAND, seed, delay) for delay, seed in product(delays, SEEDS)]
    return every


def tasks() -> list[MinAtarRun | MinAtarMark]:
    """All tasks, in the order of `PLAN`."""
    every: list[MinAtarRun | MinAtarMark] = []
    begun = set[str]()
    for game, delay, arms, seeds in PLAN:
        if game not in begun:
            every += marks(game)
            begun.add(game)
        every += [MinAtarRun(game, delay if arm in UNDER_DELAY else 1, arm, seed) for seed, arm in product(seeds, arms)]
    return every


def rows_of_runs(rows: list[Row]) -> list[Row]:
    """One row a run: its figures, the returns of its last tenth, of its later evaluations and of its best weights."""
    runs: dict[tuple[str, ...], Row] = {}
    late: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in KNOWN)
        run = runs.setdefault(key, {name: row[name] for name in KNOWN})
        run |= {name: row[name] for name in ("ticks", "updates", "coverage", "delay_mean")}
        if row["kind"] == "training":
            run["training_return"] = row["mean_return"]
        elif row["kind"] == "final":
            run |= {"final_return": row["mean_return"], "final_tick": row["tick"]}
            run |= {name: row[name] for name in GREEDY_COLUMNS}
        elif row["kind"] == "choosing" and 2 * int(row["tick"]) > int(row["ticks"]):
            late.setdefault(key, []).append(float(row["mean_return"]))
    for key, values in late.items():
        runs[key]["late_return"] = round(float(np.mean(values)), 4)
    return [{name: run.get(name, "") for name in RUN_COLUMNS} for run in runs.values()]


def collect(rows: list[Row]) -> None:
    """Write both tables, draw the figures, print the means."""
    write_rows(RUNS, rows_of_runs(rows), RUN_COLUMNS)
    curves = [row for row in rows if row["kind"] in ("choosing", "tenth")]
    write_rows(CURVES, curves, (*KNOWN, "kind", "tick", "mean_return", "episodes"))
    games = [game for game in GAMES if any(row["game"] == game and row["arm"] in UNDER_DELAY for row in rows)]
    if games:
        title = "MinAtar under delay (delay-only, virtual)"
        drawn: dict[str, Any] = {"arms": UNDER_DELAY, "references": (*WITHOUT_DELAY, *MARKS), "games": games}
        draw_against_delay(rows, FIGURE, title=title, ceiling=BY_HAND, **drawn)
        for kind in KINDS:
            print(against_delay(rows, **drawn, kind=kind), end="\n\n")
        hand = [row for row in rows if row["arm"] == BY_HAND]
        if hand:
            print(against_delay(hand, arms=(BY_HAND,), references=(), games=games), end="\n\n")
    shown = [
        row for row in curves if row["game"] == GAMES[0] and row["delay"] in ("4", ANY) and row["kind"] == "choosing"
    ]
    if shown:
        arms = [arm for arm in (*MAIN_ARMS, "actions", *WITHOUT_DELAY) if any(row["arm"] == arm for row in shown)]
        draw_learning_curves(shown, CURVES_FIGURE, arms=arms, title="MinAtar Breakout at a delay of 4 ticks (virtual)")
    print(main_comparisons(rows), end="\n\n")
    undelayed = [row for row in rows if row["game"] == GAMES[0] and row["delay"] == ANY]
    print(by_arm(undelayed, arms=(*WITHOUT_DELAY, RAINBOW_ARM)))
    print(f"{RUNS}, {CURVES}, {FIGURE}, {CURVES_FIGURE}")


def main_comparisons(rows: list[Row]) -> str:
    """*newest* less the better sequential arm, greedy on Breakout at 4 and 8, with Welch's 95 % intervals."""
    lines = []
    for delay in (4, 8):
        known = {"game": "breakout", "delay": delay, "kind": "final"}
        newest, *others = (values_of(rows, **known, arm=arm) for arm in MAIN_ARMS)
        if min(map(len, (newest, *others))) > 1:
            best = max(others, key=np.mean)
            name = MAIN_ARMS[1 + others.index(best)]
            mean, half = difference(newest, best)
            seeds = f"{len(newest)} and {len(best)} seeds"
            lines.append(f"Breakout at {delay}: newest - {name} = {mean:.2f} ± {half:.2f} ({seeds})")
    return "\n".join(lines)


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), (*KNOWN, *COLUMNS), collect)
