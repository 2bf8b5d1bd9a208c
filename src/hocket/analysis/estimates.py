"""Means over few runs, and 95 % intervals that hold the truth about as often as they say.

A figure is a ratio: what all runs earned, by the units (ticks, or episodes) that they earned it in. Its spread comes
from the runs' residuals, earned − ratio · units. The half width is Student's t with *half* the degrees of freedom:
rewards are skewed, which makes a variance from few runs less certain than for normal values. Half is right for an
excess kurtosis of 2, and covers at least 93 % even for exponential values, from five runs on.

Runs that do not differ have no spread, and none is no proof of certainty. If n units were alike, another differs with a
probability of up to 1 − 0.05^(1/n), at 95 %. The interval reaches that probability times the largest value seen, or
times the distance to a value that cannot be exceeded. A difference adds it for each of its sides. The width is zero
only for the difference of two runs that took the same actions at every tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hocket.results.intervals import QUANTILES

FEWEST_RUNS = 5
ALIKE = 1e-9
"""Spreads below this share of the figures are rounding errors."""
DOUBT = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval over the runs."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4g} (95 % between {self.low:+.4g} and {self.high:+.4g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """The earnings of the runs of one kind.

    Attributes:
        earned: the sum of each run.
        units: the number of ticks, or of episodes, that each sum is of.
        largest: the largest absolute value of a unit.
        least, most: the bounds of what a unit can earn.
    """

    earned: Floats
    units: Floats
    largest: float
    least: float = -math.inf
    most: float = math.inf

    @property
    def ratio(self) -> float:
        """The mean of a unit."""
        return float(self.earned.sum() / self.units.sum())

    @property
    def residuals(self) -> Floats:
        """The deviation of each run from the ratio, in the scale of a unit; they sum to 0."""
        residuals: Floats = (self.earned - self.ratio * self.units) / self.units.mean()
        return residuals

    def unseen(self, largest: float) -> tuple[float, float]:
        """The distances that the mean may be below and above the ratio, as no unit has differed; zeros if some have."""
        if spread(self.residuals) > ALIKE * largest:
            return 0.0, 0.0
        chance = chance_of_another(self.units.sum())
        return chance * min(largest, self.ratio - self.least), chance * min(largest, self.most - self.ratio)


def level(kind: Earnings, largest: float) -> Estimate:
    """The mean of a unit of ``kind``; ``largest`` is the largest value that any kind had."""
    below, above = kind.unseen(largest)
    width = half_width(kind.residuals)
    return Estimate(kind.ratio, max(kind.least, kind.ratio - width - below), min(kind.most, kind.ratio + width + above))


def difference(one: Earnings, other: Earnings, largest: float, *, same: bool) -> Estimate:
    """The mean of ``one`` − that of ``other``, run by run; ``same`` if the two took the same actions at every tick."""
    mean, residuals = one.ratio - other.ratio, one.residuals - other.residuals
    if same:
        return Estimate(mean, mean, mean)
    below, above = one.unseen(largest)
    other_below, other_above = other.unseen(largest)
    below, above = below + other_above, above + other_below
    if not below and not above and spread(residuals) <= ALIKE * largest:
        below = above = chance_of_another(min(one.units.sum(), other.units.sum())) * largest
    width = half_width(residuals)
    return Estimate(mean, mean - width - below, mean + width + above)


def spread(residuals: Floats) -> float:
    """The standard deviation of a run's figure."""
    return float(np.std(residuals, ddof=1))


def half_width(residuals: Floats) -> float:
    """Half the width of the 95 % interval for the mean of values with these residuals, by Student's t."""
    runs = len(residuals)
    freedom = min((runs - 1) // 2, len(QUANTILES))
    return QUANTILES[freedom - 1] * spread(residuals) / math.sqrt(runs)


def chance_of_another(alike: float) -> float:
    """The largest probability, at 95 %, of a value unlike ``alike`` independent ones that were all the same."""
    return float(1 - DOUBT ** (1 / alike))
