"""Warnings of loops on the wall clock, hocket's or the user's, that do not hold their rate."""

from __future__ import annotations

import warnings

from hocket.core.cadence import NS_PER_S, Cadence

FEWEST = 10
"""Number of ticks before the first verdict."""
TOLERANCE = 1.01
"""The length of a cycle, in periods, above which it is too long."""


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


class CycleWatch:
    """Warns once if most cycles of a loop that the user owns are longer than a period, so that it misses ticks.

    Cycles that differ in length, or a stall now and then, cause no warning.

    Args:
        cadence: that the loop should hold.
    """

    def __init__(self, cadence: Cadence) -> None:
        self._cadence = cadence
        self._cycles = self._longer = self._first = self._tick = 0
        self._began_ns = self._now_ns = -1
        self._warned = False

    def acted(self, tick: int, now_ns: int) -> None:
        """Record that a cycle took its action at ``now_ns``, that of ``tick``."""
        if self._began_ns < 0:
            self._began_ns, self._first = now_ns, tick
        else:
            self._cycles += 1
            self._longer += now_ns - self._now_ns > TOLERANCE * self._cadence.period_ns
        self._tick, self._now_ns = tick, now_ns
        if not self._warned and self._missed >= self._cadence.hz:
            self._judge()

    def ended(self) -> None:
        """Judge the loop, which has ended."""
        if not self._warned and 10 * self._missed >= self._cycles > 0:
            self._judge()

    @property
    def _missed(self) -> int:
        return self._tick - self._first - self._cycles if self._cycles else 0

    def _judge(self) -> None:
        if self._cycles < FEWEST or 2 * self._longer <= self._cycles:
            return
        self._warned = True
        took_s = (self._now_ns - self._began_ns) / NS_PER_S
        warnings.warn(
            f"the loop around this agent does not hold {float(self._cadence.hz):g} Hz: {self._cycles} cycles took "
            f"{took_s:.3g} s ({self._cycles / took_s:.3g} Hz), and {self._missed} ticks were missed; try a lower hz, "
            "or less work in the loop",
            RuntimeWarning,
            stacklevel=4,
        )
