"""Tables, progress and JSON files of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hocket.cli.output import shown
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.instruments.progress_line import ProgressLine
from hocket.results import files

console = Console(markup=False, emoji=False, highlight=False)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False)


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, sections: Callable[[int], bool] | None = None
) -> None:
    """Print a table under its title; without a header if ``columns`` are all empty.

    ``sections(row number)`` is true if a line is drawn below the row.
    """
    drawn = Table(box=SIMPLE_HEAD, show_header=any(columns), show_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        drawn.add_column(Text(shown(column)), justify="left" if number == 0 else "right", overflow="fold")
    for number, row in enumerate(rows):
        drawn.add_row(*(Text(shown(cell)) for cell in row), end_section=sections is not None and sections(number))
    say(title, style="bold")
    console.print(drawn)


def say(text: str, *, style: str = "") -> None:
    """Print ``text`` as it is; the terminal breaks long lines."""
    console.print(Text(shown(text), style=style), soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    errors.print(Text("hocket: warning: ", style="bold yellow") + Text(shown(text)), soft_wrap=True)


def write_json(path: Path | None, content: Any) -> None:
    """Write ``content`` to the file of ``--json``."""
    if path is not None:
        files.write_json(path, content)


def check_writable(*, out: Path | None = None, json: Path | None = None) -> None:
    """Refuse a folder or file that cannot be written, before the work starts."""
    if out is not None:
        files.make_folder(out)
    if json is not None:
        files.make_folder(json.parent)
        if json.is_dir():
            raise ConfigurationError(f"--json {json} is a folder; give a file, such as {json / 'figures.json'}")


@contextmanager
def progress(title: str, ticks: int) -> Iterator[list[Instrument]]:
    """Show a progress line if on a terminal; yields the ``instruments`` for `hocket.run`."""
    with ProgressLine(ticks, title=title, console=console) as line:
        yield [line] if console.is_terminal else []


def number(value: float | None, form: str = ".3f") -> str:
    """``value`` in the given form, or ``n/a`` where there is none."""
    return "n/a" if value is None or math.isnan(value) else format(value, form)


def microseconds(seconds: float) -> str:
    """``12.3 µs``."""
    return "n/a" if math.isnan(seconds) else f"{seconds * 1e6:.1f} µs"


def milliseconds(seconds: float | None) -> str:
    """``1.23 ms``."""
    return "n/a" if seconds is None or math.isnan(seconds) else f"{seconds * 1e3:.3g} ms"
