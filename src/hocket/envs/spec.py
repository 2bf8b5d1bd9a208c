"""What an environment's realtime is: how often its world moves on, and what doing nothing means there."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hocket.core.cadence import exact_hz


@dataclass(frozen=True, slots=True)
class RealtimeSpec:
    """An environment's natural rate and its idle action.

    Args:
        hz: ticks per second, kept as an exact rational: ``59.7275`` means 59.7275.
        default: the action that leaves the world alone, or None where there is none (a cart can only push).

    Raises:
        ConfigurationError: if ``hz`` is no positive number.
    """

    hz: Fraction
    default: Any = None

    def __init__(self, hz: float | str | Fraction, default: Any = None) -> None:
        object.__setattr__(self, "hz", exact_hz(hz))
        object.__setattr__(self, "default", default)
