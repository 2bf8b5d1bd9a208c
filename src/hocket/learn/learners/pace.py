"""The ticks at which updates are due."""

from __future__ import annotations

from dataclasses import dataclass

from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Update u, counted from 0, is due from tick ``warm_up + u · update_every`` on.

    Args:
        update_every: ticks between two updates; None for as many as there is time for.
        warm_up: ticks before the first.
    """

    update_every: int | None = 4
    warm_up: int = 1000

    def __post_init__(self) -> None:
        if self.update_every is not None and self.update_every < 1:
            raise ConfigurationError(
                f"update_every={self.update_every!r} must be at least 1, or None for as many as there is time for; "
                "try 4"
            )
        if self.warm_up < 0:
            raise ConfigurationError(f"warm_up={self.warm_up!r} must be 0 or more; try 1000")

    def due(self, tick: int) -> int | None:
        """Updates that are due by ``tick``; None for any number."""
        if tick < self.warm_up:
            return 0
        return None if self.update_every is None else (tick - self.warm_up) // self.update_every + 1
