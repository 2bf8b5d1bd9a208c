"""Tables, progress and JSON files of the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hocket.drivers.engine import Engine
from hocket.errors import ConfigurationError
from hocket.observe.progress import ProgressLine

console = Console()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def write_json(path: Path | None, content: Any) -> None:
    """Write ``content`` where ``--json`` says; never a partial file."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps(content, indent=2) + "\n")
        os.replace(partial, path)
    except OSError as error:
        raise ConfigurationError(f"--json {path} cannot be written: {error}") from error


@contextmanager
def progress(title: str, ticks: int) -> Iterator[Callable[[Engine], None]]:
    """A progress line; yields what `hocket.run` takes as ``watch``."""
    with ProgressLine(ticks, title=title, console=console) as line:
        yield line.watch


def microseconds(seconds: float) -> str:
    """``12.3 µs``."""
    return f"{seconds * 1e6:.1f} µs"


def milliseconds(seconds: float) -> str:
    """``1.23 ms``."""
    return f"{seconds * 1e3:.3g} ms"
