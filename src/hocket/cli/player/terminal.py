"""The terminal as screen and keyboard: pictures of half blocks in 24-bit colour.

A terminal reports that a key is pressed or repeats, but not that it is released: a key counts as down for `HOLD_S`
after its last report.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hocket.cli.player.screens import Keys
from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.picture import COLUMNS, ROWS
from hocket.errors import ConfigurationError

HOLD_S = 0.1
_UPPER_HALF = "▀"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_OTHER_SCREEN, _USUAL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
_PLAIN = "\x1b[0m"
LEAST_COLUMNS, LEAST_LINES = 40, 19
"""The smallest terminal: a quarter of the picture's width and height, and a line of text."""
ESCAPE = b"\x1b"
KEYS = {
    b"x": Button.A,
    b"z": Button.B,
    b"\x1b[D": Button.LEFT,
    b"\x1b[A": Button.UP,
    b"\x1b[C": Button.RIGHT,
    b"\x1b[B": Button.DOWN,
    b"\r": Button.START,
    b"\n": Button.START,
    b"\x7f": Button.SELECT,
    b"\x08": Button.SELECT,
}
SAVE, LEAVE = b"s", b"q"
"""Not Escape: arrows begin with it, and their rest may arrive later."""


def is_terminal() -> bool:
    """True if input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _typed(timeout_s: float) -> bytes:
    """Reads typed bytes, waiting for at most ``timeout_s``; empty if there were none."""
    keyboard = sys.stdin.fileno()
    ready, _, _ = select.select([keyboard], [], [], max(0.0, timeout_s))
    return os.read(keyboard, 1024) if ready else b""


def split_keys(typed: bytes) -> list[bytes]:
    """Splits bytes into keys: an arrow is a sequence such as ``ESC [ A``, other keys are one byte."""
    keys, at = [], 0
    while at < len(typed):
        arrow = typed[at : at + 1] == ESCAPE and typed[at + 1 : at + 2] in (b"[", b"O") and at + 2 < len(typed)
        length = 3 if arrow else 1
        keys.append(typed[at : at + length].replace(b"\x1bO", b"\x1b["))
        at += length
    return keys


def fitted(picture: NDArray[np.uint8], columns: int, lines: int) -> NDArray[np.uint8]:
    """``picture`` scaled down to fit, in its proportions; two of its rows make a line."""
    rows, width = picture.shape
    factor = min(1.0, columns / width, 2 * lines / rows)
    wanted = max(2, int(rows * factor) // 2 * 2), max(1, int(width * factor))
    down = np.arange(wanted[0]) * rows // wanted[0]
    across = np.arange(wanted[1]) * width // wanted[1]
    smaller: NDArray[np.uint8] = picture[down][:, across]
    return smaller


def half_blocks(picture: NDArray[np.uint8]) -> list[str]:
    """A line for every two rows of ``picture`` (grey, 0 to 255): the upper one is the text's colour."""
    lines = []
    for upper, lower in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
        line, last = [], (-1, -1)
        for top, bottom in zip(upper, lower, strict=True):
            if top != last[0]:
                line.append(f"\x1b[38;2;{top};{top};{top}m")
            if bottom != last[1]:
                line.append(f"\x1b[48;2;{bottom};{bottom};{bottom}m")
            line.append(_UPPER_HALF)
            last = top, bottom
        lines.append("".join(line) + _PLAIN)
    return lines


def size_note(columns: int, lines: int) -> str:
    """A note that a terminal of this size does not show every pixel; empty if it does."""
    if columns >= COLUMNS and lines > ROWS // 2:
        return ""
    return f"too small: {columns}x{lines}, all pixels need {COLUMNS}x{ROWS // 2 + 1}   "


class Terminal(AbstractContextManager["Terminal"]):
    """Draws pictures on the terminal; only the changed lines of each.

    Raises:
        ConfigurationError: on entering, if the terminal is too small.
    """

    help = "arrows, x = A, z = B, Enter = START, Backspace = SELECT, s = save the state, q = leave"

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._size = (0, 0)
        self._button: Button | None = None
        self._reported_s = 0.0
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.columns < LEAST_COLUMNS or size.lines < LEAST_LINES:
            raise ConfigurationError(
                f"the terminal has {size.columns} columns and {size.lines} lines; at least {LEAST_COLUMNS} and "
                f"{LEAST_LINES} are needed, {COLUMNS} and {ROWS // 2 + 1} show every pixel; try a larger terminal, a "
                "smaller font, or --window True"
            )
        keyboard = sys.stdin.fileno()
        self._before = termios.tcgetattr(keyboard)
        tty.setcbreak(keyboard)
        _write(_OTHER_SCREEN + _HIDE)
        return self

    def __exit__(self, *error: object) -> None:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)
        _write(_PLAIN + _SHOW + _USUAL_SCREEN)

    def listen(self, until_s: float) -> Keys:
        save = leave = False
        while (typed := _typed(until_s - monotonic())) or monotonic() < until_s:
            for key in split_keys(typed):
                leave = leave or key == LEAVE
                save = save or key == SAVE
                if key in KEYS:
                    self._button, self._reported_s = KEYS[key], monotonic()
        if monotonic() - self._reported_s > HOLD_S:
            self._button = None
        return Keys(self._button, save, leave)

    def draw(self, picture: NDArray[np.uint8], below: str) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        out = []
        if size != self._size:
            self._size, self._shown = size, []
            out.append("\x1b[2J")
        lines = half_blocks(fitted(picture, size.columns, size.lines - 1))
        lines.append((size_note(size.columns, size.lines) + below)[: size.columns] + "\x1b[K")
        for number, line in enumerate(lines):
            if number >= len(self._shown) or self._shown[number] != line:
                out.append(f"\x1b[{number + 1};1H{line}")
        self._shown = lines
        _write("".join(out))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
