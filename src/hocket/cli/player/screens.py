"""What a person plays at: something that draws pictures and listens to keys."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.envs.gameboy.buttons import Button


@dataclass(frozen=True, slots=True)
class Heard:
    """What the keys said.

    Attributes:
        button: what is down now.
        save, leave: whether that was asked for.
    """

    button: Button | None
    save: bool = False
    leave: bool = False


class Screen(AbstractContextManager["Screen"], Protocol):
    """Open within its ``with``; afterwards all is as it was."""

    help: str
    """Which keys do what."""

    def listen(self, until_s: float) -> Heard:
        """Wait until ``time.monotonic()`` is ``until_s``, and say what was heard meanwhile."""

    def draw(self, picture: NDArray[np.uint8], below: str) -> None:
        """Show ``picture``, grey of shape (144, 160), and the text ``below`` it."""
