"""The collectors of several copies of an environment, counted as one: their ticks together are the training's."""

from __future__ import annotations

from collections.abc import Sequence

from hocket.learn.replay.collector import Collector
from hocket.learn.replay.copies import ReplayOfCopies


class Collectors:
    """The collectors of all copies, as learners ask one for its tick, replay and error.

    Args:
        each: one a copy.
        replay: of all copies.
    """

    def __init__(self, each: Sequence[Collector], replay: ReplayOfCopies) -> None:
        self.each = tuple(each)
        self.replay = replay

    @property
    def tick(self) -> int:
        """The number of ticks that all copies have played together."""
        return sum([collector.tick for collector in self.each])

    @property
    def counters(self) -> list[CopyCounter]:
        """Of each copy, for its exploration."""
        return [CopyCounter(self, collector) for collector in self.each]

    @property
    def error(self) -> str | None:
        """The reason why no more ticks of a copy are kept, or None."""
        return next((collector.error for collector in self.each if collector.error is not None), None)


class CopyCounter:
    """A copy's `hocket.learn.exploration.TickCounter`: the training's tick, and the interval of its own decisions."""

    def __init__(self, together: Collectors, own: Collector) -> None:
        self._together, self._own = together, own

    @property
    def tick(self) -> int:
        """See `Collectors`."""
        return self._together.tick

    @property
    def interval_ticks(self) -> int:
        """See `Collector`."""
        return self._own.interval_ticks
