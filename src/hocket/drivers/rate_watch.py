"""Warns when a loop on the wall clock has ticks that take longer than its rate allows."""

from __future__ import annotations

import warnings

from hocket.core.cadence import NS_PER_S, Cadence

FEWEST = 10
"""Number of ticks before the first verdict."""


class RateWatch:
    """Counts the ticks that increase a loop's lag, and warns once if most do.

    A loop that stalls now and then and catches up causes no warning.

    Args:
        cadence: of the loop.
        skips: True if the loop skips the ticks whose deadlines have passed; False if it catches up.
    """

    def __init__(self, cadence: Cadence, *, skips: bool) -> None:
        self._cadence = cadence
        self._skips = skips
        self._missed = 0
        self._longer = 0  # ticks that increased the loop's lag
        self._behind_ns = 0
        self._tick, self._now_ns = 0, cadence.epoch_ns  # of the last overrun, or of the end
        self._warned = False

    def overran(self, tick: int, passed: int, now_ns: int) -> None:
        """Record that ``tick`` ended at ``now_ns``, after the deadlines of ``passed`` more ticks."""
        self._tick, self._now_ns = tick, now_ns
        if self._skips:
            self._longer += passed > 1
            self._missed += passed - 1
            behind_ns = int(self._missed * self._cadence.period_ns)
        else:
            behind_ns = now_ns - self._cadence.deadline_ns(tick + 1)
            self._longer += behind_ns > self._behind_ns
        self._behind_ns = behind_ns
        if behind_ns >= NS_PER_S and not self._warned:
            self._judge()

    def ended(self, tick: int, now_ns: int) -> None:
        """Judge the loop, which has ended with ``tick`` at ``now_ns``."""
        self._tick, self._now_ns = tick, now_ns
        if not self._skips:
            self._behind_ns = now_ns - self._cadence.deadline_ns(tick + 1)
        if self._behind_ns >= 2 * self._cadence.period_ns and not self._warned:
            self._judge()

    def _judge(self) -> None:
        """Warn if more than half of the ticks were too long."""
        executed = self._tick - self._missed
        if executed < FEWEST or 2 * self._longer <= executed:
            return
        self._warned = True
        hz = float(self._cadence.hz)
        took_s = (self._now_ns - self._cadence.epoch_ns) / NS_PER_S
        fault = f"{self._missed} ticks were missed"
        if not self._skips:
            fault = f"it is {self._behind_ns / NS_PER_S:.3g} s behind"
        skip = "" if self._skips else ", or overrun=hocket.Overrun.SKIP to miss ticks instead of falling behind"
        warnings.warn(
            f"the loop does not hold {hz:g} Hz: {executed} ticks took {took_s:.3g} s ({executed / took_s:.3g} Hz), and "
            f"{fault}; try a lower hz or a faster environment{skip}",
            RuntimeWarning,
            stacklevel=2,
        )
