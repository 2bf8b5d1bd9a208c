"""The learner of the classical loop on the wall clock: one update whenever the rule says so, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from time import monotonic_ns
from traceback import format_exc
from typing import Any

from numpy.typing import NDArray

from hocket.errors import DivergenceError
from hocket.learn.learners.board import READY, LearnerBoard
from hocket.learn.learners.learner import Learner, Update
from hocket.learn.learners.pace import Pace
from hocket.learn.learners.status import LearningLog, LearningStatus
from hocket.learn.replay.mixed_replay import Samples
from hocket.learn.weights.shared_weights import SharedWeights


class InLoopLearner:
    """Beside `hocket.learn.learners.pool.LearnerProcesses`, what ``hocket.run(learn=...)`` calls.

    Args:
        learner: that updates.
        weights, replay: of ``learner``.
        warm_up_ticks: ticks before the first update.

    Attributes:
        board: where the tick loop stores its tick.
        log: of the updates.
        error: why learning has stopped, a divergence or a traceback; None while it has not.
        failures: none beside the error.
    """

    failures: Sequence[str] = ()

    def __init__(self, learner: Learner, *, weights: SharedWeights, replay: Samples, warm_up_ticks: int) -> None:
        self._learner, self._replay, self._warm_up = learner, replay, warm_up_ticks
        self.board = LearnerBoard(1)
        self.board.states[0] = READY
        self.log = LearningLog(self.board, weights, Pace(update_every_ticks=None, warm_up_ticks=warm_up_ticks))
        self.error: str | None = None
        self._updating = Lock()

    def learn(self) -> None:
        """One update, if it is time and there is anything to learn from."""
        board = self.board
        with self._updating:
            if board.tick < self._warm_up or not len(self._replay) or board.stopped:
                return
            try:
                self._learner.update(board.tick, landing=self._note, stopped=lambda: board.stopped)
            except DivergenceError as error:
                self._stop(f"{type(error).__name__}: {error}")
            except Exception:
                self._stop(format_exc())

    def _stop(self, error: str) -> None:
        self.error = error
        self.board.stop()

    def _note(self, update: Update) -> None:
        values = (update.result.loss, update.staleness, update.seconds, self.board.tick, monotonic_ns(), 0)
        self.board.note(update.number, values)

    def history(self) -> NDArray[Any]:
        """See `LearningLog`."""
        return self.log.history()

    def status(self) -> LearningStatus:
        """See `LearningLog`."""
        return self.log.status(error=self.error)

    def start(self) -> None:
        """There is nothing to start."""

    def wait(self) -> None:
        """It is up."""

    def close(self) -> None:
        """Learn no more; an update that is being made is waited for."""
        self.board.stop()
        with self._updating:
            self.board.close()
