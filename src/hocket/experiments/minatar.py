"""MinAtar at 60 Hz under delay (virtual, delay-only): what a slow network loses, and what gives it back.

    python -m hocket.experiments.minatar --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.minatar --out FOLDER --collect   tables and figures of the finished tasks

Tasks run in the order of `PLAN`, the cheapest and most telling first; ``--minutes`` and ``--only`` run a part of them,
and the next call runs the rest. ``--collect`` may be called at any time: one row a finished run, and the
learning curves, both as CSV.

Arms, all with one update of 32 transitions every 4 ticks beside the acting (none waits for learning), the same ε per
tick (`hocket.learn.exploration`), and evaluations under their own rule and delay:

- *sequential*: one worker; an inference of (d − 1/4) ticks, then its action, then the next observation;
- *actions*: d staggered workers; the head runs just before its tick and is told the actions executed since (late
  binding);
- *newest*: likewise, and the head also sees the newest observation through a small encoder;
- *head alone*: that encoder and a head of the same size, without a trunk, at a delay of 1: what the head of *newest*
  could do by itself, at any delay of the trunk;
- *no delay*: the network of *sequential* at a delay of 1;
- *Rainbow*: likewise, with all six parts of Rainbow;
- *random*, *no button*: without learning; *by hand* (Breakout): a good delayed player, a ceiling
  (`hocket.experiments.breakout_by_hand`).

Young & Tian 2019, *MinAtar*: the minimal action sets (its ``-v1``) and difficulty ramping; sticky actions with
probability 0.1 unless the game is called *unsticky*. Their network with one more layer of 128 units, which joins what
the head is told. Their settings of DQN: a replay of 100,000, batches of 32, γ 0.99, a target network every 1,000
frames, learning rate 2.5e-4, ε from 1 to 0.1 in 100,000 frames. Unlike theirs: Adam with ε = 3.125e-4 (Obando-Ceron &
Castro 2021), double selection, returns of 3 steps, and an update every 4 frames instead of every one.

In ticks without an action of the network β presses no button. In all arms but *newest*, *head alone* and those of a
delay of 1 these are the first d − 1 ticks of every episode; in *sequential* also all ticks between its decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

import hocket
from hocket.experiments import breakout_by_hand
from hocket.experiments.figures import draw_against_delay, draw_learning_curves
from hocket.experiments.tables import KINDS, against_delay, by_arm
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.experiments.training_rows import COLUMNS, rows_of
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import QNetwork, minatar_trunk, newest_encoder, q_network
from hocket.training.training import train

HZ = 60
EPISODE_TICKS = 2500
HIDDEN = 128
TICKS, BREAKOUT_TICKS = 500_000, 1_000_000
UNSTICKY = "breakout_unsticky"
GAMES = ("breakout", "space_invaders", UNSTICKY, "freeway", "asterix")
UNDER_DELAY = ("sequential", "actions", "newest")
WITHOUT_DELAY = ("no delay", "head alone")
MARKS = ("random", "no button")
BY_HAND = "by hand"
RAINBOW_ARM = "Rainbow"
DELAYS = {"breakout": (4, 8, 2), "space_invaders": (4, 8, 2), UNSTICKY: (4, 8), "freeway": (4,), "asterix": (4,)}
SEEDS = {"breakout": (0, 1, 2, 3, 4)}
USUAL_SEEDS = (0, 1, 2)

STILL = hocket.Fixed(0)
NEVER_S = 1e6
"""An inference time longer than any run: the default acts in every tick."""
DEFAULT_ONLY = {"random": hocket.RandomDefault(), "no button": STILL}
DEFAULT_ONLY_TICKS = 30_000
BY_HAND_EPISODES = 200

DQN_OPTIONS: dict[str, Any] = {"gamma": 0.99, "learning_rate": 2.5e-4, "batch_size": 32, "target_ticks": 1000}
ALGORITHM = DQN(**DQN_OPTIONS, n_step=3, adam_epsilon=3.125e-4)
RAINBOW = Rainbow(**DQN_OPTIONS, n_step=3, adam_epsilon=3.125e-4, alpha=0.5, beta=Linear(0.4, 1.0, BREAKOUT_TICKS))
SUPPORT = (0.0, 20.0)
"""Of Rainbow's first distributions: Breakout pays +1 a brick, one brick every five ticks; it grows if it must."""
LEARNER = hocket.RoundRobin(update_every=4, warm_up=5000)
ACTING = hocket.ActingOptions(epsilon=Linear(1.0, 0.1, 100_000))
REPLAY = hocket.ReplayOptions(capacity=100_000)
EVALUATION = hocket.EvaluationOptions(every=100_000, episodes=20)

