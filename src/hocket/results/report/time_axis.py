"""TickColumns as time that people read: seconds, minutes or hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.results.metrics import Ints, Metrics
from hocket.results.report.axes import number


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit, and how many of it a tick lasts."""

    unit: str
    unit_s: float
    period_s: float

    @property
    def label(self) -> str:
        """Of the axis."""
        return f"time ({self.unit})"

    def middles(self, edges: Ints) -> NDArray[np.float64]:
        """Of bins over ticks."""
        return (edges[1:] + edges[:-1]) / 2 * self.period_s / self.unit_s

    def length(self, edges: Ints) -> str:
        """How long a bin is, in words."""
        ticks = float(np.median(np.diff(edges)))
        return f"{number(ticks)} ticks ({number(float(f'{ticks * self.period_s:.3g}'))} s)"


def scale_of(metrics: Metrics, edges: Ints) -> Scale:
    """For bins up to the last of ``edges``."""
    period_s = metrics.record.trace.cadence.period_ns / NS_PER_S
    total_s = float(edges[-1]) * period_s
    for unit, unit_s in (("h", 3600.0), ("min", 60.0)):
        if total_s >= 3 * unit_s:
            return Scale(unit, unit_s, period_s)
    return Scale("s", 1.0, period_s)
