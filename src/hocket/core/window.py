"""Estimates over a sliding window, which forgets its warm-up. Exact, incremental, integer."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from hocket.errors import check_whole


class Window:
    """The last ``size`` integers, with their mean and any quantile."""

    __slots__ = ("_order", "_sum", "ascending", "size")

    def __init__(self, size: int) -> None:
        check_whole("window", size, example=1000)
        self.size = size
        self.ascending: list[int] = []
        """All of them in ascending order. Read only."""
        self._order: deque[int] = deque()
        self._sum = 0

    def __len__(self) -> int:
        return len(self.ascending)

    def add(self, value: int) -> None:
        """Take in one value; the oldest leaves when the window is full."""
        if len(self._order) == self.size:
            oldest = self._order.popleft()
            del self.ascending[bisect_left(self.ascending, oldest)]
            self._sum -= oldest
        self._order.append(value)
        insort(self.ascending, value)
        self._sum += value

    def keep(self, count: int) -> None:
        """Forget all but the last ``count`` values."""
        kept = list(self._order)[-count:]
        self._order = deque(kept)
        self.ascending = sorted(kept)
        self._sum = sum(kept)

    @property
    def mean(self) -> float:
        """The mean; needs at least one value."""
        return self._sum / len(self.ascending)

    def quantile(self, q: float) -> int:
        """The smallest value that at least a share ``q`` of the window does not exceed."""
        return self.ascending[max(0, -int(-q * len(self.ascending) // 1) - 1)]
