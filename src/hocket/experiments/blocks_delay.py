"""Hocket Blocks under delay (virtual, delay-only): DQN that has seen an expert play, sequential against staggered.

    python -m hocket.experiments.blocks_delay --out FOLDER             play what is not there yet
    python -m hocket.experiments.blocks_delay --out FOLDER --collect   table and figure of what is

The paper's Tetris experiment (Riemer et al. 2025, figure 5) at a reduced scale, on hocket's own cartridge: one grey
frame, γ 0.99, batches of 32; delays of 1, 5, 8 and 70 frames, which are those of nets of 54 thousand to 105 million
parameters. The network is small and the same in every arm (Mnih et al. 2013), every inference is charged (d − 1/4)
ticks, β presses nothing. First 8,000 updates on two minutes of an expert that presses at random in a twentieth of the
ticks, with the large margin of Hester et al. 2018, as if it had decided d ticks before; then 60,000 ticks of its own,
an update every 4 ticks in either arm. Rewards are scores ÷ 40, so that a single row at level 0 pays 1.

At a delay of 1 both arms do the same and are played once. Noop, chance and the expert, without delay, are marks.
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
from hocket.envs.gameboy.make import BLOCKS_ID
from hocket.experiments.blocks_demonstrations import expert_demonstrations, expert_policy
from hocket.experiments.figures import draw_against_delay
from hocket.experiments.minatar import COLUMNS, rows_of
from hocket.experiments.tables import against_delay
from hocket.experiments.tasks import Row, command, write_rows
from hocket.learn.dqn import DQN
from hocket.learn.imitation import ImitatingDQN
from hocket.learn.schedules import Linear
from hocket.models.qnetwork import QNetwork, q_network
from hocket.training.demonstrations import Demonstrations

GAME = "blocks"
DELAYS = (1, 5, 8, 70)
SEEDS = (0, 1, 2)
ARMS = ("sequential", "TickDispatch")
MARKS = ("noop", "random", "expert")
TICKS = 60_000
EPISODE_TICKS = 7200
"""Two minutes."""
MARK_EPISODES = 10
SCORE = 40.0
"""Points for one unit of reward."""
DQN_OPTIONS: dict[str, Any] = {"gamma": 0.99, "learning_rate": 2.5e-4, "batch_size": 32, "target_every": 500}
ALGORITHM = DQN(**DQN_OPTIONS, n_step=3)
IMITATION = ImitatingDQN(**DQN_OPTIONS, n_step=3, margin=0.5)
PRETRAIN_UPDATES = 8000
SHOWN_EPISODES, RANDOM_SHARE = 1, 0.05
LEARNING: dict[str, Any] = {
    "update_every": 4,
    "warm_up": 2000,
    "epsilon": Linear(0.1, 0.01, 30_000),
    "capacity": 60_000,
    "evaluate_every": 20_000,
    "evaluation_episodes": 5,
}
TABLE = Path("docs/results/blocks_delay.csv")
FIGURE = Path("docs/images/blocks_delay.png")


def make_game() -> gym.Env[Any, Any]:
    """Hocket Blocks, its score in units of a row."""
    return gym.wrappers.TransformReward(gym.wrappers.TimeLimit(make_env(BLOCKS_ID), EPISODE_TICKS), _scaled)


def _scaled(reward: Any) -> float:
    return float(reward) / SCORE


def small_network() -> QNetwork:
    """Mnih et al. 2013's two convolutions on one frame, 256 features."""
    trunk = nn.Sequential(
        nn.Conv2d(1, 16, 8, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(), nn.Flatten()
    )
    return q_network(trunk, 32 * 9 * 9, len(PLAYED), hidden=256)


def demonstrated(seed: int) -> Demonstrations:
    """What the agent is shown, in the units that it learns in."""
    shown = expert_demonstrations(SHOWN_EPISODES, ticks=EPISODE_TICKS, seed=1000 + seed, random_share=RANDOM_SHARE)
    return replace(shown, rewards=shown.rewards / SCORE)


def rule_of(arm: str, delay: int) -> Rule:
    """The rule of ``arm``, with as many workers as the delay needs."""
    return hocket.Sequential() if arm == "sequential" else hocket.TickDispatch(delay)


@dataclass(frozen=True)
class Learning:
    """One seed of one arm that learns."""

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
            network,
            demonstrated(self.seed),
            IMITATION,
            actions=gym.spaces.Discrete(len(PLAYED)),
            delay=self.delay,
            updates=self.pretrain_updates,
            seed=self.seed,
        )
        result = hocket.train(
            make_game,
            network,
            ALGORITHM,
            rule_of(self.arm, self.delay),
            hocket.Virtual(hz=float(GAMEBOY_HZ), latency=hocket.Constant((self.delay - 0.25) / float(GAMEBOY_HZ))),
            ticks=self.ticks,
            default=hocket.Fixed(NONE),
            seed=self.seed,
            **LEARNING,
        )
        known = {"game": GAME, "delay": self.delay, "arm": self.arm, "seed": self.seed}
        return [{**known, **row} for row in rows_of(result)]


@dataclass(frozen=True)
class Mark:
    """One seed of what needs no learning and knows no delay."""

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
        return [{**known, **figures, "coverage": 1.0, "delay_mean": 1.0, "updates": 0, "ticks": len(shown.actions)}]


def tasks() -> list[Learning | Mark]:
    """Every cell of the first seed, then of the next, and so on."""
    every: list[Learning | Mark] = []
    for seed in SEEDS:
        every += [Learning(delay, arm, seed) for delay in DELAYS for arm in ARMS if delay > 1 or arm == "TickDispatch"]
        every += [Mark(arm, seed) for arm in MARKS]
    return every


def collect(rows: list[Row]) -> None:
    """The table and the figure."""
    every = [*rows, *({**row, "arm": "sequential"} for row in rows if row["delay"] == "1")]
    delays, arms = [*map(str, DELAYS), "any"], [*ARMS, *MARKS]
    every.sort(key=lambda row: (delays.index(row["delay"]), arms.index(row["arm"])))
    write_rows(TABLE, every, ("game", "delay", "arm", "seed", *COLUMNS))
    title = "Hocket Blocks, score ÷ 40 (delay-only, virtual)"
    shown: dict[str, Any] = {"arms": ARMS, "references": MARKS, "games": (GAME,)}
    draw_against_delay(every, FIGURE, title=title, **shown)
    print(against_delay(every, **shown))
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("game", "delay", "arm", "seed", *COLUMNS), collect)
