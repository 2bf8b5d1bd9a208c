"""Records a person's play for pre-training: ``hocket train --demonstrations FILE.npz`` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import hocket
from hocket.errors import ConfigurationError

MOST_TICKS = 200_000
"""Most ticks of a recording: about an hour, at 7 KB of memory a tick."""


class Recording:
    """Episodes as `hocket.Demonstrations` holds them.

    Args:
        folder: folder of the file, made at once, so that an unwritable one is refused before the play.

    Raises:
        ConfigurationError: if the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._observations: list[Any] = []
        self._rows: list[tuple[int, float, bool, bool]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--record {folder} cannot be made: {error.strerror or error}") from error

    @property
    def full(self) -> bool:
        """True at `MOST_TICKS` ticks."""
        return len(self._rows) >= MOST_TICKS

    def begin(self, observation: Any) -> None:
        """Begin an episode with ``observation``."""
        self._observations.append(np.array(observation))

    def add(self, action: int, observation: Any, reward: float, terminated: bool, truncated: bool) -> None:
        """Record one tick: the executed action and its outcome."""
        self._observations.append(np.array(observation))
        self._rows.append((action, float(reward), bool(terminated), bool(truncated)))

    def save(self) -> Path | None:
        """Write a file with the next free number, such as ``0003.npz``; an unfinished last episode is truncated.

        Returns:
            The file, or None if nothing was played.

        Raises:
            ConfigurationError: if it cannot be written.
        """
        if not self._rows:
            return None
        action, reward, terminated, truncated = self._rows[-1]
        rows = [*self._rows[:-1], (action, reward, terminated, truncated or not terminated)]
        actions, rewards, terminations, truncations = zip(*rows, strict=True)
        episodes = sum(one or other for _, _, one, other in rows)
        played = hocket.Demonstrations(
            observations=np.stack(self._observations[: len(rows) + episodes]),
            actions=np.array(actions, np.int64),
            rewards=np.array(rewards, np.float64),
            terminated=np.array(terminations, bool),
            truncated=np.array(truncations, bool),
        )
        numbers = [int(path.stem) for path in self.folder.glob("*.npz") if path.stem.isdecimal()]
        return played.save(self.folder / f"{max(numbers, default=-1) + 1:04d}.npz")
