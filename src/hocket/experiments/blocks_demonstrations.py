"""Demonstrations of Hocket Blocks by its expert, to pre-train from, as the paper pre-trains Tetris.

    python -m hocket.experiments.blocks_demonstrations --out FILE.npz --episodes 10 --seed 0

The file is a compressed npz. N is the number of ticks of all E episodes, one after the other; row t of

    observations  (N, 84, 84) uint8     the single frame that was seen, not stacked
    actions       (N,) uint8            what was executed in the tick after it
    rewards       (N,) float32          what that tick brought: the change of the score
    terminated    (N,) bool             whether the game was over with it
    truncated     (N,) bool             whether it was broken off there

belong together. An episode ends where either of the last two is true, and ``final_observations`` (E, 84, 84) uint8 are
what was seen after those ticks. ``seeds`` (E,) int64 are those that the episodes were reset with, ``rom_sha256`` and
``environment`` tell what was played. About 0.1 KB a tick on disk, 7 KB in memory.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.envs.gameboy.blocks_expert import BlocksExpert
from hocket.envs.gameboy.buttons import PLAYED
from hocket.envs.gameboy.make import BLOCKS_ID, make_blocks
from hocket.envs.gameboy.picture import SIDE
from hocket.errors import ConfigurationError
from hocket.observe.files import replacing

EPISODES = 10
TICKS = 3600
"""Of an episode at most: a minute."""


@dataclass(frozen=True, slots=True, eq=False)
class Demonstrations:
    """Episodes one after the other; shapes and meanings as in the file."""

    observations: NDArray[np.uint8]
    actions: NDArray[np.uint8]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    final_observations: NDArray[np.uint8]
    seeds: NDArray[np.int64]
    rom_sha256: str
    environment: str

    def __post_init__(self) -> None:
        ticks, episodes = len(self.actions), int(np.count_nonzero(self.terminated | self.truncated))
        shapes = {
            "observations": (ticks, SIDE, SIDE),
            "rewards": (ticks,),
            "terminated": (ticks,),
            "truncated": (ticks,),
            "final_observations": (episodes, SIDE, SIDE),
            "seeds": (episodes,),
        }
        for name, shape in shapes.items():
            if (found := getattr(self, name).shape) != shape:
                raise ConfigurationError(
                    f"{name} have the shape {found}; with {ticks:,} actions and {episodes} ends of episodes it must be "
                    f"{shape}; try to write the demonstrations again"
                )
        if ticks and not (self.terminated[-1] or self.truncated[-1]):
            raise ConfigurationError(
                "the last episode has no end: its last tick is neither terminated nor truncated; try to write the "
                "demonstrations again"
            )


def demonstrate(episodes: int, *, ticks: int = TICKS, seed: int = 0, random_share: float = 0.0) -> Demonstrations:
    """Let the expert play.

    Args:
        episodes: how many.
        ticks: after these an episode is truncated.
        seed: of the first; the others' follow.
        random_share: of ticks in which a random action is executed instead of the expert's, so that what it would not
            do is seen as well.

    Raises:
        ConfigurationError: if a number is out of range.
    """
    for name, value in (("episodes", episodes), ("ticks", ticks)):
        if value < 1:
            raise ConfigurationError(f"{name}={value!r} must be at least 1; try 10")
    if not 0 <= random_share <= 1:
        raise ConfigurationError(f"random_share={random_share!r} must be between 0 and 1; try 0.05")
    most = episodes * ticks
    observations = np.empty((most, SIDE, SIDE), np.uint8)
    actions = np.empty(most, np.uint8)
    rewards = np.empty(most, np.float32)
    terminated, truncated = np.zeros(most, np.bool_), np.zeros(most, np.bool_)
    final = np.empty((episodes, SIDE, SIDE), np.uint8)
    seeds = np.arange(seed, seed + episodes)
    env = make_blocks()
    row = 0
    for episode in range(episodes):
        observation, _ = env.reset(seed=int(seeds[episode]))
        expert, rng = BlocksExpert(env.read), np.random.default_rng(seeds[episode])
        for tick in range(1, ticks + 1):
            action = expert()
            if rng.random() < random_share:
                expert.last = action = int(rng.integers(len(PLAYED)))
            observations[row], actions[row] = observation, action
            observation, rewards[row], over, _, _ = env.step(action)
            terminated[row], truncated[row] = over, tick == ticks and not over
            row += 1
            if over:
                break
        final[episode] = observation
    env.close()
    return Demonstrations(
        observations[:row],
        actions[:row],
        rewards[:row],
        terminated[:row],
        truncated[:row],
        final,
        seeds,
        env.rom.sha256,
        BLOCKS_ID,
    )


def write_demonstrations(path: Path, demonstrations: Demonstrations) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigurationError: if the disk refuses.
    """
    arrays = {field.name: getattr(demonstrations, field.name) for field in fields(demonstrations)}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_demonstrations(path: Path) -> Demonstrations:
    """Read what `write_demonstrations` wrote.

    Raises:
        ConfigurationError: if it is no such file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values: dict[str, Any] = {field.name: arrays[field.name] for field in fields(Demonstrations)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigurationError(
            f"{path} holds no demonstrations ({error}); try python -m hocket.experiments.blocks_demonstrations --out "
            f"{path}"
        ) from error
    return Demonstrations(
        **{**values, "rom_sha256": str(values["rom_sha256"]), "environment": str(values["environment"])}
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file to write, .npz")
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--ticks", type=int, default=TICKS, help="of an episode at most")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode; the others' follow")
    parser.add_argument("--random-share", type=float, default=0.0, help="of ticks with a random action instead")
    options = parser.parse_args()
    try:
        demonstrations = demonstrate(
            options.episodes, ticks=options.ticks, seed=options.seed, random_share=options.random_share
        )
        write_demonstrations(options.out, demonstrations)
    except ConfigurationError as error:
        parser.error(str(error))
    ticks, points = len(demonstrations.actions), demonstrations.rewards.sum()
    size = options.out.stat().st_size
    print(f"{options.out}: {options.episodes} episodes, {ticks:,} ticks, {points:,.0f} points, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
