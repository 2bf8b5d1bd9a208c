"""Arithmetic on inference times: how many workers a rule needs, and how many it can spare."""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, pi, sqrt

from hocket.core.cadence import Cadence
from hocket.core.window import Window

DEVIATIONS = 1.0
"""Standard deviations of the number of busy workers that are kept as a reserve."""
UNEVEN = 0.3
"""The least variance of the number of inferences that end in a tick: those of several workers do not end evenly."""


def busy(window: Window, cadence: Cadence) -> float:
    """E[τ_θ]/τ_M, the mean number of busy workers at one start a tick. Always above 0, so that ratios of it exist."""
    return max(1.0, window.mean) / cadence.period_ns


def workers_needed(window: Window, cadence: Cadence, now: int) -> int:
    """The number of workers that one start a tick needs, when there are ``now``.

    With one start every tick and unlimited workers, the number busy is a sum of independent Bernoulli variables,
    one for each past tick j: still running with probability 1 − F(j). Its mean is E[τ_θ]/τ_M and its variance
    Σ_j F(j)(1 − F(j)). A brief queue bridges shortages, so mean + 1 standard deviation do. A smaller number is only
    taken when it stays smaller at a load higher by the uncertainty of the estimate: two standard errors of the mean,
    the standard deviation of inference times being about √π times that variance.
    """
    period = cadence.period_ns
    ascending = window.ascending
    size = len(ascending)
    variance = 0.0
    for j in range(int(ascending[0] // period), int(ascending[-1] // period) + 1):
        share = bisect_right(ascending, (j + 0.5) * period) / size
        variance += share * (1 - share)
    load = busy(window, cadence) + DEVIATIONS * sqrt(variance)
    needed = max(1, ceil(load - 1e-6))
    return needed if needed > now else min(now, max(1, ceil(load + 2 * sqrt(pi / size) * variance - 1e-6)))


def spread(window: Window) -> float:
    """The coefficient of variation of the inference times, ignoring rare stragglers: (q84 − q16)/(2·mean)."""
    return (window.quantile(0.84) - window.quantile(0.16)) / 2 / max(1.0, window.mean)


def reserve(window: Window, cadence: Cadence, workers: int) -> int:
    """The number of idle workers that hedging must leave for the next ticks.

    The idle pool drifts back at a rate of about the slack N·τ_M/E[τ_θ] − 1 a tick, and is disturbed by up to one
    completion a tick (less where inference times are so regular that completions follow the starts).
    """
    load = busy(window, cadence)
    slack = workers / load - 1
    if slack <= 0:
        return workers
    unrest = min(1.0, spread(window) * load)
    return min(workers, max(1, ceil(0.5 * unrest / slack)))


def patience(
    window: Window, cadence: Cadence, workers: int, predictability: float, *, length: int = 1, stride: float = 1.0
) -> float:
    """The number of ticks that an observation may wait for a worker and still be worth an inference.

    A queue cut off at L observations loses about c²/(2L) of them at critical load, c the `spread`, and delays the rest
    by about L/2 strides, each tick of which costs 1 − ρ. Where one observation every ``stride`` ticks is served, with
    ``length`` actions, a lost one leaves 2·stride − length ticks without an action, or at least an idle worker: lost is
    that number, or 1. The sum is least at a wait of c·√(lost/(1 − ρ)) ticks. Under overload a queue of a few c² over
    the lack of workers is hardly ever empty, and a longer one is only delay; c² counts as `UNEVEN` at least. The floor:
    a start late by part of a tick is worth it only where delay hardly costs.
    """
    price = max(1 - predictability, 1e-4)
    load = busy(window, cadence)
    c = spread(window)
    limit = 1.25 * c * sqrt(max(1.0, 2 * stride - length) / price)
    slack = workers * length / load - 1
    if slack < 0:
        limit = min(limit, 2 * max(c * c, UNEVEN) * stride / -slack)
    return min(max(limit, min(1.0, 0.5 / (load * price))), workers * length)
