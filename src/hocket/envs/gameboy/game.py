"""Definitions of games: they compute rewards and ends of episodes from the Game Boy's memory.

A definition is a small frozen object without an emulator. Its methods get `Read` and return the result of a tick. The
environment keeps its state between ticks, a value of the definition's own type. Sequences of buttons lead a game to the
point where an agent takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from hocket.envs.gameboy.buttons import Button

Read = Callable[[int, int], bytes]
"""``read(address, count)``: that many bytes of the Game Boy's current memory."""


def bcd_little(data: bytes) -> int:
    """Binary-coded decimal, two digits a byte, the lowest byte first: ``10 02`` is 210."""
    return sum(100**place * (10 * (byte >> 4) + (byte & 0x0F)) for place, byte in enumerate(data))


def big_endian(data: bytes) -> int:
    """An unsigned number with its highest byte first, of two bytes or three as well: ``01 2C`` is 300."""
    return int.from_bytes(data, "big")


def big_endian_words(read: Read, addresses: Iterable[int]) -> tuple[int, ...]:
    """The two-byte numbers, highest byte first, at each of ``addresses``."""
    return tuple(big_endian(read(address, 2)) for address in addresses)


Presses = Iterator[Button | None]
"""The button that is down in each frame, or None. The iterator may read memory between two frames."""

SPREAD = 60
"""A game waits a random number of frames below this, about a second, before the press that begins it."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Tick(Generic[S]):
    """The result of one tick.

    Attributes:
        state: of the game's definition, for the next tick.
        reward: of this tick.
        terminated: true if the game's rules end the episode.
    """

    state: S
    reward: float = 0.0
    terminated: bool = False


class Game(Protocol[S]):
    """A definition of a game. Its values are hashable and can be pickled."""

    @property
    def roms(self) -> Mapping[str, str]:
        """Names of the ROMs that it was written for, by SHA-256 (hexadecimal, small letters)."""

    @property
    def in_order(self) -> bool:
        """True if encounters come in order, the next one only after a win; false if they are drawn."""

    def prepare(self, read: Read, encounter: int) -> Presses:
        """Leads from power-on to shortly before the game begins, always alike. Run once; its end is kept."""

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """Leads from there, or from a save state, to where the agent takes over; presses nothing in a running game."""

    def start(self, read: Read) -> S:
        """The state when the agent takes over.

        Raises:
            ConfigurationError: if no game is running.
        """

    def tick(self, state: S, read: Read) -> Tick[S]:
        """The result of the tick after ``state``."""

    def won(self, state: S) -> bool:
        """True if an episode that ended in ``state`` was won."""

    def info(self, state: S) -> dict[str, Any]:
        """The entries of Gymnasium's ``info`` for ``state``."""


def press(button: Button, *, down: int = 2, up: int = 6) -> Presses:
    """``button`` for ``down`` frames, then none for ``up``."""
    for _ in range(down):
        yield button
    yield from idle(up)


def idle(frames: int) -> Presses:
    """No button for so many frames."""
    for _ in range(frames):
        yield None


def some_frames(rng: np.random.Generator) -> Presses:
    """No button for a random number of frames, which seeds the game's own chance."""
    return idle(int(rng.integers(SPREAD)))
