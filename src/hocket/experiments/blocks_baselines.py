"""Hocket Blocks without learning: scores of no button, random buttons and the expert.

    python -m hocket.experiments.blocks_baselines --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.blocks_baselines --out FOLDER --collect   table of the finished tasks

50 episodes of each from level 0, on the same seeds; a game is cut off after 20,000 ticks (335 s). Every
action is executed in the next tick, so these are figures without delay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hocket.envs.gameboy import GameBoyEnv
from hocket.envs.gameboy.blocks_expert import BlocksExpert
from hocket.envs.gameboy.blocks_field import LEVEL
from hocket.envs.gameboy.buttons import NONE, PLAYED
from hocket.envs.gameboy.factory import make_blocks
from hocket.envs.gameboy.game import bcd_little
from hocket.experiments.tasks import Row, command, write_rows
from hocket.results.intervals import interval

EPISODES = 50
EPISODES_A_TASK = 10
TICKS = 20_000
LINES = 0xFF9E
POLICIES = ("noop", "random", "expert")
COLUMNS = ("policy", "seed", "return", "lines", "level", "ticks", "over")
TABLE = Path("docs/results/blocks_baselines.csv")


def policy_of(name: str, env: GameBoyEnv[int], seed: int) -> Callable[[], int]:
    """A function that returns the next action."""
    if name == "expert":
        return BlocksExpert(env.read)
    if name == "noop":
        return lambda: NONE
    rng = np.random.default_rng(seed)
    return lambda: int(rng.integers(len(PLAYED)))


def play_episode(env: GameBoyEnv[int], name: str, seed: int, *, ticks: int = TICKS) -> Row:
    """Play one game, or its first ``ticks`` ticks."""
    env.reset(seed=seed)
    act = policy_of(name, env, seed)
    total, played, over = 0.0, 0, False
    while not over and played < ticks:
        _, reward, over, _, _ = env.step(act())
        total += reward
        played += 1
    figures = {"lines": bcd_little(env.read(LINES, 2)), "level": env.read(LEVEL, 1)[0]}
    return {"policy": name, "seed": seed, "return": int(total), **figures, "ticks": played, "over": int(over)}


@dataclass(frozen=True)
class Games:
    """Ten games of one policy."""

    policy: str
    first_seed: int
    count: int = EPISODES_A_TASK
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return self.policy

    @property
    def name(self) -> str:
        return f"{self.policy}-{self.first_seed}"

    def play(self) -> list[Row]:
        env = make_blocks(raw=True)  # pictures are not used
        seeds = range(self.first_seed, self.first_seed + self.count)
        rows = [play_episode(env, self.policy, seed, ticks=self.ticks) for seed in seeds]
        env.close()
        return rows


def tasks() -> list[Games]:
    """The tasks, quick policies first."""
    return [Games(policy, seed) for policy in POLICIES for seed in range(0, EPISODES, EPISODES_A_TASK)]


def summary(rows: Sequence[Row]) -> Table:
    """One summary row a policy."""
    table = Table("policy", "episodes", "return", "95 %", "lowest", "highest", "lines", "ticks", "games over")
    for policy in POLICIES:
        own = [row for row in rows if row["policy"] == policy]
        if not own:
            continue
        returns = [float(row["return"]) for row in own]
        mean, half = interval(returns)
        lines, ticks, over = (np.mean([float(row[column]) for row in own]) for column in ("lines", "ticks", "over"))
        spread = f"± {half:,.1f}", f"{min(returns):,.0f}", f"{max(returns):,.0f}"
        table.add_row(policy, str(len(own)), f"{mean:,.1f}", *spread, f"{lines:.1f}", f"{ticks:,.0f}", f"{over:.0%}")
    return table


def collect(rows: list[Row]) -> None:
    """Write the table and print its summary."""
    write_rows(TABLE, rows, COLUMNS)
    Console().print(summary(rows))


if __name__ == "__main__":
    command(__doc__ or "", tasks(), COLUMNS, collect)
