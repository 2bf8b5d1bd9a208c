"""Converts ticks to readable time: seconds, minutes or hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.core.cadence import NS_PER_S
from hocket.results.metrics import Ints, Metrics
from hocket.results.report.axes import number


@dataclass(frozen=True, slots=True)
class Scale:
    """The time axis of all plots along a run.

    Attributes:
        unit: ``s``, ``min`` or ``h``.
        unit_s: the unit in seconds.
        period_s: of a tick.
        first_tick: the training tick at which the run starts; the axis is shifted by it.
        last_tick: of the run.
    """

    unit: str
    unit_s: float
    period_s: float
    first_tick: int
    last_tick: int

    @property
    def label(self) -> str:
        """The axis label."""
        return f"time ({self.unit})"

    @property
    def range(self) -> tuple[float, float]:
        """Begin and end of the axis."""
        return float(self.at(0)), float(self.at(self.last_tick))

    def at(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """Convert ticks of the run to positions."""
        places: NDArray[np.float64] = (np.asarray(ticks, np.float64) + self.first_tick) * self.period_s / self.unit_s
        return places

    def at_training(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """Convert ticks of the training to positions."""
        return self.at(np.asarray(ticks, np.float64) - self.first_tick)

    def middles(self, edges: Ints) -> NDArray[np.float64]:
        """Return the middles of bins over ticks of the run."""
        return self.at((edges[1:] + edges[:-1]) / 2)

    def length(self, edges: Ints) -> str:
        """Describe the length of a bin in words."""
        ticks = float(np.median(np.diff(edges)))
        return f"{number(ticks)} ticks ({number(float(f'{ticks * self.period_s:.3g}'))} s)"


def scale_of(metrics: Metrics, first_tick: int = 0) -> Scale:
    """Return the axis that holds the run."""
    last = int(metrics.ticks.tick[-1]) if len(metrics.ticks.tick) else 0
    period_s = metrics.record.trace.cadence.period_ns / NS_PER_S
    total_s = float(first_tick + last) * period_s
    for unit, unit_s in (("h", 3600.0), ("min", 60.0)):
        if total_s >= 3 * unit_s:
            return Scale(unit, unit_s, period_s, first_tick, last)
    return Scale("s", 1.0, period_s, first_tick, last)
