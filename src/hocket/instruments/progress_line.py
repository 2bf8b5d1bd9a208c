"""The progress line, drawn by its own thread: the tick loop never waits for a terminal."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from threading import Event, Thread
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hocket.hooks.instrument import EvaluationProgress, Instrument, RunView
from hocket.hooks.instrument import Progress as TrainingProgress
from hocket.hooks.record import Moment

REFRESH_S = 0.25
FIGURES_WIDTH = 56
TRAINING_WIDTH = 110
"""Columns for the figures beside the bar."""


BESIDE_WIDTH = 16
"""Columns for a narrow bar, the remaining time and the gaps."""


class StatusLine(Instrument, ABC):
    """A status line on a terminal; prints nothing without a terminal."""

    def __init__(self, *, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._done = Event()
        self._starting = ""
        self._workers = 0
        self._thread = Thread(target=self._show, name="hocket-progress", daemon=True)

    def on_starting(self, run: RunView) -> None:
        """See `Instrument`."""
        self._workers = run.rule.initial_workers
        self.on_worker_up(0)
        self._start()

    def on_worker_up(self, workers: int) -> None:
        """See `Instrument`."""
        self._starting = f"starting: {workers} of {self._workers} workers are up"

    def on_start(self, run: RunView) -> None:
        """See `Instrument`."""
        self._starting = ""

    def _start(self) -> None:
        if self._console.is_terminal and self._thread.ident is None:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    @abstractmethod
    def _show(self) -> None:
        """Draw until done."""

    def _bar(self, figures: str, width: int) -> Progress:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=max(4, min(24, self._console.width - len(self._title) - width))),
            TextColumn(figures),
            TimeRemainingColumn(compact=True),
        )
        return Progress(*columns, console=self._console, auto_refresh=False, transient=True)


class ProgressLine(StatusLine):
    """Shows the progress, coverage and last delay of a run of ``ticks`` ticks. Prints nothing without a terminal."""

    def __init__(self, ticks: int, *, title: str, console: Console) -> None:
        super().__init__(title=title, console=console)
        self._ticks = ticks
        self._tick = self._fresh = self._delay_ticks = 0

    def on_start(self, run: RunView) -> None:
        """See `Instrument`."""
        super().on_start(run)
        self._start()

    def on_tick(self, moment: Moment) -> None:
        """See `Instrument`."""
        fresh = moment.inference >= 0
        self._tick, self._fresh = moment.tick, self._fresh + fresh
        self._delay_ticks = moment.tick - moment.decided_on if fresh else 0

    def _show(self) -> None:
        with self._bar("{task.fields[figures]}", FIGURES_WIDTH) as progress:
            task = progress.add_task(self._title, total=self._ticks, figures=self._figures(0))
            while not self._done.wait(REFRESH_S):
                tick = self._tick
                progress.update(task, completed=tick, figures=self._figures(tick), refresh=True)

    def _figures(self, tick: int) -> str:
        if self._starting:
            return self._starting
        delay = f"delay {self._delay_ticks}" if self._delay_ticks else "default"
        return f"tick {tick}/{self._ticks}  coverage {self._fresh / tick if tick else 0.0:.3f}  {delay:<9}"


class TrainingLine(StatusLine):
    """Shows the progress and figures of a training of ``ticks`` ticks. Prints nothing without a terminal."""

    def __init__(self, ticks: int, *, title: str, console: Console) -> None:
        super().__init__(title=title, console=console)
        self._ticks = ticks
        self._last: TrainingProgress | None = None
        self._evaluation = ""

    def on_training(self, progress: TrainingProgress) -> None:
        """See `Instrument`."""
        self._last = progress
        self._evaluation = ""
        self._start()

    def on_evaluation_progress(self, progress: EvaluationProgress) -> None:
        """See `Instrument`."""
        self._evaluation = evaluation_figures(progress)
        self._start()

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        self._evaluation = ""

    def _show(self) -> None:
        room = self._console.width - len(self._title) - len(f"tick {self._ticks}/{self._ticks}") - BESIDE_WIDTH
        with self._bar("tick {task.completed}/{task.total}  {task.fields[figures]}", TRAINING_WIDTH) as bar:
            task = bar.add_task(self._title, total=self._ticks, figures="")
            done = False
            while not done:
                figures = (
                    self._starting
                    or self._evaluation
                    or (training_figures(self._last, room) if self._last is not None else "")
                )
                tick = self._last.tick if self._last is not None else 0
                bar.update(task, completed=tick, figures=figures, refresh=True)
                done = self._done.wait(REFRESH_S)


def evaluation_figures(progress: EvaluationProgress) -> str:
    """Format the state of an evaluation for the line."""
    return (
        f"evaluating: episode {min(progress.episodes + 1, progress.episodes_wanted)}/{progress.episodes_wanted}, "
        f"tick {progress.ticks:,} of at most {progress.tick_limit:,}"
    )


def training_figures(progress: TrainingProgress, room: int) -> str:
    """Format training figures in at most ``room`` characters; figures without a value or room are left out."""
    learner = progress.learner
    figures = (
        ("coverage", progress.coverage, ".3f"),
        ("delay", progress.delay_ticks, ".1f"),
        ("return", progress.episode_return, ".4g"),
        ("updates/s", progress.updates_per_s, ".0f"),
        ("loss", learner.loss, ".3g"),
        ("staleness", learner.staleness, ".1f"),
    )
    line = ""
    for name, value, form in figures:
        longer = f"{line}  {name} {value:{form}}".strip()
        if not math.isnan(value) and len(longer) <= room:
            line = longer
    return line
