"""Latency estimates over a sliding window, which forgets its warm-up. Exact, integer, incremental."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from hocket.errors import ConfigurationError


class LatencyWindow:
    """The last ``size`` durations in ns, with their mean and any quantile."""

    __slots__ = ("_order", "_sorted", "_sum", "size")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigurationError(f"window={size} must be at least 1; try window=1000")
        self.size = size
        self._order: deque[int] = deque()
        self._sorted: list[int] = []
        self._sum = 0

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, duration_ns: int) -> None:
        """Take in one duration; the oldest leaves when the window is full."""
        if len(self._order) == self.size:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
            self._sum -= oldest
        self._order.append(duration_ns)
        insort(self._sorted, duration_ns)
        self._sum += duration_ns

    @property
    def mean_ns(self) -> float:
        """The mean; needs at least one duration."""
        return self._sum / len(self._sorted)

    def quantile_ns(self, q: float) -> int:
        """The smallest duration that at least a share ``q`` of the window does not exceed."""
        return self._sorted[max(0, -int(-q * len(self._sorted) // 1) - 1)]

    def recent(self, count: int) -> list[int]:
        """The last ``count`` durations, oldest first."""
        return list(self._order)[-count:]

    @property
    def ascending(self) -> list[int]:
        """All durations, in ascending order; not to be changed."""
        return self._sorted
