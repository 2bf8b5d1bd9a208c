"""A training on the wall clock, from its beginning or a checkpoint to its end, with learners beside the tick loop."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S, exact_hz
from hocket.core.description import text
from hocket.drivers.interrupt import Interrupt, between_ticks
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import LearnerFigures
from hocket.instruments.training_meter import training_dispatcher
from hocket.learn.acting import Weights
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.sac import SAC
from hocket.learn.checkpoints.checkpoint import belonging, check_free
from hocket.learn.checkpoints.saver import RealtimeState, Saver, restore_realtime_state
from hocket.learn.exploration import EpsilonGreedy, Exploration
from hocket.learn.learners.board import UPDATE, LearnerBoard
from hocket.learn.learners.in_loop import InLoopLearner
from hocket.learn.learners.learner import Learner
from hocket.learn.learners.options import InLoop, ParallelBatch
from hocket.learn.learners.pace import Pace
from hocket.learn.learners.pool import LearnerProcesses
from hocket.learn.replay.replay import Replay
from hocket.learn.weights.shared_weights import SharedWeights
from hocket.models.qnetwork import QNetwork
from hocket.policies.base import PolicyFactory
from hocket.policies.charged import Charged
from hocket.running.result import RunResult
from hocket.running.run import run
from hocket.spaces.checked_env import name_of
from hocket.training.evaluation import FINAL, Evaluation, unplayed
from hocket.training.head_time import head_time_s
from hocket.training.learning_listener import LearningListener, RunningLearners
from hocket.training.result import TrainResult, keeping_training, warn_of_no_update
from hocket.training.setup import TrainingSetup


class RealtimeTraining:
    """Plays a training on the wall clock, saves it, and resumes it.

    Args:
        training: its setup.
        replay: new and empty.
        shown: the replay of demonstrations, or None.
        greedy: the policy of the final evaluation.
    """

    def __init__(self, training: TrainingSetup, replay: Replay, shown: Replay | None, greedy: PolicyFactory) -> None:
        self._training, self._replay, self._greedy = training, replay, greedy
        self._sampled = training.sampled(replay, shown)
        self._dispatcher: Dispatcher | None = None
        self._run: RunResult | None = None
        self._final: Evaluation | None = None
        self._belongs_to = belonging(
            name_of(training.env),
            training.algorithm,
            training.network,
            rule=text(training.rule),
            hz=str(exact_hz(training.clock.hz)),
            default=text(training.default),
            **training.options(),
        )
        self._first_tick = self._last_tick = self._updates = 0
        self._history: NDArray[Any] = np.empty(0, UPDATE)
        self._error: str | None = None

    def play(self) -> TrainResult:
        """Play the run to its end, Ctrl-C or an error; save it, if there are checkpoints; evaluate its last weights.

        An error on the way has the result so far.
        """
        # A signal after the last tick, or a second one, is noted until the training has been saved.
        with between_ticks() as interrupt, keeping_training(self._result):
            weights = SharedWeights(self._training.network)
            try:
                self._learn(weights, interrupt)
            finally:
                weights.close()
            if interrupt.requested:
                raise interrupt.error()
            self._final = self._training.evaluator(self._greedy, self._dispatcher).play(self._last_tick, FINAL)
            if interrupt.requested:
                raise interrupt.error()
        result = self._result()
        assert result is not None
        warn_of_no_update(
            result, self._training.learner, tick=self._last_tick, transitions=len(self._replay), realtime=True
        )
        return result

    def _learn(self, weights: SharedWeights, interrupt: Interrupt) -> None:
        """Play and save the run. An error that ends it is raised once the training has been saved."""
        with interrupt.at_once():
            self._resume(weights)
            learning = self._learning(weights)
            learning.board.tick = self._first_tick
            saver = self._saver(weights, learning.board)
            collector = self._training.collector(self._replay, first_tick=self._first_tick)
            watch = LearningListener(collector, learning, saver)
        try:
            with ExitStack() as stack:
                with interrupt.at_once():
                    stack.callback(learning.close)
                    learning.start()
                    if saver is not None:
                        stack.callback(saver.close)
                        saver.start()
                    learning.wait()
                stack.callback(learning.board.stop)
                error = self._play(weights, watch)
        finally:
            self._updates, self._history = learning.log.updates, learning.history()
            self._error, self._last_tick = watch.error, learning.board.tick
            weights.reader().refresh(self._training.network)
        if saver is not None:
            saver.save_last()
        watch.look()
        if error is not None:
            raise error

    def _resume(self, weights: SharedWeights) -> None:
        """Restore weights and replay from the checkpoint, if one is resumed."""
        training = self._training
        if training.resume is not None:
            path = Path(training.resume)
            self._first_tick = restore_realtime_state(path, self._belongs_to, weights, self._replay)
            weights.reader().refresh(training.network)
            if training.ticks <= self._first_tick:
                raise ConfigurationError(
                    f"ticks={training.ticks} have passed at the checkpoint, which is of tick {self._first_tick}; "
                    "give more to continue"
                )
        if training.checkpoints is not None:
            resumed_tick = self._first_tick if training.resume is not None else -1
            check_free(Path(training.checkpoints.folder), resumed_tick=resumed_tick)

    def _learning(self, weights: SharedWeights) -> RunningLearners:
        """The learners of ``weights``, not started."""
        training, replay, learners = self._training, self._sampled, self._training.learner
        algorithm, threads, seed = training.algorithm, training.threads, training.seed + self._first_tick
        if isinstance(learners, InLoop):
            torch.set_num_threads(threads)
            learner = Learner(
                algorithm=algorithm,
                network=copy.deepcopy(training.network),
                weights=weights,
                replay=replay,
                seed=np.random.SeedSequence(seed),
            )
            return InLoopLearner(learner, weights=weights, replay=replay, warm_up_ticks=learners.warm_up_ticks)
        count = learners.learners
        if isinstance(learners, ParallelBatch):
            algorithm, threads, count = algorithm.with_batch(algorithm.batch_size * count), threads * count, 1
        return LearnerProcesses(
            count,
            algorithm=algorithm,
            network=training.network,
            weights=weights,
            replay=replay,
            pace=Pace(update_every_ticks=learners.update_every_ticks, warm_up_ticks=learners.warm_up_ticks),
            threads=threads,
            limits=training.clock.failures,
            seed=seed,
        )

    def _saver(self, weights: SharedWeights, board: LearnerBoard) -> Saver | None:
        checkpoints = self._training.checkpoints
        if checkpoints is None:
            return None
        state = RealtimeState(
            belongs_to=self._belongs_to,
            weights=weights,
            replay=self._replay,
            board=board,
            folder=Path(checkpoints.folder),
            keep=checkpoints.keep,
        )
        return Saver(state, checkpoints.every_ticks)

    def _play(self, weights: SharedWeights, watch: LearningListener) -> BaseException | None:
        """Play the run to its end; returns an error that is to be raised once the training has been saved."""
        training, learning = self._training, watch.learning
        exploration = training.exploration(learning.board, None)
        temperature = _temperature_of(training, weights)
        self._dispatcher = dispatcher = training_dispatcher(
            lambda: _figures(weights.version, learning, exploration, temperature()),
            training.instruments,
            first_tick=self._first_tick,
        )
        try:
            self._run = run(
                training.env,
                acting(training, exploration, weights),
                training.rule,
                training.clock,
                ticks=training.ticks - self._first_tick,
                default=training.default,
                seed=training.seed + self._first_tick,
                learn=learning.learn if isinstance(learning, InLoopLearner) else None,
                listener=watch,
                instruments=() if dispatcher is None else dispatcher,
                config={"first_tick": self._first_tick},
            )
        except BaseException as error:
            self._run = vars(error).get("result")
            if self._run is None:
                raise  # nothing has been played
            return error
        return None

    def _result(self) -> TrainResult | None:
        """The result so far; None before the run has begun."""
        if self._run is None:
            return None
        history, epoch_ns = self._history, self._run.record.trace.cadence.epoch_ns
        landed_ns = history["time_ns"] - epoch_ns
        return TrainResult(
            run=self._run,
            copies=[self._run],
            network=self._training.network,
            evaluations=[],
            final=unplayed(self._last_tick) if self._final is None else self._final,
            updates=self._updates,
            losses=history["loss"].tolist(),
            stalenesses=history["staleness"].tolist(),
            started_ns=(landed_ns - (history["seconds"] * NS_PER_S).astype(np.int64)).tolist(),
            landed_ns=landed_ns.tolist(),
            error=self._error,
        )


def _temperature_of(training: TrainingSetup, weights: SharedWeights) -> Callable[[], float]:
    """A function that returns the newest version's temperature; NaN where the algorithm has none."""
    network, algorithm = training.network, training.algorithm
    if not isinstance(algorithm, SAC):
        return lambda: math.nan
    reader = weights.reader(("log_temperature",))

    def temperature() -> float:
        reader.refresh(network)  # of no use to others while the training runs
        return algorithm.temperature_of(network)

    return temperature


