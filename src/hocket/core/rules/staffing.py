"""How many workers an inference-time law needs when one inference starts every tick."""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, sqrt

from hocket.core.cadence import Cadence
from hocket.core.estimators import LatencyWindow

SPARE = 1.4
"""Standard deviations of the number of busy workers that are kept as a reserve."""


def workers_needed(window: LatencyWindow, cadence: Cadence, now: int) -> int:
    """How many workers, when there are ``now``.

    With one start every tick and workers without end, the number busy is a sum of independent Bernoulli variables,
    one for each past tick j: still running with probability 1 − F(j). Its mean is E[τ_θ]/τ_M and its variance
    Σ_j F(j)(1 − F(j)). A brief queue bridges shortages, so mean + 1.4 standard deviations do. A smaller number is
    only taken when it stays smaller at a load a quarter of a worker higher.
    """
    period = cadence.period_ns
    ascending = window.ascending
    size = len(ascending)
    variance = 0.0
    for j in range(int(ascending[0] // period), int(ascending[-1] // period) + 1):
        share = bisect_right(ascending, (j + 0.5) * period) / size
        variance += share * (1 - share)
    load = window.mean_ns / period + SPARE * sqrt(variance)
    needed = max(1, ceil(load - 1e-6))
    return needed if needed > now else min(now, max(1, ceil(load + 0.25)))
