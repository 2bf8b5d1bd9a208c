"""Numbers that change as learning proceeds: the ε of ε-greedy and the β of prioritised replay, counted in ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Linear:
    """From ``start`` at tick 0 in a straight line to ``end`` at tick ``ticks``, and ``end`` ever after."""

    start: float
    end: float
    ticks: int

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise ConfigurationError(f"{name}={value!r} must be from 0 to 1; try Linear(1.0, 0.05, 100_000)")
        if self.ticks < 0:
            raise ConfigurationError(f"ticks={self.ticks!r} must be 0 or more; try 100_000")

    def at(self, tick: int) -> float:
        """The value at ``tick``, counted from 0."""
        if tick >= self.ticks:
            return self.end
        return self.start + (self.end - self.start) * max(tick, 0) / self.ticks


def constant(value: float) -> Linear:
    """The same at every tick."""
    return Linear(value, value, 0)


def over_ticks(epsilon: float, ticks: int) -> float:
    """The ε of a decision that stands for ``ticks`` ticks: 1 − (1 − ε)^ticks.

    So a stretch of T ticks is free of random actions with probability (1 − ε)^T, however many decisions it has: agents
    that decide at different intervals explore alike for each tick.
    """
    return 1 - (1 - epsilon) ** ticks


def by_chance(actions: int, epsilon: float, rng: np.random.Generator) -> int | None:
    """With probability ``epsilon`` any of ``actions``, the greedy one included; else None: the greedy one it is.

    Draws exactly two numbers whatever comes of them, so that a run's later draws do not depend on ε.
    """
    explore, other = rng.random(), rng.random()
    return int(other * actions) if explore < epsilon else None
