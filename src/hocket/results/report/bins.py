"""Reduces a run to a bounded number of bins for a report: its size does not depend on the number of ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hocket.results.intervals import interval
from hocket.results.metrics import Ints, Metrics

MOST_BINS = 160
LEAST_TICKS = 20
"""The most bins along a run, and the least ticks of a bin."""
MOST_SEARCHED = 50_000_000
"""The most ticks of a run that are searched for the worst stretch: the search needs 32 bytes for each."""
TAIL = 99.5
"""The percentile above which a histogram's last bar collects the rest."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of the values in each bin; NaN in an empty bin."""

    mean: Floats
    low: Floats
    middle: Floats
    high: Floats


def tick_edges(last: int, most: int = MOST_BINS) -> Ints:
    """Return edges of equal bins over ticks 1 … ``last``: bin i holds ticks above edge i up to edge i + 1."""
    count = max(1, min(most, last // LEAST_TICKS))
    return np.unique(np.linspace(0, last, count + 1).round().astype(np.int64))


def last_tick(metrics: Metrics) -> int:
    """Return the last tick executed."""
    return int(metrics.ticks.tick[-1]) if len(metrics.ticks.tick) else 0


def coverage(metrics: Metrics, edges: Ints) -> Floats:
    """Return fresh ticks over all ticks, missed ones included, by bin; NaN after the run's end."""
    ticks = metrics.ticks
    counts, _ = np.histogram(ticks.tick[ticks.fresh], edges + 0.5)
    share: Floats = counts / np.diff(edges)
    share[edges[:-1] >= last_tick(metrics)] = math.nan
    return share


def spread(ticks: Ints | Floats, values: Floats | Ints, edges: Ints, low: float = 5, high: float = 95) -> Spread:
    """Return the spread of ``values`` by the bin of their tick; ``ticks`` are sorted."""
    cuts = np.searchsorted(ticks, edges, side="right")
    table = np.full((4, len(edges) - 1), math.nan)
    for place, (begin, end) in enumerate(pairwise(cuts.tolist())):
        if end > begin:
            part = values[begin:end]
            table[0, place] = part.mean()
            table[1:, place] = np.percentile(part, (low, 50, high))
    return Spread(*table)


def mean_and_interval(ticks: Ints, values: Floats, edges: Ints) -> tuple[Floats, Floats]:
    """Return the mean by bin and half the width of its 95 % interval; NaN where there is none."""
    cuts = np.searchsorted(ticks, edges, side="right")
    pairs = [interval(values[begin:end].tolist()) for begin, end in pairwise(cuts.tolist())]
    table = np.array(pairs).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def episode_ends(metrics: Metrics) -> Ints:
    """Return the ticks that ended an episode, in the order of `Metrics.episode_returns`."""
    record = metrics.record
    ended = np.frombuffer(record.terminated, np.int8) | np.frombuffer(record.truncated, np.int8)
    ends: Ints = np.frombuffer(record.ticks, np.int64)[np.flatnonzero(ended)]
    return ends[ends > metrics.after_tick]


def whole_histogram(values: Ints, most: int = 60) -> tuple[Floats, Floats, int]:
    """Return edges and shares of whole numbers, and the number above the last bar, which also counts them.

    A bar is one number wide if that gives no more than ``most`` bars.
    """
    if not len(values):
        return np.array([0.0, 1.0]), np.array([math.nan]), 0
    low = int(values.min())
    high = max(low, math.ceil(np.percentile(values, TAIL)))
    width = math.ceil((high - low + 1) / most)
    edges: Floats = np.arange(low, high + width + 1, width, dtype=np.float64) - 0.5
    counts, _ = np.histogram(np.minimum(values, edges[-1] - 0.5), edges)
    return edges, counts / len(values), int((values > edges[-1]).sum())


def histogram(values: Floats, count: int = 60) -> tuple[Floats, Floats, int]:
    """Return the same for any numbers, in ``count`` bars."""
    if not len(values):
        return np.array([0.0, 1.0]), np.array([math.nan]), 0
    low, high = float(values.min()), float(np.percentile(values, TAIL))
    if not high > low:
        high = low + max(abs(low) * 0.02, 1e-9)
        low -= high - low
        count = 3
    edges: Floats = np.linspace(low, high, count + 1, dtype=np.float64)
    counts, _ = np.histogram(np.minimum(values, high), edges)
    return edges, counts / len(values), int((values > high).sum())


def log_histogram(values: Floats, count: int = 50) -> tuple[Floats, Floats, int]:
    """Return the same in bars of equal ratio; the first also counts values below the 0.5th percentile."""
    values = values[values > 0]
    if not len(values):
        return np.array([0.1, 1.0]), np.array([math.nan]), 0
    low, high = map(float, np.percentile(values, (100 - TAIL, 99.95)))
    if not high > low * 1.05:
        low, high = low / 1.2, high * 1.2
    edges: Floats = np.geomspace(low, high, count + 1, dtype=np.float64)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return edges, counts / len(values), int((values > high).sum())


def worst_stretch(metrics: Metrics, ticks: int) -> int:
    """Return the tick before the stretch of ``ticks`` ticks with the fewest fresh ones; ties: the largest delays.

    The search starts at the first answer that was due, after the first ``ticks``. With more than `MOST_SEARCHED` ticks
    the last stretch is returned.
    """
    last = last_tick(metrics)
    if last > MOST_SEARCHED:
        return max(0, last - ticks)
    own, delay = np.zeros(last + 1), np.zeros(last + 1)
    own[metrics.ticks.tick] = metrics.ticks.fresh
    delay[metrics.ticks.tick] = metrics.ticks.delay_ticks
    sums, delays = np.cumsum(own), np.cumsum(delay)
    first = min(max(metrics.first_due(), ticks), max(0, last - ticks))
    if last - ticks <= first:
        return max(0, last - ticks)
    fresh = sums[first + ticks :] - sums[first:-ticks]
    weights = delays[first + ticks :] - delays[first:-ticks]
    return first + int(np.lexsort((-weights, fresh))[0])
