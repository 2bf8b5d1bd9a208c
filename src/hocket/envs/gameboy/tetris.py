"""Tetris: the reward is what the score gains, a game lasts until the stack reaches the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.game import Presses, Read, Tick, bcd_little, press, some_frames
from hocket.errors import ConfigurationError

SCORE = 0xC0A0, 3
"""Address and bytes, as below: six digits of binary-coded decimal, the lowest byte first."""
STATE = 0xFFE1, 1
PLAYING = 0x00
LEVEL_SELECT = 0x11


@dataclass(frozen=True, slots=True)
class Tetris:
    """The A-type game from the level that is preselected.

    A game begins on the level select, after a random number of frames: which pieces fall follows from the frame at
    which START is pressed.
    """

    roms: ClassVar[Mapping[str, str]] = {"0d6535aef23969c7e5af2b077acaddb4a445b3d0df7bf34c8acef07b51b015c3": "Tetris"}
    in_order: ClassVar[bool] = False

    def prepare(self, read: Read, encounter: int) -> Presses:
        """Wait for the title (memory is 0 at first, which would be "playing"), press START up to the level select."""
        while _state(read) == PLAYING:
            yield None
        while _state(read) != LEVEL_SELECT:
            yield from press(Button.START)

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """Wait by chance, press START."""
        if _state(read) == PLAYING:
            return
        yield from some_frames(rng)
        while _state(read) != PLAYING:
            for button in press(Button.START):
                yield button
                if _state(read) == PLAYING:  # one frame more of START would pause the game
                    return

    def start(self, read: Read) -> int:
        """The score."""
        if _state(read) != PLAYING:
            raise ConfigurationError(
                f"no game of Tetris is being played: the state at FFE1 is {_state(read):02X}, in play it is 00; try a "
                "save state from within a game"
            )
        return bcd_little(read(*SCORE))

    def tick(self, state: int, read: Read) -> Tick[int]:
        """The change of the score; over once the game plays no more."""
        score = bcd_little(read(*SCORE))
        return Tick(score, float(score - state), _state(read) != PLAYING)

    def won(self, state: int) -> bool:
        """Never: the game goes on until it is lost."""
        return False

    def info(self, state: int) -> dict[str, Any]:
        """The score."""
        return {"score": state}


def _state(read: Read) -> int:
    return read(*STATE)[0]
