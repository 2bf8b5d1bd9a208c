"""A training in virtual time from its beginning, or a checkpoint, to its end, and how it stands on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from hocket.drivers.virtual import Virtual, VirtualRun
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument, LearnerFigures
from hocket.instruments.training_meter import training_dispatcher
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.checkpoints.checkpoint import belonging, check_free
from hocket.learn.checkpoints.training_state import Kept
from hocket.learn.exploration import EpsilonGreedy, Exploration
from hocket.learn.learners.options import ParallelBatch
from hocket.learn.learners.split_update import Updates
from hocket.learn.learners.virtual import VirtualLearners
from hocket.learn.replay.replay import Replay
from hocket.models.qnetwork import QNetwork
from hocket.policies.devices import device_of
from hocket.running.result import RunResult
from hocket.running.setup import CheckedRun, set_up
from hocket.training.evaluation import Evaluation, Evaluator, Judge
from hocket.training.result import TrainResult
from hocket.training.resumption import Checkpoints, play_on, put_away, take_up
from hocket.training.setup import TrainingSetup


class VirtualTraining:
    """Plays a training that is put together, saves it, and takes it up again.

    Args:
        setup: the run that it is.
        algorithm, network, replay, updates, learners: who learns what from what.
        exploration: of the acting policy.
        evaluator: plays the evaluations.
        evaluate_every: ticks between two.
        good_enough: the mean return that ends the training, if any does.
        options: what a checkpoint must agree with besides environment, algorithm and network; by name.
        mode: for the run's configuration.
        instruments: told how the training stands.

    Attributes:
        judge, learners: of the run as it is played: after `play` they may be others than were given.
    """

    def __init__(
        self,
        *,
        setup: CheckedRun,
        algorithm: DeepQ,
        network: QNetwork,
        replay: Replay,
        updates: Updates,
        learners: VirtualLearners,
        exploration: Exploration,
        evaluator: Evaluator,
        evaluate_every: int,
        good_enough: float | None,
        options: Mapping[str, str],
        mode: str,
        instruments: Sequence[Instrument] = (),
    ) -> None:
        self._mode = mode
        self._setup, self._updates, self._exploration = setup, updates, exploration
        self._dispatcher = training_dispatcher(self._figures, instruments)
        self.learners = learners
        self.judge = Judge(
            learners,
            network=network,
            evaluator=evaluator,
            every=evaluate_every,
            good_enough=good_enough,
            told=self._evaluated,
        )
        more = {"course": self, "evaluator": evaluator}
        self._belongs_to = belonging(
            setup.name,
            algorithm,
            network,
            rule=repr(setup.rule),
            clock=repr(setup.clock),
            default=repr(setup.default),
            seed=str(setup.seed),
            device=device_of(network).type,
            **options,
        )
        self._parts = network, replay, more

    def play(self, *, checkpoints: Checkpoints | None = None, resume: Path | None = None) -> RunResult:
        """Play the run to its end, if `judge` does not end it before; see `hocket.train`."""
        run = self._begun() if resume is None else self._resumed(resume)
        if checkpoints is not None:
            check_free(Path(checkpoints.folder), resumed_tick=-1 if resume is None else run.tick)
        setup = self._setup
        until, save = self.judge.enough, self._save
        with run.told(self._dispatcher, setup.ticks):
            play_on(run, setup.ticks, seed=setup.seed, until=until, checkpoints=checkpoints, save=save)
            record = run.end()
        return setup.result(record, {"mode": self._mode})

    def _begun(self) -> VirtualRun:
        clock = self._setup.clock
        assert isinstance(clock, Virtual)
        return clock.begin(self._setup.setup(listener=self.judge, background=self.learners))

    def _resumed(self, path: Path) -> VirtualRun:
        kept = self._kept()
        run = take_up(kept.load(path).state, self._setup.env, kept.apart())
        judge, learners = run.stepper.listener, run.executor.background
        assert isinstance(judge, Judge) and isinstance(learners, VirtualLearners)
        self.judge, self.learners = judge, learners
        return run

    def _save(self, run: VirtualRun, folder: Path, keep: int) -> None:
        kept = self._kept()
        state = put_away(run, kept.apart())
        kept.save(folder, tick=run.tick, updates=len(self.learners.log), state=state, keep=keep)

    def _kept(self) -> Kept:
        network, replay, more = self._parts
        # The updates themselves are part of the pickled run, with these in their places.
        target, optimizer = self._updates.target, self._updates.optimizer
        return Kept(
            belongs_to=self._belongs_to, network=network, target=target, optimizer=optimizer, replay=replay, more=more
        )

    def _figures(self) -> LearnerFigures:
        log, tick, exploration = self.learners.log, self.learners.collector.tick, self._exploration
        return LearnerFigures(
            updates=len(log),
            loss=log.losses[-1] if len(log) else math.nan,
            staleness=sum(log.stalenesses) / len(log) if len(log) else math.nan,
            epsilon=exploration.epsilon.at(tick) if isinstance(exploration, EpsilonGreedy) else math.nan,
        )

    def _evaluated(self, evaluation: Evaluation) -> None:
        if self._dispatcher is not None:
            self._dispatcher.evaluated(evaluation.tick, evaluation.mean)


def train_virtual(
    training: TrainingSetup,
    *,
    evaluate_every: int,
    good_enough: float | None,
) -> TrainResult:
    """`hocket.train` in virtual time."""
    if evaluate_every < 1:
        raise ConfigurationError(f"evaluate_every={evaluate_every!r} must be at least 1")
    if training.evaluation_episodes < 1:
        raise ConfigurationError(f"evaluation_episodes={training.evaluation_episodes!r} must be at least 1")
    torch.set_num_threads(training.threads)
    clock, algorithm, network, learner = training.clock, training.algorithm, training.network, training.learner
    assert isinstance(clock, Virtual)
    exploring, sampling, durations = np.random.SeedSequence(training.seed).spawn(3)
    replay = training.replay()
    collector = training.collector(replay)
    updates = Updates(
        algorithm=algorithm,
        network=network,
        replay=replay,
        seed=sampling,
        batch_size=algorithm.batch_size * (learner.learners if isinstance(learner, ParallelBatch) else 1),
    )
    learners = VirtualLearners(
        learner,
        updates=updates,
        collector=collector,
        durations=clock.learning,
        seed=durations,
        update_every=training.update_every,
        warm_up=training.warm_up,
    )
    exploration = training.exploration(collector, exploring)
    policy = training.policy(exploration, learners, in_place=True)
    course = VirtualTraining(
        setup=set_up(
            training.env,
            policy,
            training.rule,
            clock,
            ticks=training.ticks,
            default=training.default,
            seed=training.seed,
        ),
        algorithm=algorithm,
        network=network,
        replay=replay,
        updates=updates,
        learners=learners,
        exploration=exploration,
        evaluator=training.evaluator(training.policy(None, learners, in_place=True)),
        evaluate_every=evaluate_every,
        good_enough=good_enough,
        options=training.options(evaluate_every=evaluate_every, good_enough=good_enough),
        mode=training.mode,
        instruments=training.instruments,
    )
    resume = None if training.resume is None else Path(training.resume)
    try:
        result = course.play(checkpoints=training.checkpoints, resume=resume)
    finally:
        replay.close()
    learners, judge = course.learners, course.judge
    log = learners.log
    return TrainResult(
        run=result,
        network=network,
        evaluations=judge.evaluations,
        final=judge.final(),
        updates=len(log),
        losses=log.losses,
        stalenesses=log.stalenesses,
        started_ns=log.started_ns,
        landed_ns=log.landed_ns,
        error=learners.error,
    )
