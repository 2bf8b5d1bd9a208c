"""A training on the wall clock, from its beginning or a checkpoint to its end: learners beside the tick loop."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.charged import Charged
from hocket.errors import ConfigurationError
from hocket.latency import LatencyModel
from hocket.learn.checkpoint import belonging, check_free
from hocket.learn.collector import Collector
from hocket.learn.exploring import EpsilonGreedy, Exploration
from hocket.learn.in_loop import InLoopLearner
from hocket.learn.learner import Learner
from hocket.learn.learner_processes import LearnerProcesses
from hocket.learn.learners import InLoop, ParallelBatch
from hocket.learn.learning_log import LearningLog, LearningStatus
from hocket.learn.pace import Board, Pace
from hocket.learn.replay import Replay
from hocket.learn.saver import LiveState, Saver, take_up
from hocket.learn.weights import SharedWeights
from hocket.observe.training import LearnerFigures, Meter
from hocket.policy import PolicyFactory
from hocket.record import InTurn, Moment
from hocket.run import RunInterrupted, RunResult, name_of, run
from hocket.train import TrainResult
from hocket.training import Training

LOOK_TICKS = 60
SHORTEST = 3600


class Learning(Protocol):
    """Who learns: `LearnerProcesses` or `InLoopLearner`."""

    @property
    def board(self) -> Board: ...
    @property
    def log(self) -> LearningLog: ...
    @property
    def error(self) -> str | None: ...
    @property
    def failures(self) -> Sequence[str]: ...
    def history(self) -> NDArray[Any]: ...
    def status(self) -> LearningStatus: ...
    def start(self) -> None: ...
    def wait(self) -> None: ...
    def close(self) -> None: ...


class LiveCourse:
    """Plays a training on the wall clock, saves it, and takes it up again.

    Args:
        training: its terms.
        replay: new and empty.
        charge: the inference times that workers are charged with, if not their own.

    Attributes:
        first_tick: of the training, at which this run begins.
        last_tick: of the training, at which it ended.
        history: of the updates of this run, as `hocket.learn.pace.UPDATE`.
        error: why learning stopped before the end, if it did.
    """

    def __init__(self, training: Training, replay: Replay, charge: LatencyModel | None) -> None:
        self._training, self._replay, self._charge = training, replay, charge
        self._belongs_to = belonging(
            name_of(training.env),
            training.algorithm,
            training.network,
            rule=repr(training.rule),
            default=repr(training.default),
            **training.options(charge=charge),
        )
        self._told: set[str] = set()
        self.first_tick = self.last_tick = 0
        self.history: NDArray[Any] = np.empty(0)
        self.error: str | None = None

    def play(self) -> RunResult:
        """Play the run to its end, or Ctrl-C; then save it, if it is to be saved."""
        training = self._training
        weights = SharedWeights(training.network)
        try:
            if training.resume is not None:
                self.first_tick = take_up(Path(training.resume), self._belongs_to, weights, self._replay)
                weights.reader().refresh(training.network)
            if training.ticks <= self.first_tick:
                raise ConfigurationError(
                    f"ticks={training.ticks} have passed at the checkpoint, which is of tick {self.first_tick}; "
                    "give more to go on"
                )
            learning = self._learning(weights)
            learning.board.tick = self.first_tick
            with ExitStack() as stack:
                saver = self._saver(weights, learning.board)
                if saver is not None:
                    stack.callback(saver.close)
                    saver.start()
                stack.callback(learning.close)
                learning.start()
                learning.wait()
                result, interrupted = self._run(weights, learning, saver)
            self.history, self.error, self.last_tick = learning.history(), learning.error, learning.board.tick
            weights.reader().refresh(training.network)
            if saver is not None:
                saver.state.save(self.last_tick)
        finally:
            weights.close()
        if interrupted is not None:
            raise interrupted
        return result

    def _learning(self, weights: SharedWeights) -> Learning:
        """The learners of ``weights``, not started."""
        training, replay, learners = self._training, self._replay, self._training.learner
        algorithm, threads = training.algorithm, training.threads
        if isinstance(learners, InLoop):
            learner = Learner(
                algorithm=algorithm,
                network=copy.deepcopy(training.network),
                weights=weights,
                replay=replay,
                seed=np.random.SeedSequence(training.seed),
            )
            return InLoopLearner(learner, weights=weights, replay=replay, warm_up=training.warm_up)
        count = learners.learners
        if isinstance(learners, ParallelBatch):
            algorithm, threads, count = replace(algorithm, batch_size=algorithm.batch_size * count), threads * count, 1
        return LearnerProcesses(
            count,
            algorithm=algorithm,
            network=training.network,
            weights=weights,
            replay=replay,
            pace=Pace(update_every=training.update_every, warm_up=training.warm_up),
            threads=threads,
            seed=training.seed,
        )

    def _saver(self, weights: SharedWeights, board: Board) -> Saver | None:
        checkpoints = self._training.checkpoints
        if checkpoints is None:
            return None
        folder = Path(checkpoints.folder)
        check_free(folder, resumed_tick=self.first_tick if self._training.resume is not None else -1)
        state = LiveState(
            belongs_to=self._belongs_to, weights=weights, replay=self._replay, folder=folder, keep=checkpoints.keep
        )
        return Saver(state, board, checkpoints.every)

    def _run(
        self, weights: SharedWeights, learning: Learning, saver: Saver | None
    ) -> tuple[RunResult, RunInterrupted | None]:
        training = self._training
        exploration = training.exploration(learning.board, None)
        policy: PolicyFactory = training.policy(exploration, weights, in_place=False)
        meter = Meter(
            lambda: self._figures(learning, saver, exploration), training.instruments, first_tick=self.first_tick
        )
        collector = Collector(
            self._replay,
            gamma=training.algorithm.gamma,
            first_action=int(training.actions.start),
            first_tick=self.first_tick,
        )
        try:
            result = run(
                training.env,
                policy if self._charge is None else Charged(policy, self._charge),
                training.rule,
                training.clock,
                ticks=training.ticks - self.first_tick,
                default=training.default,
                seed=training.seed + self.first_tick,
                learn=learning.learn if isinstance(learning, InLoopLearner) else None,
                listener=InTurn((collector, _Beat(collector, learning.board, self._look(learning, saver)), meter)),
                config={"mode": training.mode, "first_tick": self.first_tick},
            )
        except RunInterrupted as interrupted:
            return interrupted.result, interrupted
        self._look(learning, saver)()
        meter.tell()
        return result, None

    def _look(self, learning: Learning, saver: Saver | None) -> Callable[[], None]:
        """Warn of what has gone wrong beside the tick loop, once."""

        def look() -> None:
            troubles = [*learning.failures, *(saver.failures if saver is not None else ())]
            if learning.error is not None:
                troubles.append(f"learning stopped at tick {learning.board.tick}, acting goes on: {learning.error}")
            for trouble in troubles:
                text = trouble.split(", acting goes on: ")[-1]
                if text not in self._told:
                    self._told.add(text)
                    warnings.warn(trouble, RuntimeWarning, stacklevel=2)

        return look

    def _figures(self, learning: Learning, saver: Saver | None, exploration: Exploration) -> LearnerFigures:
        status, tick = learning.status(), learning.board.tick
        return LearnerFigures(
            updates=status.updates,
            loss=math.nan if status.loss is None else status.loss,
            staleness=math.nan if status.staleness is None else status.staleness,
            epsilon=exploration.epsilon.at(tick) if isinstance(exploration, EpsilonGreedy) else math.nan,
        )


class _Beat:
    """Tells learners which tick it is, once its transition is in the replay; now and then looks after them."""

    def __init__(self, collector: Collector, board: Board, look: Callable[[], None]) -> None:
        self._collector, self._board, self._look = collector, board, look

    def began(self, observation: Any) -> None:
        """See `hocket.record.Listener`."""

    def ticked(self, moment: Moment) -> None:
        """See `hocket.record.Listener`."""
        self._board.tick = self._collector.tick
        if moment.tick % LOOK_TICKS == 0:
            self._look()


def play_live(training: Training, *, charge: LatencyModel | None) -> TrainResult:
    """`hocket.train` on the wall clock."""
    network = training.network.for_learning(bfloat16=training.algorithm.bfloat16)
    replay = training.replay()
    course = LiveCourse(training, replay, charge)
    try:
        result = course.play()
    finally:
        replay.close()
    greedy: PolicyFactory = training.policy(None, in_place=False)
    evaluator = training.evaluator(
        greedy if charge is None else Charged(greedy, charge), longest=max(training.ticks, SHORTEST)
    )
    history, epoch_ns = course.history, result.record.trace.cadence.epoch_ns
    landed_ns = (history["time_ns"] - epoch_ns).tolist()
    took_ns = (history["seconds"] * 1e9).astype(np.int64).tolist()
    return TrainResult(
        run=result,
        network=network,
        evaluations=[],
        final=evaluator.play(course.last_tick, -1),
        updates=len(history),
        losses=history["loss"].tolist(),
        stalenesses=history["staleness"].tolist(),
        started_ns=[landed - took for landed, took in zip(landed_ns, took_ns, strict=True)],
        landed_ns=landed_ns,
        error=course.error,
    )
