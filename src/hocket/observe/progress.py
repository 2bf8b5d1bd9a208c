"""The progress line, drawn by a thread of its own: the tick loop never waits for a terminal."""

from __future__ import annotations

from threading import Event, Thread
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hocket.drivers.engine import Engine

REFRESH_S = 0.25
FIGURES_WIDTH = 56
"""Columns that the figures beside the bar may take."""


class ProgressLine:
    """Shows how far a run of ``ticks`` ticks is, its coverage and its last delay. Silent where there is no terminal.

    Pass its ``watch`` to `hocket.run`.
    """

    def __init__(self, ticks: int, *, title: str, console: Console) -> None:
        self._ticks = ticks
        self._title = title
        self._console = console
        self._done = Event()
        self._engine: Engine | None = None
        self._thread = Thread(target=self._show, name="hocket-progress", daemon=True)

    def watch(self, engine: Engine) -> None:
        """Show this engine's run from now on."""
        self._engine = engine
        if self._console.is_terminal:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _show(self) -> None:
        assert self._engine is not None
        scheduler = self._engine.scheduler
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=max(4, min(24, self._console.width - len(self._title) - FIGURES_WIDTH))),
            TextColumn(
                "tick {task.completed}/{task.total}  coverage {task.fields[coverage]:.3f}  {task.fields[delay]:<9}"
            ),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self._console, auto_refresh=False, transient=True) as progress:
            task = progress.add_task(self._title, total=self._ticks, coverage=0.0, delay="")
            while not self._done.wait(REFRESH_S):
                tick, last = scheduler.tick, self._engine.last
                coverage = scheduler.fresh / tick if tick > 0 else 0.0
                delay = f"delay {last.delay_ticks}" if last.fresh else "default"
                progress.update(task, completed=max(0, tick), coverage=coverage, delay=delay, refresh=True)
