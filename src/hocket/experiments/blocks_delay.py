"""Hocket Blocks under delay (virtual, delay-only): DQN from demonstrations, sequential against staggered.

    python -m hocket.experiments.blocks_delay --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.blocks_delay --out FOLDER --collect   table and figure of the finished tasks

The paper's Tetris experiment (Riemer et al. 2025, figure 5) at a reduced scale, on hocket's own cartridge: one grey
frame, γ 0.99, batches of 32; delays of 1, 5, 8 and 70 frames, which are those of nets of 54 thousand to 105 million
parameters. The network is small and the same in every arm (Mnih et al. 2013), every inference is charged (d − 1/4)
ticks, β presses nothing. First 4,000 updates on four minutes of an expert that presses at random in a twentieth of the
ticks, with the large margin of Hester et al. 2018; then 240,000 ticks of its own, an update every 4 ticks in either
arm, with a quarter of demonstrations in every batch and the margin on them. Rewards are learned in units of 40 points,
so that a single row at level 0 pays 1.

- *sequential*: one worker; its demonstrations are of an expert that acts as seldom as it does, and presses nothing
  between. ε falls from 0.05 to 0.01 per decision, in *newest* per tick, which is the same: with equal ε per tick nearly
  all decisions at a delay of 70 would be random;
- *newest*: d staggered workers; the head is told the actions executed since, and sees the newest frame;
- *forgotten* (delay 1): as *newest*, but the demonstrations are no part of the training after the first updates.

At a delay of 1 the first two are identical and are played once. No button, chance and the expert, all without delay,
are references, and so is *seldom expert*, which acts every d ticks only. At 70 the sequential agent makes some 3,400
transitions and learns from each about 400 times, as updates are equal per tick.

A repeated action presses its button again (``fresh_press=True``): if a button had to be released first, one frame
would not determine the expert's next action.

The figure is points a minute of play, over one game after another: an agent that drops pieces and clears no row
ends every game at about the same score, only at different times. Evaluations are minutes of such play: of the
pre-trained weights (tick 0), and of those at every stage. The best weights then play ten minutes, in which lines are
counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import hocket
from hocket.core.rules import Rule
from hocket.envs import make_env
from hocket.envs.gameboy.buttons import NONE, PLAYED
from hocket.envs.gameboy.emulator import GAMEBOY_HZ
from hocket.envs.registration import BLOCKS_ID
from hocket.experiments.blocks_demonstrations import expert_demonstrations, expert_policy
from hocket.experiments.figures import draw_against_delay
from hocket.experiments.tables import KINDS, against_delay
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.experiments.training_rows import COLUMNS as TRAINING_COLUMNS
from hocket.experiments.training_rows import rows_of
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.policy import LearnedPolicy, late_head_s
from hocket.models.qnetwork import QNetwork, newest_encoder, q_network
from hocket.running.result import RunResult
from hocket.training.demonstrations import Demonstrations

GAME = "blocks"
DELAYS = (1, 5, 8, 70)
SEEDS = (0, 1, 2)
ARMS = ("sequential", "newest")
FORGOTTEN = "forgotten"
MARKS = ("noop", "random", "expert")
SELDOM = "seldom expert"
TICKS = 240_000
EPISODE_TICKS = 3600
"""A minute: the longest episode of a training, and the whole one of an evaluation."""
PLAYED_TICKS = 36_000
"""Ten minutes of greedy play, with the best weights."""
MARK_EPISODES = 10
SCORE = 40.0
"""Points for one unit of learned reward."""
IMITATION = ImitatingDQN(gamma=0.99, learning_rate=2.5e-4, batch_size=32, target_ticks=1000, n_step=3, margin=0.5)
PRETRAINING = replace(IMITATION, target_ticks=250)
"""In updates, which count as ticks there: as many to a target network as in the training, where one comes every 4."""
PRETRAIN_UPDATES = 4000
SHOWN_EPISODES, RANDOM_SHARE = 4, 0.05
SHARE = 0.25
LEARNER = hocket.RoundRobin(update_every_ticks=4, warm_up_ticks=2000)
EPSILON, EPSILON_TICKS = (0.05, 0.01), 120_000
REPLAY = hocket.ReplayOptions(capacity=100_000, reward_scale=1 / SCORE)
EVALUATION = hocket.EvaluationOptions(every_ticks=24_000, episodes=5, max_ticks=1_000_000)
RATE, LINES = "points_per_minute", "lines_cleared"
COLUMNS = (*TRAINING_COLUMNS, RATE, LINES)
TABLE = Path("docs/results/blocks_delay.csv")
FIGURE = Path("docs/images/blocks_delay.png")


def make_game() -> gym.Env[Any, Any]:
    """Hocket Blocks; an episode is one game, or its first minute."""
    return gym.wrappers.TimeLimit(make_env(BLOCKS_ID, fresh_press=True), EPISODE_TICKS)


class GameAfterGame(gym.Wrapper[Any, Any, Any, Any]):
    """Begins the next game where one is over."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, over, truncated, info = super().step(action)
        if over:
            observation, _ = self.env.reset()
        return observation, reward, False, truncated, info


