"""Warnings of probably mistaken values, and of priorities that the system does not grant."""

from __future__ import annotations

from dataclasses import dataclass

import hocket
from hocket.analysis.forecast import latency_figures
from hocket.cli import console
from hocket.cli.options.typed import flag
from hocket.core.rules import Rule
from hocket.latency.laws import LatencyModel

MANY_WORKERS = 8
"""From this number on, worker processes take long to start."""


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual range of an option's values."""

    most: float
    unit: str
    range: str
    hint: str = ""

    def check(self, name: str, value: float, typed: str | None = None) -> None:
        """Warn of a value above the range."""
        if value > self.most:
            given = f"{value:g}" if typed is None else typed
            console.warn(f"{flag(name)} {given} is {value:g} {self.unit}; usual are {self.range}{self.hint}")


HZ = Usual(1000, "ticks a second", "1 to 1,000")
WORKERS = Usual(256, "workers, each a process in realtime", "1 to 100")
LATENCY = Usual(10, "seconds in the mean", "0.001 to 10", "; 50 ms is 0.05")


def mean_s(law: LatencyModel) -> float:
    """The mean of a law of durations, in seconds."""
    return latency_figures(law)["mean_s"]


def check_usual(
    *, hz: float | None = None, workers: int | None = None, **laws: tuple[str | None, LatencyModel | None]
) -> None:
    """Warn of values that suggest a wrong unit or a typing error, before anything starts.

    Args:
        hz: ticks per second.
        workers: number of workers.
        laws: for each option, its law of durations as typed and as read.
    """
    if hz is not None:
        HZ.check("hz", hz)
    if workers is not None:
        WORKERS.check("workers", workers)
    for name, (typed, law) in laws.items():
        if law is not None:
            LATENCY.check(name, mean_s(law), typed)


def say_starting(rule: Rule, clock: hocket.Realtime | hocket.Virtual) -> None:
    """Print that many worker processes start, which takes seconds."""
    workers = rule.initial_workers
    if isinstance(clock, hocket.Realtime) and clock.executor in (None, hocket.Processes()) and workers >= MANY_WORKERS:
        console.say(f"starting {workers} workers")