KNOWN = ("game", "delay", "arm", "seed")
ANY = "any"
"""The delay of arms that have none of their own."""
RUN_COLUMNS = (*KNOWN, "ticks", "updates", "coverage", "delay_mean", "training_return", "final_return", "final_tick")
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
    if arm in ("actions", "newest"):
        options["pending"] = delay - 1
    if arm == "newest":
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

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        result = train(
            lambda: make_game(self.game),
            network_for(self.game, arm=self.arm, delay=self.delay),
            RAINBOW if self.arm == RAINBOW_ARM else ALGORITHM,
            hocket.Sequential() if self.arm == "sequential" else hocket.TickDispatch(self.delay),
            hocket.Virtual(hz=HZ, latency=hocket.Constant((self.delay - 0.25) / HZ)),
            ticks=self.ticks,
            learner=LEARNER,
            acting=replace(ACTING, late_binding=self.arm in ("actions", "newest")),
            replay=REPLAY,
            evaluation=EVALUATION,
            default=STILL,
            seed=self.seed,
        )
        known = {"game": self.game, "delay": self.shown_delay, "arm": self.arm, "seed": self.seed}
        return [{**known, **row} for row in rows_of(result)]


@dataclass(frozen=True)
class Mark(OneSeed):
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
        fixed = {**known, "kind": "final", "tick": 0}
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


def seeds_of(game: str) -> tuple[int, ...]:
    """The seeds of its main arms."""
    return SEEDS.get(game, USUAL_SEEDS)


def ticks_of(game: str) -> int:
    """The length of a training."""
    return BREAKOUT_TICKS if game == "breakout" else TICKS


def trainings(game: str, delay: int | None, arms: tuple[str, ...]) -> list[MinAtarRun]:
    """The trainings of ``arms``, all of a seed before the next seed; ``delay`` is None where they have none."""
    return [MinAtarRun(game, delay or 1, arm, seed, ticks_of(game)) for seed in seeds_of(game) for arm in arms]


def marks(game: str) -> list[Mark]:
    """The references of ``game``."""
    every = [Mark(game, arm, seed) for arm, seed in product(MARKS, USUAL_SEEDS)]
    if game in ("breakout", UNSTICKY):
        every += [Mark(game, BY_HAND, seed, delay) for delay, seed in product((1, *DELAYS[game]), USUAL_SEEDS)]
    return every


def tasks() -> list[MinAtarRun | Mark]:
    """All tasks: Breakout at 4 with its references first, then its other delays, then the other games."""
    first, *others = GAMES
    every: list[MinAtarRun | Mark] = [*marks(first)]
    # Delay 1 first of all, to be compared with published curves; then seed by seed.
    beginning = trainings(first, None, ("no delay",)) + trainings(first, 4, UNDER_DELAY)
    beginning += trainings(first, None, ("head alone",))
    every += sorted(beginning, key=lambda task: task.seed)
    for delay in DELAYS[first][1:]:
        every += trainings(first, delay, UNDER_DELAY)
    for game in others:
        every += marks(game)
        every += trainings(game, None, WITHOUT_DELAY)
        for delay in DELAYS[game]:
            every += trainings(game, delay, UNDER_DELAY)
    return every + trainings(first, None, (RAINBOW_ARM,))


def rows_of_runs(rows: list[Row]) -> list[Row]:
    """One row a run: its figures, the return of its last tenth and that of its best weights."""
    runs: dict[tuple[str, ...], Row] = {}
    for row in rows:
        run = runs.setdefault(tuple(str(row[name]) for name in KNOWN), {name: row[name] for name in KNOWN})
        run |= {name: row[name] for name in ("ticks", "updates", "coverage", "delay_mean")}
        if row["kind"] == "training":
            run["training_return"] = row["mean_return"]
        elif row["kind"] == "final":
            run |= {"final_return": row["mean_return"], "final_tick": row["tick"]}
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
        arms = [arm for arm in (*UNDER_DELAY, *WITHOUT_DELAY, RAINBOW_ARM) if any(row["arm"] == arm for row in shown)]
        draw_learning_curves(shown, CURVES_FIGURE, arms=arms, title="MinAtar Breakout at a delay of 4 ticks (virtual)")
    undelayed = [row for row in rows if row["game"] == GAMES[0] and row["delay"] == ANY]
    print(by_arm(undelayed, arms=(*WITHOUT_DELAY, RAINBOW_ARM)))
    print(f"{RUNS}, {CURVES}, {FIGURE}, {CURVES_FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), (*KNOWN, *COLUMNS), collect)
