"""Tick dispatch with a fixed deadline: a quantile of the inference times."""

from __future__ import annotations

from bisect import bisect_right
from math import sqrt

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.dispatch_schedule import ASSUMED_PREDICTABILITY, FEWEST, DispatchSchedule
from hocket.core.rules.staff import Staff

QUEUE = 6
CLIFF, CLIFF_ERRORS, LEAVE_ERRORS = 1.5, 2.0, 4.0
"""A quantile that so many standard errors move by this factor is on a cliff, and off it if not even more of them do."""
SIDE = 0.02
"""The difference in J_ρ that makes D go to the other side of a cliff."""


class QuantileSchedule(DispatchSchedule):
    """Aims D ticks ahead, D the quantile of the inference times, and holds answers until then with ``hold``."""

    def __init__(
        self,
        cadence: Cadence,
        staff: Staff,
        *,
        window: int,
        hedges: bool,
        quantile: float,
        hold: bool,
        min_delay_ticks: int,
    ) -> None:
        super().__init__(cadence, staff, window=window, hedges=hedges)
        self._quantile = quantile
        self._hold = hold
        # D in ticks; 0 before the first inference has finished, unless it is known to be longer than one anyway.
        self._aim = min_delay_ticks if min_delay_ticks > 1 else 0
        self._least = min_delay_ticks
        self._on_cliff = False
        self._above = False  # the side of it

    def target(self, observation: int) -> int:
        return observation + self._aim if self._aim else -1

    def worthwhile(self, observation: int, now_ns: int) -> bool:
        newest = self.queue[-1] if self.queue else observation
        if self._meets_target(observation, now_ns):
            return True
        # A worker that serves two stages is free again just before a tick: with just enough workers, one that took a
        # queued observation would be missing at that tick, and so on at every later one. With one stage it is free
        # earlier and catches up.
        two_stages = self.load is not self.window
        return observation == newest and not (two_stages and self.outdone(observation, now_ns))

    def freshened(self, observation: int, tick: int, now_ns: int) -> int:
        # Served at strides, it may have waited for a whole inference; one that is behind would stay behind.
        if self.stride == 1 or self._meets_target(observation, now_ns):
            return observation
        self.next_served = tick + self.stride
        return tick

    def _meets_target(self, observation: int, now_ns: int) -> bool:
        return self.cadence.deadline_ns(observation + self._aim) >= now_ns + self.typical_ns

    def queue_limit(self) -> int:
        return QUEUE

    def estimate(self, now_ns: int) -> None:
        super().estimate(now_ns)
        needed_ns = self._quantile_ns() + self.step_ns
        aim = max(self._least, self.cadence.ticks(needed_ns))
        # Up at once; down only when it would stay down if inference times rose by a tenth of a tick.
        cautious = max(self._least, self.cadence.ticks(needed_ns + self.cadence.period_ns / 10))
        if aim > self._aim or cautious < self._aim:
            self._aim = aim

    def _quantile_ns(self) -> int:
        """The quantile of the inference times; where that is a cliff, the side of it with the lower J_ρ.

        A cliff is where the error of the estimate makes much of a difference: every few inferences would move D from
        one side to the other, and each time up costs as many blanks. So the side changes only for a clearly lower J_ρ.
        """
        window, q = self.window, self._quantile
        error = sqrt(q * (1 - q) / len(window))
        wide = (LEAVE_ERRORS if self._on_cliff else CLIFF_ERRORS) * error
        low, high = window.quantile(max(0.0, q - wide)), window.quantile(min(1.0, q + wide))
        # Of few times the longest is always far beyond the quantile.
        enough = len(window) >= FEWEST and q + LEAVE_ERRORS * error < 1
        self._on_cliff = enough and high >= CLIFF * low
        if not self._on_cliff:
            self._above = False
            return window.quantile(q)
        below, above = (self._value(ns) for ns in (low, high))
        self._above = above > below + (-SIDE if self._above else SIDE)
        return high if self._above else low

    def _value(self, needed_ns: int) -> float:
        """1 − J_ρ if answers of up to ``needed_ns`` are waited for."""
        ascending = self.window.ascending
        share = bisect_right(ascending, needed_ns) / len(ascending)
        return share * ASSUMED_PREDICTABILITY ** (self.cadence.ticks(needed_ns + self.step_ns) - 1)

    def release_tick(self, inference: Inference) -> int:
        return max(inference.usable_tick, inference.target) if self._hold else inference.usable_tick
