"""Laws of inference time under which rules are compared, beside those that users choose from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.latency.laws import BATCH, Independent, LatencyModel, Sampler


@dataclass(frozen=True, slots=True)
class Weibull(Independent):
    """Weibull with mean ``mean_s``; below a ``shape`` of 1, the longer an inference has run, the longer it will."""

    mean_s: float
    shape: float

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return self.mean_s / math.gamma(1 + 1 / self.shape) * rng.weibull(self.shape, count)


@dataclass(frozen=True, slots=True)
class Autoregressive(LatencyModel):
    """Log-normal with mean ``mean_s``; the logarithms of inferences in a row have the correlation ``phi``."""

    mean_s: float
    sigma: float
    phi: float

    def sampler(self, rng: np.random.Generator) -> Sampler:
        normal, scale, level = _normals(rng), math.sqrt(1 - self.phi**2), 0.0

        def duration_ns(worker: int, now_ns: int) -> int:
            nonlocal level
            level = self.phi * level + scale * normal()
            return int(NS_PER_S * self.mean_s * math.exp(self.sigma * level - self.sigma**2 / 2))

        return duration_ns


@dataclass(frozen=True, slots=True)
class Regimes(LatencyModel):
    """Log-normal with a mean of half of ``mean_s``, and of one and a half times it, by turns of ``every_s`` seconds."""

    mean_s: float
    sigma: float
    every_s: float

    def mean_at_s(self, time_s: float) -> float:
        """The mean of inferences that start at ``time_s``."""
        return self.mean_s * (0.5 if int(time_s / self.every_s) % 2 == 0 else 1.5)

    def sampler(self, rng: np.random.Generator) -> Sampler:
        normal = _normals(rng)

        def duration_ns(worker: int, now_ns: int) -> int:
            mean_s = self.mean_at_s(now_ns / NS_PER_S)
            return int(NS_PER_S * mean_s * math.exp(self.sigma * normal() - self.sigma**2 / 2))

        return duration_ns


def _normals(rng: np.random.Generator) -> Callable[[], float]:
    """A source of standard normal numbers."""
    left: list[float] = []

    def draw() -> float:
        if not left:
            left.extend(rng.standard_normal(BATCH).tolist())
        return left.pop()

    return draw
