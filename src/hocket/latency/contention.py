"""Inference times that depend on the number of concurrent inferences: workers on shared processors slow each other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from hocket.errors import ConfigurationError
from hocket.latency.laws import LONGEST_NS, BoundedSampler, Empirical, LatencyModel, Sampler


@dataclass(frozen=True, slots=True)
class Crowded(LatencyModel):
    """One law for each measured number of concurrent inferences.

    The duration of an inference that starts as the c-th concurrent one is drawn from the law of the largest measured
    number up to c, and scaled to the mean at c. That mean is interpolated between measured numbers, and extrapolated
    beyond the last one with the slope of the last two. Inferences that start or end later do not change it; these two
    errors have opposite signs.

    Args:
        laws: by number of concurrent inferences; 1 must be among them.

    Raises:
        ConfigurationError: without a law for 1.
    """

    laws: dict[int, Empirical]

    def __post_init__(self) -> None:
        if 1 not in self.laws or min(self.laws) < 1:
            raise ConfigurationError(
                f"laws are of {sorted(self.laws)} inferences at once; whole numbers from 1 are needed; try {{1: law}}"
            )

    @property
    def alone(self) -> Empirical:
        """The law of an inference that runs alone."""
        return self.laws[1]

    def mean_s(self, crowd: int) -> float:
        """The mean duration with ``crowd`` inferences at once."""
        numbers = sorted(self.laws)
        means = [float(np.mean(self.laws[number].durations_s)) for number in numbers]
        if crowd <= numbers[-1] or len(numbers) == 1:
            return float(np.interp(crowd, numbers, means))
        slope = max(0.0, (means[-1] - means[-2]) / (numbers[-1] - numbers[-2]))
        return means[-1] + slope * (crowd - numbers[-1])

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return _Crowd(self, {number: law.checked_sampler(rng) for number, law in self.laws.items()})


@dataclass(slots=True)
class _Crowd(BoundedSampler):
    law: Crowded
    samplers: dict[int, Sampler]
    ends_ns: list[int] = field(default_factory=list)
    stretch: dict[int, tuple[int, float]] = field(default_factory=dict)
    """By crowd: the measured number whose law is drawn from, and the factor."""

    def __call__(self, worker: int, now_ns: int) -> int:
        ends_ns = self.ends_ns
        while ends_ns and ends_ns[0] <= now_ns:
            heappop(ends_ns)
        crowd = len(ends_ns) + 1
        if crowd not in self.stretch:
            numbers = sorted(self.samplers)
            number = numbers[bisect_right(numbers, crowd) - 1]
            self.stretch[crowd] = number, self.law.mean_s(crowd) / self.law.mean_s(number)
        number, stretch = self.stretch[crowd]
        duration_ns = min(int(self.samplers[number](worker, now_ns) * stretch), LONGEST_NS)
        heappush(ends_ns, now_ns + duration_ns)
        return duration_ns
