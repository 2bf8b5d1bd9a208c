"""The buttons, and the action space of buttons."""

from __future__ import annotations

from enum import Enum
from typing import Any

from gymnasium import spaces


class Button(Enum):
    """A button of the Game Boy, by PyBoy's name."""

    A = "a"
    B = "b"
    LEFT = "left"
    UP = "up"
    RIGHT = "right"
    DOWN = "down"
    START = "start"
    SELECT = "select"


PLAYED: tuple[Button | None, ...] = (
    Button.A,
    Button.B,
    Button.LEFT,
    Button.UP,
    Button.RIGHT,
    Button.DOWN,
    None,
)
"""The buttons that the actions 0 to 6 hold down; 6 is none."""

ALL = (*PLAYED, Button.START, Button.SELECT)
"""With START (7) and SELECT (8)."""

NONE = PLAYED.index(None)


class ButtonSpace(spaces.Discrete):
    """One action for each button, and ``neutral``, the action that presses none and is not the first."""

    def __init__(self, buttons: tuple[Button | None, ...], seed: Any = None) -> None:
        super().__init__(len(buttons), seed=seed)
        self.neutral = buttons.index(None)
