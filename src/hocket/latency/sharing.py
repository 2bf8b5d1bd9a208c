"""Exact processor sharing: inferences that run at once slow each other, and speed up again when others end."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil

import numpy as np

from hocket.errors import ConfigurationError
from hocket.latency.laws import LONGEST_NS, LatencyModel, Sampler


@dataclass(frozen=True, slots=True)
class ProcessorSharing(LatencyModel):
    """``law`` is that of inferences that run alone; k at once progress at the speed min(1, ``capacity``/k) each.

    Virtual time plays this exactly, heads of two-stage policies apart, which do not share. A sampler of this law gives
    the work of each inference: its duration alone.
    """

    law: LatencyModel
    capacity: float

    def __post_init__(self) -> None:
        if not isinstance(self.law, LatencyModel):
            raise ConfigurationError(f"law={self.law!r} is not a latency model; try hocket.Constant(0.05)")
        if not (isinstance(self.capacity, int | float) and 0 < self.capacity < float("inf")):
            raise ConfigurationError(f"capacity={self.capacity!r} must be a number of inferences above 0; try 4.0")

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return self.law.checked_sampler(rng)


class SharedProcessors:
    """The inferences that share processors of ``capacity`` equally, and the time at which the next one ends.

    All progress alike, so an inference ends when the work done for each since the beginning reaches that at its start
    plus its own.
    """

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._now_ns = 0
        self._done = 0.0  # nanoseconds of work for each that has run since the beginning
        self._ends: list[tuple[float, int]] = []  # heap of (work done when it ends, inference), stopped ones included
        self._running: set[int] = set()

    def start(self, inference: int, work_ns: int, now_ns: int) -> None:
        """``inference``, which takes ``work_ns`` alone, starts."""
        self._advance(now_ns)
        heappush(self._ends, (self._done + work_ns, inference))
        self._running.add(inference)

    def stop(self, inference: int, now_ns: int) -> None:
        """``inference`` has ended, or is stopped."""
        self._advance(now_ns)
        self._running.remove(inference)

    def next_end(self) -> tuple[int, int] | None:
        """The next end as (time, inference), if nothing starts or stops before; None without inferences."""
        ends = self._ends
        while ends and ends[0][1] not in self._running:
            heappop(ends)
        if not ends:
            return None
        left = max(0.0, ends[0][0] - self._done) * max(1.0, len(self._running) / self._capacity)
        return self._now_ns + min(ceil(left), LONGEST_NS), ends[0][1]

    def _advance(self, now_ns: int) -> None:
        self._done += (now_ns - self._now_ns) * min(1.0, self._capacity / max(1, len(self._running)))
        self._now_ns = now_ns
