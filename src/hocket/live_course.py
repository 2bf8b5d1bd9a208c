"""A training on the wall clock, from its beginning or a checkpoint to its end: learners beside the tick loop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.learn.checkpoint import belonging, check_free
from hocket.learn.collector import Collector
from hocket.learn.deep_q import DeepQ
from hocket.learn.exploring import EpsilonGreedy, Exploration
from hocket.learn.in_loop import InLoopLearner
from hocket.learn.learner import Learner
from hocket.learn.learner_processes import LearnerProcesses
from hocket.learn.learners import InLoop, Learners, ParallelBatch
from hocket.learn.learning_log import LearningLog, LearningStatus
from hocket.learn.pace import Board, Pace
from hocket.learn.replay import Replay
from hocket.learn.saver import LiveState, Saver, take_up
from hocket.learn.weights import SharedWeights
from hocket.models.qnetwork import QNetwork
from hocket.observe.training import Instrument, LearnerFigures, Meter
from hocket.record import InTurn, Moment
from hocket.resume import Checkpoints
from hocket.run import RunInterrupted, RunResult, Setup, run


class Learning(Protocol):
    """Who learns: `LearnerProcesses` or `InLoopLearner`."""

    board: Any
    log: LearningLog

    @property
    def error(self) -> str | None: ...
    @property
    def failures(self) -> Sequence[str]: ...
    def history(self) -> NDArray[Any]: ...
    def status(self) -> LearningStatus: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """What is to be learned, by whom, and from what.

    Args:
        algorithm, network: that learn; ``network`` has the weights in the end.
        learners: who.
        replay: new.
        pace: when updates are due; `InLoop` only asks for its warm-up.
        threads: torch threads of each learner.
        seed: of sampling and noise.
    """

    algorithm: DeepQ
    network: QNetwork
    learners: Learners
    replay: Replay
    pace: Pace
    threads: int
    seed: int

    def learning(self, weights: SharedWeights) -> Learning:
        """The learners of ``weights``, not started."""
        algorithm, threads, count = self.algorithm, self.threads, getattr(self.learners, "learners", 1)
        if isinstance(self.learners, InLoop):
            learner = Learner(
                algorithm=algorithm,
                network=self.network,
                weights=weights,
                replay=self.replay,
                seed=np.random.SeedSequence(self.seed),
            )
            return InLoopLearner(learner, weights=weights, replay=self.replay, warm_up=self.pace.warm_up)
        if isinstance(self.learners, ParallelBatch):
            algorithm, threads, count = replace(algorithm, batch_size=algorithm.batch_size * count), count * threads, 1
        return LearnerProcesses(
            count,
            algorithm=algorithm,
            network=self.network,
            weights=weights,
            replay=self.replay,
            pace=self.pace,
            threads=threads,
            seed=self.seed,
        )


class LiveCourse:
    """Plays a training on the wall clock, saves it, and takes it up again.

    Args:
        setup: the run that it is; its policy is made by `play`.
        pupil: what is learned.
        exploring: the acting policy's exploration, given the board that says which tick it is.
        policy: the acting policy, given the weights and its exploration.
        options: what a checkpoint must agree with besides environment, algorithm and network; by name.
        mode: for the run's configuration.
        instruments: told how the training stands.

    Attributes:
        first_tick: of the training, at which this run begins.
        history: of the updates of this run, as `hocket.learn.pace.UPDATE`.
        error: why learning stopped before the end, if it did.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        pupil: Pupil,
        exploring: Callable[[Board], Exploration],
        policy: Callable[[SharedWeights, Exploration], Any],
        options: Mapping[str, str],
        mode: str,
        instruments: Sequence[Instrument] = (),
    ) -> None:
        self._setup, self._pupil, self._exploring, self._policy = setup, pupil, exploring, policy
        self._mode, self._instruments = mode, instruments
        self._belongs_to = belonging(
            setup.name,
            pupil.algorithm,
            pupil.network,
            rule=repr(setup.rule),
            default=repr(setup.default),
            **options,
        )
        self._told: set[str] = set()
        self.first_tick = 0
        self.history: NDArray[Any] = np.empty(0)
        self.error: str | None = None

    def play(self, *, checkpoints: Checkpoints | None = None, resume: Path | None = None) -> RunResult:
        """Play the run to its end; see `hocket.train`."""
        pupil = self._pupil
        weights = SharedWeights(pupil.network)
        if resume is not None:
            self.first_tick = take_up(resume, self._belongs_to, weights, pupil.replay)
            weights.reader().refresh(pupil.network)
        if checkpoints is not None:
            check_free(Path(checkpoints.folder), resumed_tick=-1 if resume is None else self.first_tick)
        if self._setup.ticks <= self.first_tick:
            raise ValueError(f"ticks={self._setup.ticks}")
        learning = pupil.learning(weights)
        learning.board.tick = self.first_tick
        state = saver = None
        try:
            with ExitStack() as stack:
                if checkpoints is not None:
                    state = LiveState(
                        belongs_to=self._belongs_to,
                        weights=weights,
                        replay=pupil.replay,
                        folder=Path(checkpoints.folder),
                        keep=checkpoints.keep,
                    )
                    saver = Saver(state, learning.board, checkpoints.every)
                    stack.callback(saver.close)
                    saver.start()
                stack.callback(learning.close)
                learning.start()
                result, interrupted = self._run(weights, learning, saver)
            self.history, self.error = learning.history(), learning.error
            weights.reader().refresh(pupil.network)
            if state is not None:
                state.save(learning.board.tick)
        finally:
            weights.close()
        if interrupted is not None:
            raise interrupted
        return result

    def _run(
        self, weights: SharedWeights, learning: Learning, saver: Saver | None
    ) -> tuple[RunResult, RunInterrupted | None]:
        setup, pupil = self._setup, self._pupil
        exploration = self._exploring(learning.board)
        meter = Meter(lambda: self._figures(learning, saver, exploration), self._instruments)
        collector = Collector(
            pupil.replay,
            gamma=pupil.algorithm.gamma,
            first_action=int(setup.env.action_space.start),  # type: ignore[attr-defined]
            first_tick=self.first_tick,
        )
        try:
            result = run(
                setup.env,
                self._policy(weights, exploration),
                setup.rule,
                setup.clock,
                ticks=setup.ticks - self.first_tick,
                default=setup.default,
                seed=setup.seed + self.first_tick,
                learn=learning.learn if isinstance(learning, InLoopLearner) else None,
                listener=InTurn((collector, _Bell(collector, learning.board), meter)),
                config={"mode": self._mode, "first_tick": self.first_tick},
            )
        except RunInterrupted as interrupted:
            return interrupted.result, interrupted
        meter.tell()
        return result, None

    def _figures(self, learning: Learning, saver: Saver | None, exploration: Exploration) -> LearnerFigures:
        status = learning.status()
        troubles = [*learning.failures, *(saver.failures if saver is not None else ())]
        if status.error is not None:
            troubles.append(f"learning stopped at tick {learning.board.tick}, acting goes on: {status.error}")
        for trouble in troubles:
            if trouble not in self._told:
                self._told.add(trouble)
                warnings.warn(trouble, RuntimeWarning, stacklevel=2)
        epsilon = exploration.epsilon.at(learning.board.tick) if isinstance(exploration, EpsilonGreedy) else math.nan
        return LearnerFigures(
            updates=status.updates,
            loss=math.nan if status.loss is None else status.loss,
            staleness=math.nan if status.staleness is None else status.staleness,
            epsilon=epsilon,
        )


class _Bell:
    """Tells learners which tick it is, once its transition is in the replay."""

    def __init__(self, collector: Collector, board: Board) -> None:
        self._collector, self._board = collector, board

    def began(self, observation: Any) -> None:
        """See `hocket.record.Listener`."""

    def ticked(self, moment: Moment) -> None:
        """See `hocket.record.Listener`."""
        self._board.tick = self._collector.tick
