"""A histogram of tick lateness of constant size; its percentiles are accurate to a quarter of a percent."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEAST_S, RATIO, BINS = 1e-8, 1.005, 4800
"""Bins from 10 ns to more than 200 s, each half a percent wide. The first counts ticks that are not late."""


def bin_of(lateness_s: float) -> int:
    """Return the bin that counts ``lateness_s``."""
    if lateness_s < LEAST_S:
        return 0
    return min(BINS - 1, 1 + int(math.log(lateness_s / LEAST_S) / math.log(RATIO)))


def percentiles(counts: NDArray[np.int64], *which: float) -> list[float | None]:
    """Return percentiles in seconds, with the interpolation of `numpy.percentile`; None where nothing is counted."""
    reached = np.cumsum(counts)
    total = int(reached[-1])
    if not total:
        return [None] * len(which)

    def at(rank: int) -> float:
        return _middle(int(np.searchsorted(reached, rank, side="right")))

    found: list[float | None] = []
    for percent in which:
        rank = percent / 100 * (total - 1)
        below, above = at(math.floor(rank)), at(math.ceil(rank))
        found.append(below + (rank - math.floor(rank)) * (above - below))
    return found


def _middle(bin: int) -> float:
    return LEAST_S * RATIO ** (bin - 0.5) if bin else 0.0
