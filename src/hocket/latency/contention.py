"""Inference times that depend on how many inferences run at once: workers on shared processors slow each other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from hocket.errors import ConfigurationError
from hocket.latency.laws import Empirical, LatencyModel, Sampler


@dataclass(frozen=True, slots=True)
class Crowded(LatencyModel):
    """One law for each number of inferences at once that was measured.

    An inference that starts as the c-th of those that run is drawn from the law of the largest measured number up to
    c, and stretched to the mean at c: interpolated between measured numbers, and beyond the last one growing as it did
    between the last two. What starts later does not slow it, and it is not sped up by what ends: the two errors
    have opposite signs.

    Args:
        laws: by how many inferences ran at once; 1 must be among them.

    Raises:
        ConfigurationError: without a law for 1.
    """

    laws: dict[int, Empirical]

    def __post_init__(self) -> None:
        if 1 not in self.laws or min(self.laws) < 1:
            raise ConfigurationError(f"laws are of {sorted(self.laws)} inferences at once; 1 and larger are needed")

    @property
    def alone(self) -> Empirical:
        """The law of an inference that nothing slows."""
        return self.laws[1]

    def mean_s(self, crowd: int) -> float:
        """The mean of ``crowd`` inferences at once."""
        numbers = sorted(self.laws)
        means = [float(np.mean(self.laws[number].durations_s)) for number in numbers]
        if crowd <= numbers[-1] or len(numbers) == 1:
            return float(np.interp(crowd, numbers, means))
        slope = max(0.0, (means[-1] - means[-2]) / (numbers[-1] - numbers[-2]))
        return means[-1] + slope * (crowd - numbers[-1])

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return _Crowd(self, {number: law.sampler(rng) for number, law in self.laws.items()})


@dataclass(slots=True)
class _Crowd:
    law: Crowded
    samplers: dict[int, Sampler]
    ends_ns: list[int] = field(default_factory=list)
    stretch: dict[int, tuple[int, float]] = field(default_factory=dict)
    """By crowd: the measured number that it is drawn from, and how much longer it takes."""

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
        duration_ns = int(self.samplers[number](worker, now_ns) * stretch)
        heappush(ends_ns, now_ns + duration_ns)
        return duration_ns
