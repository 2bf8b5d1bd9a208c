"""Tetris: the reward is the gain of the score; a game lasts until the stack reaches the top."""

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
LINES = 0xFF9E, 2
"""Lines that were cleared, coded like the score."""
LEVEL = 0xFFA9, 1
STATE = 0xFFE1, 1
LEVELS = 10
"""Levels, from 0, that the level select offers: two rows of five."""
PLAYING = 0x00
LEVEL_SELECT = 0x11


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of a game.

    Attributes:
        points: of the game, those of a save state included.
        lines_cleared: in this episode.
        level: 0 to 20.
        first_line: lines that had been cleared when the episode began.
    """

    points: int
    lines_cleared: int
    level: int
    first_line: int


@dataclass(frozen=True, slots=True)
class Tetris:
    """The A-type game; the number of the encounter is the level that it begins with, 0 to 9.

    A game begins on the level select, after a random number of frames: the frame at which START is pressed determines
    the pieces.
    """

    roms: ClassVar[Mapping[str, str]] = {"0d6535aef23969c7e5af2b077acaddb4a445b3d0df7bf34c8acef07b51b015c3": "Tetris"}
    in_order: ClassVar[bool] = False

    def prepare(self, read: Read, encounter: int) -> Presses:
        """Waits for the title (memory is 0 at first, which means "playing"), goes to the level select, chooses there.

        Raises:
            ConfigurationError: if there is no such level.
        """
        if encounter >= LEVELS:
            raise ConfigurationError(
                f"level {encounter} cannot be chosen; 0 to {LEVELS - 1} can; try encounters={LEVELS}"
            )
        while _state(read) == PLAYING:
            yield None
        while _state(read) != LEVEL_SELECT:
            yield from press(Button.START)
        row, column = divmod(encounter, LEVELS // 2)
        for button in (Button.DOWN,) * row + (Button.RIGHT,) * column:
            yield from press(button)

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """Waits a random number of frames and presses START."""
        if _state(read) == PLAYING:
            return
        yield from some_frames(rng)
        while _state(read) != PLAYING:
            for button in press(Button.START):
                yield button
                if _state(read) == PLAYING:  # one frame more of START would pause the game
                    return

    def start(self, read: Read) -> Score:
        """The score at the beginning."""
        if _state(read) != PLAYING:
            raise ConfigurationError(
                f"no game of Tetris is being played: the state at FFE1 is {_state(read):02X}, in play it is 00; try a "
                "save state from within a game"
            )
        return _score(read, bcd_little(read(*LINES)))

    def tick(self, state: Score, read: Read) -> Tick[Score]:
        """The change of the score; terminated when the game is no longer played."""
        score = _score(read, state.first_line)
        return Tick(score, float(score.points - state.points), _state(read) != PLAYING)

    def won(self, state: Score) -> bool:
        """Never: the game lasts until it is lost."""
        return False

    def info(self, state: Score) -> dict[str, Any]:
        """Points, lines that were cleared in this episode, and level."""
        return {"score": state.points, "lines_cleared": state.lines_cleared, "level": state.level}


def _score(read: Read, first_line: int) -> Score:
    lines = bcd_little(read(*LINES)) - first_line
    return Score(bcd_little(read(*SCORE)), lines, read(*LEVEL)[0], first_line)


def _state(read: Read) -> int:
    return read(*STATE)[0]
