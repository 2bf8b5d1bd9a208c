"""Standard output and error that do not end a command if they are unwritable or lack a character."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EBADF
from typing import Any

HANDLER = "hocket-plain"
PLAIN = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "λ": "lambda",
    "μ": "u",
    "µ": "u",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "Δ": "Delta",
    "Σ": "sum",
    "∞": "inf",
    "√": "sqrt",
    "×": "x",
    "±": "+-",
    "−": "-",
    "–": "-",
    "—": "-",
    "‑": "-",
    "·": ".",
    "•": "*",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "≠": "!=",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "…": "...",
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╞╡╪", "+"),
    **dict.fromkeys("─━╌╶╴╸╺", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("█▇▆▅▄▃▂▁", "#"),
}
"""Spellings for terminals that cannot show a character."""


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = "".join(_spelling(character) for character in error.object[error.start : error.end])
    return text, error.end


def _spelling(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return bare or character.encode("ascii", "backslashreplace").decode()


codecs.register_error(HANDLER, _plain)


def shown(text: str) -> str:
    """``text`` in the characters of standard output."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, HANDLER).decode(encoding)


class Output(io.TextIOBase):
    """A stream that drops text that can no longer be written, and keeps the reason in ``lost``."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost: OSError | None = None if stream is not None else OSError(EBADF, os.strerror(EBADF))

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> Any:
        """The stream's bytes."""
        return self.stream.buffer

    def write(self, text: str) -> int:
        """Write ``text``, or drop it after a failure."""
        if self.lost is None:
            try:
                self.stream.write(text)
            except OSError as error:
                self.lost = error
        return len(text)

    def flush(self) -> None:
        """Write buffered text, or drop it after a failure."""
        if self.lost is None:
            try:
                self.stream.flush()
            except OSError as error:
                self.lost = error

    def isatty(self) -> bool:
        """True on a terminal."""
        return self.lost is None and self.stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        if self.stream is None:
            raise OSError(EBADF, os.strerror(EBADF))
        number: int = self.stream.fileno()
        return number

    def writable(self) -> bool:
        """True: text that cannot be written is dropped."""
        return True

    def discard(self) -> None:
        """Send the buffer of a lost stream to the null device, so that the interpreter's exit does not fail on it."""
        if self.lost is not None and self.stream is not None:
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


@contextmanager
def safe_output() -> Iterator[Output]:
    """Replace standard output and error by ones that do not fail; yields standard output."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
    out, err = (Output(stream) for stream in streams)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        for each in (out, err):
            each.flush()
            each.discard()
        sys.stdout, sys.stderr = streams
