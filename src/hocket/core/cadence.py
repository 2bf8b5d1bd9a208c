"""The exact map between tick indices and nanoseconds (`docs/concepts.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from hocket.errors import ConfigurationError

NS_PER_S = 1_000_000_000


def exact_hz(hz: float | str | Fraction) -> Fraction:
    """A tick rate as an exact rational: ``59.7275`` means 59.7275, not the nearest binary float.

    Raises:
        ConfigurationError: unless it is a positive finite number.
    """
    try:
        exact = Fraction(str(hz))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigurationError(f"hz={hz!r} is not a number; give ticks per second, such as 60") from error
    if exact <= 0:
        raise ConfigurationError(f"hz={hz!r} must be greater than 0; give ticks per second, such as 60")
    return exact


@dataclass(frozen=True, slots=True)
class Cadence:
    """Tick ``k`` has the deadline ``epoch_ns + ⌊k·10⁹/hz⌋``. The epoch never moves."""

    hz: Fraction
    epoch_ns: int = 0
    _p: int = field(init=False, repr=False, compare=False)
    _q: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exact = exact_hz(self.hz)
        object.__setattr__(self, "hz", exact)
        object.__setattr__(self, "_p", NS_PER_S * exact.denominator)
        object.__setattr__(self, "_q", exact.numerator)

    @property
    def period_ns(self) -> float:
        """τ_M, the (generally fractional) nanoseconds between ticks; for estimates, never for deadlines."""
        return self._p / self._q

    @property
    def scale(self) -> tuple[int, int]:
        """``(p, q)`` with τ_M = p/q ns exactly, for rules that add up periods without rounding."""
        return self._p, self._q

    def deadline_ns(self, tick: int) -> int:
        """The deadline of ``tick``."""
        return self.epoch_ns + tick * self._p // self._q

    def tick_at(self, time_ns: int) -> int:
        """The last tick whose deadline is at or before ``time_ns`` (negative before the epoch)."""
        return ((time_ns - self.epoch_ns + 1) * self._q - 1) // self._p

    def tick_from(self, time_ns: int) -> int:
        """The first tick whose deadline is at or after ``time_ns``: the tick that an answer of then counts for."""
        return -((self.epoch_ns - time_ns) * self._q // self._p)

    def ticks(self, duration_ns: float) -> int:
        """⌈duration/τ_M⌉, at least 1."""
        return max(1, -int(-duration_ns * self._q // self._p))
