"""The status and history of learning beside a tick loop, read from the board and the weights' version."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.learn.learners.board import READY, HasVersion, LearnerBoard
from hocket.learn.learners.pace import Pace

RECENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningStatus:
    """Figures of learning. Means are over the last 100 updates, and None before the first.

    Attributes:
        updates: made by these learners.
        behind: updates that are due and not made; None if as many are made as there is time for.
        updates_per_s: lately.
        loss: mean.
        staleness: mean, in versions.
        most_stale: the largest of all.
        seconds: mean, of one update in its learner.
        learners: that are up.
        failures: learners that died or failed.
        error: why learning has stopped, if it has.
    """

    updates: int
    behind: int | None
    updates_per_s: float
    loss: float | None
    staleness: float | None
    most_stale: int
    seconds: float | None
    learners: int
    failures: int
    error: str | None


class LearningLog:
    """The updates since it was made.

    Args:
        board: on which they are written down.
        weights: that count them.
        pace: when they are due.
    """

    def __init__(self, board: LearnerBoard, weights: HasVersion, pace: Pace) -> None:
        self._board, self._weights, self._pace = board, weights, pace
        self._first = weights.version

    @property
    def updates(self) -> int:
        """The number of updates."""
        return self._weights.version - self._first

    def history(self) -> NDArray[Any]:
        """Every update, oldest first, as `hocket.learn.learners.board.UPDATE`; the last 100,000."""
        return self._board.history(self._first, self._weights.version)

    def status(self, *, failures: int = 0, error: str | None = None) -> LearningStatus:
        """The present figures. Takes no lock and a fraction of a millisecond."""
        version = self._weights.version
        recent = self._board.history(max(self._first, version - RECENT), version)
        due = self._pace.due(self._board.tick)
        per_s = 0.0
        if len(recent) > 1:
            per_s = (len(recent) - 1) * NS_PER_S / max(1, monotonic_ns() - int(recent["time_ns"].min()))

        def mean(name: str) -> float | None:
            return float(recent[name].mean()) if len(recent) else None

        return LearningStatus(
            updates=version - self._first,
            behind=None if due is None else max(0, due - version),
            updates_per_s=per_s,
            loss=mean("loss"),
            staleness=mean("staleness"),
            most_stale=self._board.most_stale,
            seconds=mean("seconds"),
            learners=int((self._board.states == READY).sum()),
            failures=failures,
            error=error,
        )
