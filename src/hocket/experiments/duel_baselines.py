"""Random play and a simple script in Hocket Duel: battles of its first, fourth and last round, and catching.

    python -m hocket.experiments.duel_baselines --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.duel_baselines --out FOLDER --collect   table of the finished tasks

Fifty episodes of each, one a seed, frame by frame and without delay. Random presses one of the seven actions in every
frame. The script reads the game's memory (`hocket.envs.gameboy.duel_script`): its score is no agent's, but shows
that choices matter. The return of a battle is the opponent's fainted creatures minus one's own; of catching, 1 or −1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.envs.gameboy.duel_script import DuelScript
from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.registration import CATCH_ID, DUEL_ID
from hocket.experiments.tasks import Row, command, write_rows
from hocket.results.intervals import interval

EPISODES = 50
BLOCK = 10
GAMES = {
    "duel, round 1": (DUEL_ID, 0),
    "duel, round 4": (DUEL_ID, 3),
    "duel, round 8": (DUEL_ID, 7),
    "catch": (CATCH_ID, 0),
}
"""The environment, and the encounter that every episode starts with."""
POLICIES = ("random", "script")
COLUMNS = ("game", "policy", "seed", "return", "won", "ticks")
TABLE = Path("docs/results/duel_baselines.csv")


@dataclass(frozen=True)
class DuelEpisodes:
    """Some episodes of one game by one policy, one a seed."""

    game: str
    policy: str
    first_seed: int
    episodes: int = BLOCK

    @property
    def cell(self) -> str:
        return f"{self.game.replace(', ', '_').replace(' ', '_')}-{self.policy}"

    @property
    def name(self) -> str:
        return f"{self.cell}-seed{self.first_seed}"

    def play(self) -> list[Row]:
        id, encounter = GAMES[self.game]
        seeds = range(self.first_seed, self.first_seed + self.episodes)
        with closing(gym.make(id)) as env:
            return [
                {"game": self.game, "policy": self.policy, **episode(env, encounter, self.policy, s)} for s in seeds
            ]


def episode(env: gym.Env[Any, Any], encounter: int, policy: str, seed: int) -> Row:
    """Play one episode: its return, whether it was won, and its length."""
    game = env.unwrapped
    assert isinstance(game, GameBoyEnv)
    env.reset(seed=seed, options={"encounter": encounter})
    actions = scripted(game) if policy == "script" else by_chance(np.random.default_rng(seed))
    total, ticks, over = 0.0, 0, False
    while not over:
        _, reward, terminated, truncated, _ = env.step(next(actions))
        total, ticks, over = total + float(reward), ticks + 1, terminated or truncated
    won = game.game.won(game.clone_state()["state"])
    return {"seed": seed, "return": total, "won": int(won), "ticks": ticks}


def scripted(game: GameBoyEnv[Any]) -> Iterator[int]:
    """The script's action for the current memory."""
    script = DuelScript()
    while True:
        yield script(game.read)


def by_chance(rng: np.random.Generator) -> Iterator[int]:
    """A random one of the seven actions."""
    while True:
        yield from rng.integers(7, size=4096).tolist()


def tasks() -> list[DuelEpisodes]:
    """The tasks of every cell, ordered by seed."""
    return [
        DuelEpisodes(game, policy, seed) for seed in range(0, EPISODES, BLOCK) for game in GAMES for policy in POLICIES
    ]


def collect(rows: list[Row]) -> None:
    """Write the table of episodes, and means with 95 % intervals in Markdown."""
    order = list(GAMES)
    rows.sort(key=lambda row: (order.index(row["game"]), POLICIES.index(row["policy"]), int(row["seed"])))
    write_rows(TABLE, rows, COLUMNS)
    print("| game | policy | mean return | won | ticks | episodes |")
    print("|---|---|---|---|---|---|")
    for game in GAMES:
        for policy in POLICIES:
            own = [row for row in rows if (row["game"], row["policy"]) == (game, policy)]
            if own:
                mean, half = interval([float(row["return"]) for row in own])
                won, ticks = (np.mean([float(row[column]) for row in own]) for column in ("won", "ticks"))
                print(f"| {game} | {policy} | {mean:+.2f} ± {half:.2f} | {won:.0%} | {ticks:,.0f} | {len(own)} |")
    print(TABLE)


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), COLUMNS, collect)
