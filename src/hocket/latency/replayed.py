"""Measured inference times in their order, where the order matters: slow spells stay together.

Times that follow each other are often alike, because the machine is busy for a while. A law that draws each time on its
own has the same mean and no spells, and forecasts too few workers. So the order is tested, and times that are
not independent are replayed in blocks of consecutive ones, twenty spells long or as long as the file.

The test compares variances of means, after ranking: the mean of b independent times has a b-th of the variance of one.
If for some b it is b/τ times smaller only, times are alike over about τ of them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError
from hocket.latency.files import read_times
from hocket.latency.laws import BoundedSampler, Empirical, LatencyModel, Sampler

FEWEST_BATCHES = 4
SPELLS_A_BLOCK = 20
LEAST_BLOCK = 50
SIGNIFICANCE = 3.72
"""In standard deviations of a normal variable: one file in 10,000 of independent times is taken for another."""
LONGER = 0.5
"""In the same unit, by how much means of more times must vary beyond those of fewer, for spells to be longer."""


@dataclass(frozen=True, slots=True)
class Replayed(LatencyModel):
    """Replays measured ``durations_s`` in blocks of consecutive ones; each comes once before any comes again.

    Args:
        durations_s: in the order in which the inferences began.
        started_s: when they began, from 0 on. Then blocks are spans of time: an inference takes as long as the one that
            had begun last. If None, blocks are numbers of inferences.
        block: the number of durations of a block.

    Raises:
        ConfigurationError: if a duration is not positive, or the lengths differ, or starts are not in order.
    """

    durations_s: Sequence[float]
    started_s: Sequence[float] | None = None
    block: int = LEAST_BLOCK

    def __post_init__(self) -> None:
        object.__setattr__(self, "durations_s", Empirical(self.durations_s).durations_s)
        if isinstance(self.block, bool) or not isinstance(self.block, int) or self.block < 1:
            raise ConfigurationError(f"block={self.block!r} must be a whole number from 1; try {LEAST_BLOCK}")
        if self.started_s is not None:
            started_s = tuple(self.started_s)
            object.__setattr__(self, "started_s", started_s)
            if len(started_s) != len(self.durations_s) or any(np.diff(started_s) < 0) or started_s[0] != 0:
                raise ConfigurationError(
                    f"started_s has {len(started_s)} times for {len(self.durations_s)} durations; as many are needed, "
                    "in ascending order from 0; try None"
                )

    @property
    def blocks(self) -> int:
        """The number of blocks that hold every duration once."""
        return math.ceil(len(self.durations_s) / self.block)

    def sampler(self, rng: np.random.Generator) -> Sampler:
        durations_ns = _in_ns(self.durations_s)
        if self.started_s is None or self.started_s[-1] == 0:
            return _ByNumber(durations_ns, self.blocks, rng)
        return _ByTime(durations_ns, _in_ns(self.started_s), self.blocks, rng)


def _in_ns(times_s: Sequence[float]) -> list[int]:
    times_ns: list[int] = (np.asarray(times_s) * NS_PER_S).astype(np.int64).tolist()
    return times_ns


class _Blocks:
    """Parts of a circle of ``size`` that cover it once, in random order, then anew from another point."""

    __slots__ = ("_count", "_left", "_rng", "_size")

    def __init__(self, size: int, count: int, rng: np.random.Generator) -> None:
        self._size, self._count, self._rng = size, count, rng
        self._left: list[tuple[int, int]] = []

    def next(self) -> tuple[int, int]:
        """The first position of a block, and its length."""
        if not self._left:
            edges = np.arange(self._count + 1) * self._size // self._count
            first = int(self._rng.integers(self._size))
            blocks = [(first + int(a), int(b - a)) for a, b in pairwise(edges)]
            self._left = [blocks[number] for number in self._rng.permutation(self._count)]
        return self._left.pop()


class _ByNumber(BoundedSampler):
    """Replays one duration after another."""

    __slots__ = ("_at", "_blocks", "_durations_ns", "_left")

    def __init__(self, durations_ns: list[int], blocks: int, rng: np.random.Generator) -> None:
        self._durations_ns = durations_ns
        self._blocks = _Blocks(len(durations_ns), blocks, rng)
        self._at = self._left = 0

    def __call__(self, worker: int, now_ns: int) -> int:
        if not self._left:
            self._at, self._left = self._blocks.next()
        duration_ns = self._durations_ns[self._at % len(self._durations_ns)]
        self._at += 1
        self._left -= 1
        return duration_ns


class _ByTime(BoundedSampler):
    """Replays the duration of the inference that had begun last."""

    __slots__ = ("_began_ns", "_blocks", "_durations_ns", "_first_ns", "_length_ns", "_span_ns", "_started_ns")

    def __init__(self, durations_ns: list[int], started_ns: list[int], blocks: int, rng: np.random.Generator) -> None:
        self._durations_ns, self._started_ns = durations_ns, started_ns
        self._span_ns = started_ns[-1] + max(1, started_ns[-1] // max(1, len(started_ns) - 1))
        self._blocks = _Blocks(self._span_ns, blocks, rng)
        self._began_ns = self._first_ns = self._length_ns = 0

    def __call__(self, worker: int, now_ns: int) -> int:
        if now_ns - self._began_ns >= self._length_ns:
            self._first_ns, self._length_ns = self._blocks.next()
            self._began_ns = now_ns
        place_ns = (self._first_ns + now_ns - self._began_ns) % self._span_ns
        return self._durations_ns[bisect_right(self._started_ns, place_ns) - 1]


def law_of_file(path: str | PathLike[str]) -> Empirical | Replayed:
    """The law of a file of inference times; see `Empirical.from_file`.

    Times that are independent of each other are drawn one by one; others are replayed in blocks.

    Raises:
        ConfigurationError: if the file cannot be read or is empty, or contains anything but positive numbers.
    """
    drawn = Empirical.from_file(path)
    spell = spell_length(drawn.durations_s)
    if spell is None:
        return drawn
    durations_s, started_s = read_times(path)
    block = min(len(durations_s), max(LEAST_BLOCK, math.ceil(SPELLS_A_BLOCK * spell)))
    return Replayed(durations_s, started_s, block)


def spell_length(durations_s: Sequence[float]) -> float | None:
    """The number τ of consecutive times that are alike, at least 1; None if the order does not matter.

    A mean of n such times is as uncertain as that of n/τ independent ones.
    """
    ranks = _ranks(np.asarray(durations_s, np.float64))
    found = False
    longest, batch = 1.0, 2
    while len(ranks) // batch >= FEWEST_BATCHES:
        count = len(ranks) // batch
        batches = ranks[: count * batch].reshape(count, batch)
        batch *= 2
        if not batches.var():
            continue
        ratio = batches.shape[1] * float(batches.mean(axis=1).var(ddof=1) / batches.var())
        usual = _usual(-SIGNIFICANCE, count), _usual(SIGNIFICANCE, count)
        found = found or not usual[0] <= ratio <= usual[1]
        if ratio > longest * _usual(LONGER, count):
            longest = ratio
    return longest if found else None


def _usual(deviations: float, count: int) -> float:
    """The variance of ``count`` independent values, so many deviations above 1, by Wilson's approximation of χ²."""
    scale = 2 / (9 * (count - 1))
    return max(0.0, 1 - scale + deviations * math.sqrt(scale)) ** 3


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value; equal ones share theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks
