"""What a game is to an agent, told by the Game Boy's memory: what is rewarded, and when an episode is over.

A definition is a small frozen object that knows no emulator. It is handed `Read` and gives what a tick brought; what it
must remember from tick to tick is a value of its own kind, which the environment keeps for it. How a game comes to the
point where an agent takes over is told in buttons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from hocket.envs.gameboy.buttons import Button

Read = Callable[[int, int], bytes]
"""``read(address, count)``: that many bytes of the Game Boy's memory, as it is now."""


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
"""For each frame the button that is down, or None. It may look at memory between two frames."""

SPREAD = 60
"""Frames, 0 to one less, that a game waits by chance before the press that begins it: about a second."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Tick(Generic[S]):
    """What one tick brought.

    Attributes:
        state: what the game remembers for the next tick.
        reward: of this tick.
        terminated: whether the episode is over by the game's own rule.
    """

    state: S
    reward: float = 0.0
    terminated: bool = False


class Game(Protocol[S]):
    """A definition of a game. Its values are hashable and can be pickled."""

    @property
    def roms(self) -> Mapping[str, str]:
        """What the ROMs are called for which it was written, by SHA-256 (hexadecimal, small letters)."""

    @property
    def in_order(self) -> bool:
        """Whether encounters are met in their order, the next one only after a win; else they are drawn."""

    def prepare(self, read: Read, encounter: int) -> Presses:
        """From power-on to shortly before the game begins, always alike. Done once; its end is kept."""

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """From there, or from a save state, to where the agent takes over. Of a game that is under way: nothing."""

    def start(self, read: Read) -> S:
        """What to remember of the moment at which the agent takes over.

        Raises:
            ConfigurationError: if this is no moment to take over at.
        """

    def tick(self, state: S, read: Read) -> Tick[S]:
        """What the tick after ``state`` brought."""

    def won(self, state: S) -> bool:
        """Whether an episode that ended in ``state`` was won."""

    def info(self, state: S) -> dict[str, Any]:
        """What Gymnasium's ``info`` tells of ``state``."""


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
    """No button for a random number of frames, of which the game's own chance depends."""
    return idle(int(rng.integers(SPREAD)))