def make_minutes() -> gym.Env[Any, Any]:
    """Hocket Blocks, one game after another; an episode is a minute."""
    return gym.wrappers.TimeLimit(GameAfterGame(make_env(BLOCKS_ID, fresh_press=True)), EPISODE_TICKS)


def small_network(*, delay: int = 1, newest: bool = False) -> QNetwork:
    """Mnih et al. 2013's two convolutions on one frame, 256 features; with ``newest`` the head of *newest*."""
    trunk = nn.Sequential(
        nn.Conv2d(1, 16, 8, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(), nn.Flatten()
    )
    told: dict[str, Any] = {"pending": delay - 1, "newest": newest_encoder((1, 84, 84))} if newest else {}
    return q_network(trunk, 32 * 9 * 9, len(PLAYED), hidden=256, **told)


def demonstrated(seed: int, interval_ticks: int) -> Demonstrations:
    """Minutes of the play of an expert that acts every ``interval_ticks`` ticks."""
    return expert_demonstrations(
        SHOWN_EPISODES,
        ticks=EPISODE_TICKS,
        seed=1000 + seed,
        random_share=RANDOM_SHARE,
        fresh_press=True,
        interval_ticks=interval_ticks,
    )


def points_per_minute(points: float, ticks: int) -> float:
    """Of ``points`` in ``ticks`` consecutive ticks."""
    return round(points / ticks * float(GAMEBOY_HZ) * 60, 2)


def rule_of(arm: str, delay: int) -> Rule:
    """The rule of ``arm``, with the workers that the delay needs."""
    return hocket.Sequential() if arm == "sequential" else hocket.TickDispatch(delay)


@dataclass(frozen=True)
class BlocksRun(OneSeed):
    """One seed of one learning arm."""

    delay: int
    arm: str
    seed: int
    ticks: int = TICKS
    pretrain_updates: int = PRETRAIN_UPDATES

    @property
    def cell(self) -> str:
        return f"{self.delay}-{self.arm}"

    @property
    def shown(self) -> hocket.DemonstrationOptions:
        """The demonstrations, as this arm would have decided them."""
        interval = self.delay if self.arm == "sequential" else 1
        return hocket.DemonstrationOptions(
            demonstrated(self.seed, interval), delay_ticks=self.delay, interval_ticks=interval, share=SHARE
        )

    @property
    def epsilon(self) -> Linear:
        """By tick; of *sequential* so much that its decisions are random as often as those of *newest*."""
        ticks = self.delay if self.arm == "sequential" else 1
        first, last = (1 - (1 - rate) ** (1 / ticks) for rate in EPSILON)
        return Linear(first, last, EPSILON_TICKS)

    @property
    def late(self) -> bool:
        """True if the head runs late, and sees the newest frame."""
        return self.arm == "newest" and self.delay > 1

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        shown, network = self.shown, small_network(delay=self.delay, newest=self.late)
        hocket.pretrain(
            shown,
            network,
            PRETRAINING,
            actions=gym.spaces.Discrete(len(PLAYED)),
            updates=self.pretrain_updates,
            replay=REPLAY,
            seed=self.seed,
        )
        first = iter([make_game()])
        result = hocket.train(
            lambda: next(first, None) or make_minutes(),  # the training's own episodes end with the game
            network,
            IMITATION,
            rule_of(self.arm, self.delay),
            self.clock,
            ticks=self.ticks,
            learner=LEARNER,
            acting=hocket.ActingOptions(epsilon=self.epsilon, late_binding=self.late),
            replay=REPLAY,
            evaluation=EVALUATION,
            default=hocket.Fixed(NONE),
            seed=self.seed,
            demonstrations=None if self.arm == FORGOTTEN else shown,
        )
        return self.rows(result, self.greedy(network))

    def rows(self, result: hocket.TrainResult, greedy: RunResult) -> list[Row]:
        """Those of the training, with points a minute, and with lines in the training and in the ``greedy`` play."""
        rewards = np.frombuffer(result.run.record.rewards)
        tenth = rewards[len(rewards) * 9 // 10 :]
        played = np.frombuffer(greedy.record.rewards)
        known = {"game": GAME, "delay": self.delay, "arm": self.arm, "seed": self.seed}
        rows = []
        for row in rows_of(result):
            rate: float | str = ""
            lines: int | str = ""
            if row["kind"] == "choosing":
                rate = points_per_minute(row["mean_return"], EPISODE_TICKS)
            elif row["kind"] == "training":
                rate, lines = points_per_minute(float(tenth.sum()), len(tenth)), result.run.record.counts[LINES]
            elif row["kind"] == "final":
                rate, lines = points_per_minute(float(played.sum()), len(played)), greedy.record.counts[LINES]
            rows.append({**known, **row, RATE: rate, LINES: lines})
        return rows

    @property
    def clock(self) -> hocket.Virtual:
        """Every inference takes a quarter of a tick less than the delay."""
        hz = float(GAMEBOY_HZ)
        return hocket.Virtual(hz=hz, latency=hocket.Constant((self.delay - 0.25) / hz))

    def greedy(self, network: QNetwork) -> RunResult:
        """`PLAYED_TICKS` ticks under the same rule and delay, one game after another."""
        env = gym.wrappers.TimeLimit(make_env(BLOCKS_ID, fresh_press=True), EPISODE_TICKS)
        head_s = late_head_s(float(GAMEBOY_HZ), realtime=False) if self.late else 0.0
        policy = LearnedPolicy(network=network, pending=network.pending, head_s=head_s)
        rule, default = rule_of(self.arm, self.delay), hocket.Fixed(NONE)
        result = hocket.run(env, policy, rule, self.clock, ticks=PLAYED_TICKS, default=default, seed=2000 + self.seed)
        env.close()
        return result


@dataclass(frozen=True)
class BlocksMark(OneSeed):
    """One seed of a reference, without learning and delay."""

    arm: str
    seed: int
    interval: int = 1
    """Ticks between two actions, for the *seldom expert*: what a sequential agent could reach without delay."""
    episodes: int = MARK_EPISODES

    @property
    def cell(self) -> str:
        return f"{self.shown_delay}-{self.arm}"

    @property
    def shown_delay(self) -> str:
        """As it is entered into the table."""
        return "any" if self.interval == 1 else str(self.interval)

    def play(self) -> list[Row]:
        env = make_game()
        rng = np.random.default_rng(self.seed)
        policies: dict[str, Callable[[Any], int]] = {
            "noop": lambda observation: NONE,
            "random": lambda observation: int(rng.integers(len(PLAYED))),
            "expert": expert_policy(env),
            SELDOM: expert_policy(env),
        }
        shown = hocket.demonstrate(
            env, policies[self.arm], episodes=self.episodes, seed=self.seed, interval_ticks=self.interval, between=NONE
        )
        env.close()
        known = {"game": GAME, "delay": self.shown_delay, "arm": self.arm, "seed": self.seed}
        known |= {"kind": "final", "tick": 0}
        figures = {"mean_return": round(float(shown.returns.mean()), 4), "episodes": shown.episodes}
        run = {"coverage": 1.0, "delay_mean": 1.0, "updates": 0, "ticks": len(shown.actions)}
        rate = points_per_minute(float(shown.rewards.sum()), len(shown.rewards))
        return [{**known, **figures, **run, RATE: rate, LINES: ""}]


def tasks() -> list[BlocksRun | BlocksMark]:
    """The tasks of every cell, ordered by seed."""
    every: list[BlocksRun | BlocksMark] = []
    for seed in SEEDS:
        every += [BlocksRun(1, "newest", seed), BlocksRun(1, FORGOTTEN, seed)]
        every += [BlocksRun(delay, arm, seed) for delay in DELAYS[1:] for arm in ARMS]
        every += [BlocksMark(arm, seed) for arm in MARKS]
        every += [BlocksMark(SELDOM, seed, delay) for delay in DELAYS[1:]]
    return every


def collect(rows: list[Row]) -> None:
    """Write the table and draw the figure."""
    alike = [row for row in rows if row["delay"] == "1" and row["arm"] == "newest"]
    every = [*rows, *({**row, "arm": "sequential"} for row in alike)]
    delays, arms = [*map(str, DELAYS), "any"], [*ARMS, SELDOM, FORGOTTEN, *MARKS]
    every.sort(key=lambda row: (delays.index(row["delay"]), arms.index(row["arm"])))
    write_rows(TABLE, every, ("game", "delay", "arm", "seed", *COLUMNS))
    title = "Hocket Blocks (delay-only, virtual)"
    shown: dict[str, Any] = {"arms": (*ARMS, SELDOM), "references": MARKS, "games": (GAME,), "column": RATE}
    draw_against_delay(every, FIGURE, title=title, meaning="points a minute", **shown)
    for kind in KINDS:
        print(against_delay(every, **shown, kind=kind), end="\n\n")
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("game", "delay", "arm", "seed", *COLUMNS), collect)
