"""Hocket Blocks under delay (virtual, delay-only): DQN pre-trained on an expert, sequential against staggered.

    python -m hocket.experiments.blocks_delay --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.blocks_delay --out FOLDER --collect   table and figure of the finished tasks

The paper's Tetris experiment (Riemer et al. 2025, figure 5) at a reduced scale, on hocket's own cartridge: one grey
frame, γ 0.99, batches of 32; delays of 1, 5, 8 and 70 frames, which are those of nets of 54 thousand to 105 million
parameters. The network is small and the same in every arm (Mnih et al. 2013), every inference is charged (d − 1/4)
ticks, β presses nothing. First 4,000 updates on four minutes of an expert that presses at random in a twentieth of the
ticks, with the large margin of Hester et al. 2018, as if it had decided d ticks before; then 24,000 ticks of its own,
an update every 4 ticks in either arm. Rewards are scores ÷ 40, so that a single row at level 0 pays 1.

A repeated action presses its button again (``fresh_press=True``): if a button had to be released first, one frame
would not determine the expert's next action.

The figure is points a minute of play, over one game after another: an agent that drops pieces and clears no row
ends every game at about the same score, only at different times. At a delay of 1 both arms are identical and are
played once. Noop, chance and the expert, all without delay, are references.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import hocket
from hocket.core.rules import Rule
from hocket.envs import make_env
from hocket.envs.gameboy.buttons import NONE, PLAYED
from hocket.envs.gameboy.emulator import GAMEBOY_HZ
from hocket.envs.registration import BLOCKS_ID
from hocket.experiments.blocks_demonstrations import expert_demonstrations, expert_policy
from hocket.experiments.figures import draw_against_delay
from hocket.experiments.minatar import COLUMNS as MINATAR_COLUMNS
from hocket.experiments.minatar import rows_of
from hocket.experiments.tables import KINDS, against_delay
from hocket.experiments.tasks import Row, command, write_rows
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.policy import greedy_policy
from hocket.models.qnetwork import QNetwork, q_network
from hocket.training.demonstrations import Demonstrations

GAME = "blocks"
DELAYS = (1, 5, 8, 70)
SEEDS = (0, 1, 2)
ARMS = ("sequential", "TickDispatch")
MARKS = ("noop", "random", "expert")
TICKS = 24_000
EPISODE_TICKS = 3600
"""A minute."""
PLAYED_TICKS = 7200
"""Two minutes of greedy play, with the best weights."""
MARK_EPISODES = 10
SCORE = 40.0
"""Points for one unit of reward."""
DQN_OPTIONS: dict[str, Any] = {"gamma": 0.99, "learning_rate": 2.5e-4, "batch_size": 32, "target_ticks": 250}
ALGORITHM = DQN(**DQN_OPTIONS, n_step=3)
IMITATION = ImitatingDQN(**DQN_OPTIONS, n_step=3, margin=0.5)
PRETRAIN_UPDATES = 4000
SHOWN_EPISODES, RANDOM_SHARE = 4, 0.05
LEARNER = hocket.RoundRobin(update_every=4, warm_up=2000)
ACTING = hocket.ActingOptions(epsilon=Linear(0.1, 0.01, 12_000))
REPLAY = hocket.ReplayOptions(capacity=24_000)
EVALUATION = hocket.EvaluationOptions(every=8000, episodes=3, max_ticks=1_000_000)
RATE = "points_per_minute"
COLUMNS = (*MINATAR_COLUMNS, RATE)
TABLE = Path("docs/results/blocks_delay.csv")
FIGURE = Path("docs/images/blocks_delay.png")


def make_game() -> gym.Env[Any, Any]:
    """Hocket Blocks, its score in units of a row."""
    return gym.wrappers.TransformReward(
        gym.wrappers.TimeLimit(make_env(BLOCKS_ID, fresh_press=True), EPISODE_TICKS), _scaled
    )


def _scaled(reward: Any) -> float:
    return float(reward) / SCORE


def small_network() -> QNetwork:
    """Mnih et al. 2013's two convolutions on one frame, 256 features."""
    trunk = nn.Sequential(
        nn.Conv2d(1, 16, 8, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(), nn.Flatten()
    )
    return q_network(trunk, 32 * 9 * 9, len(PLAYED), hidden=256)


def demonstrated(seed: int) -> Demonstrations:
    """The demonstrations, with rewards in the units that the agent learns in."""
    shown = expert_demonstrations(
        SHOWN_EPISODES, ticks=EPISODE_TICKS, seed=1000 + seed, random_share=RANDOM_SHARE, fresh_press=True
    )
    return replace(shown, rewards=shown.rewards / SCORE)


def points_per_minute(rewards: NDArray[np.float64]) -> float:
    """Points a minute, from the scaled rewards of consecutive ticks."""
    return round(float(rewards.mean()) * SCORE * float(GAMEBOY_HZ) * 60, 2)


def rule_of(arm: str, delay: int) -> Rule:
    """The rule of ``arm``, with the workers that the delay needs."""
    return hocket.Sequential() if arm == "sequential" else hocket.TickDispatch(delay)


@dataclass(frozen=True)
class BlocksRun:
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
    def name(self) -> str:
        return f"{self.cell}-seed{self.seed}"

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        network = small_network()
        hocket.pretrain(
            demonstrated(self.seed),
            network,
            IMITATION,
            actions=gym.spaces.Discrete(len(PLAYED)),
            delay_ticks=self.delay,
            updates=self.pretrain_updates,
            seed=self.seed,
        )
        result = hocket.train(
            make_game,
            network,
            ALGORITHM,
            rule_of(self.arm, self.delay),
            self.clock,
            ticks=self.ticks,
            learner=LEARNER,
            acting=ACTING,
            replay=REPLAY,
            evaluation=EVALUATION,
            default=hocket.Fixed(NONE),
            seed=self.seed,
        )
        rewards = np.frombuffer(result.run.record.rewards)
        rates = {"training": rewards[len(rewards) * 9 // 10 :], "final": self.greedy_rewards(network)}
        known = {"game": GAME, "delay": self.delay, "arm": self.arm, "seed": self.seed}
        return [
            {**known, **row, RATE: points_per_minute(rates[row["kind"]]) if row["kind"] in rates else ""}
            for row in rows_of(result)
        ]

    @property
    def clock(self) -> hocket.Virtual:
        """Every inference takes a quarter of a tick less than the delay."""
        hz = float(GAMEBOY_HZ)
        return hocket.Virtual(hz=hz, latency=hocket.Constant((self.delay - 0.25) / hz))

    def greedy_rewards(self, network: QNetwork) -> NDArray[np.float64]:
        """Points a minute over `PLAYED_TICKS` ticks under the same rule and delay."""
        env = make_game()
        policy, rule, default = greedy_policy(network), rule_of(self.arm, self.delay), hocket.Fixed(NONE)
        result = hocket.run(env, policy, rule, self.clock, ticks=PLAYED_TICKS, default=default, seed=2000 + self.seed)
        env.close()
        return np.frombuffer(result.record.rewards)


@dataclass(frozen=True)
class Mark:
    """One seed of a reference, without learning and delay."""

    arm: str
    seed: int
    episodes: int = MARK_EPISODES

    @property
    def cell(self) -> str:
        return f"any-{self.arm}"

    @property
    def name(self) -> str:
        return f"{self.cell}-seed{self.seed}"

    def play(self) -> list[Row]:
        env = make_game()
        rng = np.random.default_rng(self.seed)
        policies: dict[str, Callable[[Any], int]] = {
            "noop": lambda observation: NONE,
            "random": lambda observation: int(rng.integers(len(PLAYED))),
            "expert": expert_policy(env),
        }
        shown = hocket.demonstrate(env, policies[self.arm], episodes=self.episodes, seed=self.seed)
        env.close()
        known = {"game": GAME, "delay": "any", "arm": self.arm, "seed": self.seed, "kind": "final", "tick": 0}
        figures = {"mean_return": round(float(shown.returns.mean()), 4), "episodes": shown.episodes}
        run = {"coverage": 1.0, "delay_mean": 1.0, "updates": 0, "ticks": len(shown.actions)}
        return [{**known, **figures, **run, RATE: points_per_minute(shown.rewards)}]


def tasks() -> list[BlocksRun | Mark]:
    """The tasks of every cell, ordered by seed."""
    every: list[BlocksRun | Mark] = []
    for seed in SEEDS:
        every += [BlocksRun(delay, arm, seed) for delay in DELAYS for arm in ARMS if delay > 1 or arm == "TickDispatch"]
        every += [Mark(arm, seed) for arm in MARKS]
    return every


def collect(rows: list[Row]) -> None:
    """Write the table and draw the figure."""
    every = [*rows, *({**row, "arm": "sequential"} for row in rows if row["delay"] == "1")]
    delays, arms = [*map(str, DELAYS), "any"], [*ARMS, *MARKS]
    every.sort(key=lambda row: (delays.index(row["delay"]), arms.index(row["arm"])))
    write_rows(TABLE, every, ("game", "delay", "arm", "seed", *COLUMNS))
    title = "Hocket Blocks (delay-only, virtual)"
    shown: dict[str, Any] = {"arms": ARMS, "references": MARKS, "games": (GAME,), "column": RATE}
    draw_against_delay(every, FIGURE, title=title, meaning="points a minute", **shown)
    for kind in KINDS:
        print(against_delay(every, **shown, kind=kind), end="\n\n")
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("game", "delay", "arm", "seed", *COLUMNS), collect)
