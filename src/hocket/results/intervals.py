"""Means with their 95 % intervals, by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Quantiles of Student's t at 0.975, with 1, 2, … degrees of freedom."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % interval by Student's t; NaN where there are too few values.

    More than ten values count as ten: the interval is then a little too wide.
    """
    count = len(values)
    if not count:
        return math.nan, math.nan
    mean = float(np.mean(values))
    if count == 1:
        return mean, math.nan
    return mean, QUANTILES[min(count - 1, len(QUANTILES)) - 1] * float(np.std(values, ddof=1)) / math.sqrt(count)


def difference(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Return the mean of ``one`` less that of ``other`` and the half width of its 95 % interval; NaN for one value.

    By Welch's test, with the degrees of freedom rounded down. Source: Welch 1947, *The generalization of "Student's"
    problem when several different population variances are involved*.
    """
    mean = float(np.mean(one) - np.mean(other))
    counts = len(one), len(other)
    if min(counts) < 2:
        return mean, math.nan
    squares = [float(np.var(values, ddof=1)) / len(values) for values in (one, other)]
    if not sum(squares):
        return mean, 0.0
    freedom = sum(squares) ** 2 / sum(s**2 / (count - 1) for s, count in zip(squares, counts, strict=True))
    return mean, QUANTILES[min(int(freedom), len(QUANTILES)) - 1] * math.sqrt(sum(squares))