def _figures(updates: int, learning: RunningLearners, exploration: Exploration, temperature: float) -> LearnerFigures:
    status, tick = learning.status(), learning.board.tick
    return LearnerFigures(
        updates=updates,
        loss=math.nan if status.loss is None else status.loss,
        staleness=math.nan if status.staleness is None else status.staleness,
        epsilon=exploration.epsilon.at(tick) if isinstance(exploration, EpsilonGreedy) else math.nan,
        temperature=temperature,
    )


def acting(training: TrainingSetup, exploration: Exploration | None, weights: Weights | None = None) -> PolicyFactory:
    """The policy of a run's workers, charged if it is to be."""
    policy = training.policy(exploration, weights, in_place=False)
    charge = training.acting.charge
    return policy if charge is None else Charged(policy, charge)


def warn_of_slow_head(training: TrainingSetup) -> None:
    """Warn if the head, with its encoder of the newest observation, takes longer on this machine than it is given."""
    network, space = training.network, training.env.observation_space
    if not isinstance(network, QNetwork) or network.newest is None:
        return
    example = np.zeros(space.shape or (), space.dtype)
    took_s = head_time_s(network, example)
    if took_s > training.head_s:
        warnings.warn(
            f"the head takes {took_s * 1e3:.3g} ms on this machine, and is called {training.head_s * 1e3:.3g} ms "
            "before its tick: most of its actions will be too late; try a smaller newest_encoder(shape, units=8), "
            "or fewer hidden units",
            RuntimeWarning,
            stacklevel=4,
        )


def train_realtime(training: TrainingSetup) -> TrainResult:
    """`hocket.train` on the wall clock."""
    greedy = acting(training, None)
    # What cannot be run is refused before anything is started.
    training.checked(greedy)
    warn_of_slow_head(training)
    if isinstance(training.algorithm, DeepQ):
        assert isinstance(training.network, QNetwork)
        training.network.for_learning(bfloat16=training.algorithm.bfloat16)
    with training.replays() as (replay, shown):
        assert isinstance(replay, Replay)
        return RealtimeTraining(training, replay, shown, greedy).play()
