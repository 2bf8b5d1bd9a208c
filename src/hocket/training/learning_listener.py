"""The tick loop's side of learning: keeps each tick, publishes its number to learners, and warns of their failures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from hocket.hooks.record import Moment
from hocket.learn.checkpoints.saver import Saver
from hocket.learn.learners.board import LearnerBoard
from hocket.learn.learners.status import LearningLog, LearningStatus
from hocket.learn.replay.collector import Collector

LOOK_TICKS = 60


class RunningLearners(Protocol):
    """The learners of a training: `LearnerProcesses` or `InLoopLearner`."""

    log: LearningLog

    @property
    def board(self) -> LearnerBoard: ...
    @property
    def error(self) -> str | None: ...
    @property
    def failures(self) -> Sequence[str]: ...
    def history(self) -> NDArray[Any]: ...
    def status(self) -> LearningStatus: ...
    def start(self) -> None: ...
    def wait(self) -> None: ...
    def close(self) -> None: ...


class LearningListener:
    """A `hocket.hooks.record.Listener`.

    Args:
        collector: told of every tick first.
        learning: whose board then says so.
        saver: of checkpoints, if there are any.
    """

    def __init__(self, collector: Collector, learning: RunningLearners, saver: Saver | None) -> None:
        self.learning = learning
        self._collector, self._saver = collector, saver
        self._warned: set[str] = set()

    @property
    def error(self) -> str | None:
        """The reason why learning has stopped, or None."""
        return self._collector.error or self.learning.error

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._collector.began(observation)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._collector.ticked(moment)
        board = self.learning.board
        board.tick, board.interval_ticks = self._collector.tick, self._collector.interval_ticks
        if self._collector.error is not None:
            board.stop()
        if moment.tick % LOOK_TICKS == 0:
            self.look()

    def look(self) -> None:
        """Warn of new failures."""
        if self.error is not None:
            self._warn(self.error, f"learning stopped by tick {self._collector.tick}, acting continues: {self.error}")
        for text in (*self.learning.failures, *(self._saver.failures if self._saver is not None else ())):
            self._warn(text, text)

    def _warn(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(text, RuntimeWarning, stacklevel=2)
