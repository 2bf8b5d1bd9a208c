"""How many workers and learners keep up. Source: Riemer et al. 2025 (`docs/theory.md`), as recalled."""

from __future__ import annotations

import math

from hocket.core.cadence import exact_hz
from hocket.errors import ConfigurationError


def workers_needed(longest_s: float, hz: float) -> int:
    """N* = ⌈τ_θ^max / τ_M⌉: so many staggered workers act at every tick if no inference exceeds ``longest_s``.

    Raises:
        ConfigurationError: if ``longest_s`` is no number of seconds from 0, or ``hz`` no rate.
    """
    return _ceiling(_seconds("longest_s", longest_s) * float(exact_hz(hz)))


def learners_needed(update_s: float, interval_s: float) -> int:
    """N_L* = ⌈τ_L / τ_I⌉: so many learners make one update an action, where actions come every ``interval_s``.

    Raises:
        ConfigurationError: if ``update_s`` is no number of seconds from 0, or ``interval_s`` none above 0.
    """
    if _seconds("interval_s", interval_s) == 0:
        raise ConfigurationError("interval_s=0 leaves no time between actions; try the seconds of a tick, 1 / 60")
    return _ceiling(_seconds("update_s", update_s) / interval_s)


def _ceiling(ratio: float) -> int:
    """⌈ratio⌉, at least 1; what floating point adds to a whole number does not count."""
    return max(1, math.ceil(round(ratio, 9)))


def _seconds(name: str, value: float) -> float:
    if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
        raise ConfigurationError(f"{name}={value!r} must be a finite number of seconds from 0; try 0.2")
    return value
