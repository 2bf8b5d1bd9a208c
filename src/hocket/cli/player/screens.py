"""The interface of screens: they draw pictures and read keys."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.envs.gameboy.buttons import Button


@dataclass(frozen=True, slots=True)
class Keys:
    """The state of the keys.

    Attributes:
        button: the button that is down now.
        save, leave: true if their key was pressed.
    """

    button: Button | None
    save: bool = False
    leave: bool = False


class Screen(AbstractContextManager["Screen"], Protocol):
    """A context manager that opens the screen and restores the terminal or closes the window."""

    help: str
    """The keys and their functions."""

    def listen(self, until_s: float) -> Keys:
        """Waits until ``time.monotonic()`` is ``until_s``; returns the keys of that time."""

    def draw(self, picture: NDArray[np.uint8], below: str) -> None:
        """Show ``picture``, grey of shape (144, 160), and the text ``below`` it."""
