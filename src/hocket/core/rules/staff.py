"""The number of workers of ``"auto"``: as many as the inference times need, if these do not rise with their number.

Workers that share a device slow each other: then inference times ask for more workers, and more workers for longer
times, without end. So new workers must prove themselves. The median inference time once they have all been busy is
compared with that before; they are worth no more than the throughput that they add, and what adds none is retired.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from statistics import median

BEFORE = 12
"""The number of inference times before new workers that are compared."""
FEWEST, MOST = 8, 200
"""Bounds of the number of inference times after them."""
FEW = 0.5
"""A growth by less is one by a few workers."""
SHARE = 0.75
"""The share of the promised throughput that many new workers must add; half of it is enough of few: noise."""
SETTLING_TICKS = 120
"""Inference times that change within as many ticks of a verdict do so because of it."""
PAUSE_TICKS, LONGEST_PAUSE_TICKS = 600, 20_000
"""Ticks without new workers after some have not proven themselves; twice as many each time."""


class Staff:
    """The number of workers, ``least`` to ``most``, on the way to the number needed."""

    def __init__(self, workers: int, least: int, most: int) -> None:
        self.least, self.most = least, most
        self.fixed = least == most
        """True if the number never changes."""
        self.wanted = workers
        """The number of workers that there should be."""
        self._proven = workers
        self._recent: deque[int] = deque(maxlen=BEFORE)
        self._before_ns = 0.0  # the median inference time before the new workers; 0: none are on trial
        self._since_ns = -1  # inferences that start from then on count; -1: not all new workers have joined
        self._after: list[int] = []
        self._pause = PAUSE_TICKS
        self._paused_until = -1
        self._judged_tick = -SETTLING_TICKS

    def finished(self, started_ns: int, elapsed_ns: int) -> None:
        """An inference that started at ``started_ns`` took ``elapsed_ns``."""
        self._recent.append(elapsed_ns)
        if 0 <= self._since_ns <= started_ns:
            self._after.append(elapsed_ns)

    def changed(self, tick: int) -> None:
        """Inference times have changed for good: what new workers did not add before, they may now."""
        if self._before_ns and self.wanted < (1 + FEW) * self._proven:
            self._before_ns = 0.0  # the trial of a few may be outrun
        if not self._before_ns and tick >= self._judged_tick + SETTLING_TICKS:
            self._paused_until, self._pause = -1, PAUSE_TICKS

    def decide(self, needed: int, present: int, tick: int, now_ns: int) -> None:
        """``needed`` workers would do if times stayed as they are; ``present`` have joined."""
        needed = min(max(needed, self.least), self.most)
        if self._before_ns and needed > self._proven:
            self._judge(present, tick, now_ns)
        elif needed <= self.wanted:
            self.wanted = self._proven = needed
            self._before_ns = 0.0
        elif tick >= self._paused_until and self._recent:
            most = needed if self._pause == PAUSE_TICKS else ceil((1 + FEW) * self.wanted)  # a smaller disturbance
            self._proven, self.wanted = self.wanted, min(needed, most)
            self._before_ns = max(1.0, median(self._recent))
            self._since_ns = -1
            self._after.clear()

    def _judge(self, present: int, tick: int, now_ns: int) -> None:
        if self._since_ns < 0 and present >= self.wanted:
            self._since_ns = now_ns + int(self._before_ns)  # by then all have been busy
        growth = self.wanted / self._proven - 1
        if len(self._after) < min(max(FEWEST, int(4 / growth**2)), MOST):
            return
        slower = max(1.0, median(self._after)) / self._before_ns
        self._before_ns = 0.0
        self._judged_tick = tick
        if (1 + growth) / slower >= 1 + growth * (SHARE if growth >= FEW else SHARE / 2):
            self._pause = PAUSE_TICKS
            return
        # As many as would give this throughput if they did not slow each other.
        self.wanted = min(max(self._proven, round(self.wanted / slower)), self.wanted)
        self._paused_until = tick + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_TICKS)
