"""The ticks at which updates are due."""

from __future__ import annotations

from dataclasses import dataclass

from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Update u, counted from 0, is due from tick ``warm_up_ticks + u · update_every_ticks`` on.

    Args:
        update_every_ticks: ticks between two updates; None for as many as there is time for.
        warm_up_ticks: ticks before the first.
    """

    update_every_ticks: int | None = 4
    warm_up_ticks: int = 1000

    def __post_init__(self) -> None:
        if self.update_every_ticks is not None and self.update_every_ticks < 1:
            raise ConfigurationError(
                f"update_every_ticks={self.update_every_ticks!r} must be at least 1, or None for as many as there is "
                "time for; try 4"
            )
        if self.warm_up_ticks < 0:
            raise ConfigurationError(f"warm_up_ticks={self.warm_up_ticks!r} must be 0 or more; try 1000")

    def due(self, tick: int) -> int | None:
        """Updates that are due by ``tick``; None for any number."""
        if tick < self.warm_up_ticks:
            return 0
        return None if self.update_every_ticks is None else (tick - self.warm_up_ticks) // self.update_every_ticks + 1
