"""A training in virtual time from its beginning, or a checkpoint, to its end, and how it stands on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hocket.drivers.virtual import Virtual, VirtualRun
from hocket.evaluation import Evaluation, Evaluator, Judge
from hocket.learn.checkpoint import belonging, check_free
from hocket.learn.deep_q import DeepQ
from hocket.learn.exploring import EpsilonGreedy, Exploration
from hocket.learn.keeping import Kept
from hocket.learn.replay import Replay
from hocket.learn.updates import Updates
from hocket.learn.virtual_learners import VirtualLearners
from hocket.models.qnetwork import QNetwork
from hocket.observe.training import Instrument, LearnerFigures, Meter
from hocket.record import InTurn
from hocket.resume import Checkpoints, play_on, put_away, take_up
from hocket.run import RunResult, Setup


class Course:
    """Plays a training that is put together, saves it, and takes it up again.

    Args:
        setup: the run that it is.
        algorithm, network, replay, updates, learners: who learns what from what.
        exploration: of the acting policy.
        evaluator: plays the evaluations.
        evaluate_every: ticks between two.
        good_enough: the mean return that ends the training, if any does.
        options: what a checkpoint must agree with besides environment, algorithm and network; by name.
        told: given each evaluation.
        instruments: told how the training stands.

    Attributes:
        judge, learners: of the run as it is played: after `play` they may be others than were given.
    """

    def __init__(
        self,
        *,
        setup: Setup,
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
        told: Callable[[Evaluation], None] | None = None,
        instruments: Sequence[Instrument] = (),
    ) -> None:
        self._setup, self._updates, self._exploration, self._told = setup, updates, exploration, told
        self._meter = Meter(self._figures, instruments)
        self.learners = learners
        self.judge = Judge(
            learners,
            network=network,
            evaluator=evaluator,
            every=evaluate_every,
            good_enough=good_enough,
            told=self._evaluated,
        )
        more = {"course": self, "meter": self._meter, "evaluator": evaluator}
        self._belongs_to = belonging(
            setup.name,
            algorithm,
            network,
            rule=repr(setup.rule),
            clock=repr(setup.clock),
            default=repr(setup.default),
            seed=str(setup.seed),
            **options,
        )
        self._parts = network, replay, more

    def play(self, *, checkpoints: Checkpoints | None = None, resume: Path | None = None) -> RunResult:
        """Play the run to its end, if `judge` does not end it before; see `hocket.train`."""
        run = self._begun() if resume is None else self._resumed(resume)
        if checkpoints is not None:
            check_free(Path(checkpoints.folder), resumed_tick=-1 if resume is None else run.tick)
        setup = self._setup
        play_on(run, setup.ticks, seed=setup.seed, until=self.judge.enough, checkpoints=checkpoints, save=self._save)
        self._meter.tell()
        return setup.result(run.end())

    def _begun(self) -> VirtualRun:
        clock, listener = self._setup.clock, InTurn((self.judge, self._meter))
        assert isinstance(clock, Virtual)
        return clock.begin(**self._setup.parts(), listener=listener, background=self.learners)

    def _resumed(self, path: Path) -> VirtualRun:
        kept = self._kept()
        run = take_up(kept.load(path).state, self._setup.env, kept.apart())
        listener, learners = run.world.listener, run.executor.background
        assert isinstance(listener, InTurn) and isinstance(learners, VirtualLearners)
        judge = listener.listeners[0]
        assert isinstance(judge, Judge)
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
        self._meter.evaluated(evaluation.tick, evaluation.mean)
        if self._told is not None:
            self._told(evaluation)
