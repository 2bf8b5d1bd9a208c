"""A training in virtual time, from its beginning or a checkpoint to its end, and its figures for instruments."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hocket.core.description import text
from hocket.drivers.interrupt import Interrupt, between_ticks
from hocket.drivers.lockstep import Lockstep
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import LearnerFigures
from hocket.hooks.record import Listener
from hocket.instruments.training_meter import training_dispatcher
from hocket.learn.checkpoints.checkpoint import (
    belonging,
    check_free,
    difference_of,
    explain_absence,
    explain_difference,
    newest_checkpoint,
)
from hocket.learn.checkpoints.checkpoint import checkpoints as saved_checkpoints
from hocket.learn.checkpoints.training_state import Kept
from hocket.learn.exploration import EpsilonGreedy, TickCounter
from hocket.learn.head_versions import HeadVersions
from hocket.learn.learners.options import ParallelBatch
from hocket.learn.learners.split_update import Updates
from hocket.learn.learners.virtual import VirtualLearners
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.collectors import Collectors
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.replay import Replay
from hocket.policies.devices import device_of
from hocket.running.result import RunResult
from hocket.training.evaluation import Evaluation, Judge, unplayed
from hocket.training.result import TrainResult, keeping_training, warn_of_no_update
from hocket.training.resumption import (
    PlayedRun,
    can_save_mid_episode,
    check_savable,
    play_with_checkpoints,
    resume_run,
    suspend_run,
)
from hocket.training.setup import TrainingSetup


class VirtualTraining:
    """Plays a training in virtual time, saves it, and resumes it.

    Args:
        training: its setup.
        replay: new and empty.
        shown: the replay of demonstrations, or None.

    Attributes:
        judge, learners: of the run as it is played: after `play` they may be others than before.
    """

    def __init__(self, training: TrainingSetup, replay: Replay | ReplayOfCopies, shown: Replay | None) -> None:
        clock, algorithm, network, learner = training.clock, training.algorithm, training.network, training.learner
        evaluation, copies = training.evaluation, training.copies
        assert isinstance(clock, Virtual)
        self._training, self._replay, self._shown = training, replay, shown
        self._mid_episode = True
        self._difference: str | None = None  # of a restored copy of its environment, found after a checkpoint
        self._run: RunResult | None = None
        self._copies: list[RunResult] = []
        self._final: Evaluation | None = None
        exploring, sampling, durations = np.random.SeedSequence(training.seed).spawn(3)
        collector: Collector | Collectors
        counters: Sequence[TickCounter]
        if isinstance(replay, ReplayOfCopies):
            collector = Collectors([training.collector(part) for part in replay.parts], replay)
            counters = collector.counters
        else:
            collector = training.collector(replay)
            counters = [collector]
        self._updates = Updates(
            algorithm=algorithm,
            network=network,
            replay=training.sampled(replay, shown),
            seed=sampling,
            batch_size=algorithm.batch_size * (learner.learners if isinstance(learner, ParallelBatch) else 1),
        )
        self.learners = VirtualLearners(
            learner, updates=self._updates, collector=collector, durations=clock.learning, seed=durations
        )
        seeds = [exploring] if copies == 1 else exploring.spawn(copies)
        explorations = [training.exploration(*each) for each in zip(counters, seeds, strict=True)]
        self._exploration = explorations[0]
        heads = HeadVersions(network, in_place=True)
        policies = [training.policy(each, self.learners, in_place=True, heads=heads) for each in explorations]
        self._every_checked = [training.checked(policy, copy) for copy, policy in enumerate(policies)]
        self._checked = self._every_checked[0]
        self._dispatcher = training_dispatcher(self._figures, training.instruments, copies=copies)
        self._evaluator = training.evaluator(training.policy(None, self.learners, in_place=True), self._dispatcher)
        self.judge = Judge(
            self.learners.listeners()[-1],
            network=network,
            evaluator=self._evaluator,
            every=evaluation.every_ticks,
            good_enough=evaluation.good_enough,
            copies=copies,
            on_evaluation=self._evaluated,
        )
        self._belongs_to = belonging(
            self._checked.name,
            algorithm,
            network,
            rule=text(training.rule),
            clock=text(clock),
            default=text(self._checked.default),
            seed=str(training.seed),
            device=device_of(network).type,
            envs=str(copies),
            **training.options(),
        )

    def play(self) -> TrainResult:
        """Play the run to its end, or until `judge` ends it, and the evaluations after it.

        An error on the way has the result so far.
        """
        training = self._training
        checkpoints, ticks = training.checkpoints, self._checked.ticks
        if checkpoints is not None:
            assert isinstance(training.clock, Virtual)
            check_savable(training.clock, self._checked.default, training.env.action_space)
        run = self._begin() if training.resume is None else self._resume(Path(training.resume))
        if checkpoints is not None:
            resumed_tick = -1 if training.resume is None else self._tick_of(run)
            check_free(Path(checkpoints.folder), resumed_tick=resumed_tick)
            self._mid_episode = can_save_mid_episode(training.make_env, self._checked.name)
            if not self._mid_episode and training.copies > 1:
                raise ConfigurationError(
                    f"checkpoints of envs={training.copies} copies need environments that can be saved in the middle "
                    f"of an episode, and {self._checked.name} cannot; try envs=1, or no checkpoints"
                )
        # A signal while a checkpoint is being written, or between two evaluations, is noted too.
        with run.told(self._dispatcher, ticks), between_ticks() as interrupt, keeping_training(self._result):
            try:
                with self._checked.keeping_result():
                    self._play_to_end(run, interrupt)
                of_copies = {"envs": training.copies} if training.copies > 1 else None
                self._copies = [
                    checked.result(each.record, of_copies)
                    for checked, each in zip(self._every_checked, run.runs, strict=True)
                ]
                self._run = self._copies[0]
            except BaseException as error:
                self._run = vars(error).get("result")
                raise
            self.judge.conclude()
            self._final = self.judge.final()
            if interrupt.requested:
                raise interrupt.error()
        result = self._result()
        assert result is not None
        warn_of_no_update(
            result,
            training.learner,
            tick=self._tick_of(run),
            transitions=len(self.learners.collector.replay),
            realtime=False,
        )
        return result

    def _result(self) -> TrainResult | None:
        """The result so far; None before the run has begun."""
        if self._run is None:
            return None
        log, best_tick = self.learners.log, self.judge.choose()
        return TrainResult(
            run=self._run,
            copies=self._copies or [self._run],
            network=self._training.network,
            evaluations=self.judge.evaluations,
            final=unplayed(best_tick) if self._final is None else self._final,
            updates=len(log),
            losses=log.losses,
            stalenesses=log.stalenesses,
            started_ns=log.started_ns,
            landed_ns=log.landed_ns,
            error=self.learners.error,
        )

    def _play_to_end(self, run: PlayedRun, interrupt: Interrupt) -> None:
        """Play and save ``run``. An error that ends it has the record so far attached."""
        judge, checkpoints, ticks = self.judge, self._training.checkpoints, self._checked.ticks
        with run.kept_on_error():
            judge.evaluate_if_due()  # one that Ctrl-C ended before the checkpoint that is resumed
            if judge.enough(run.record):
                pass
            elif checkpoints is None:
                run.play(ticks, until=judge.enough)
            else:
                play_with_checkpoints(
                    run,
                    ticks,
                    seed=self._checked.seed,
                    until=judge.enough,
                    checkpoints=checkpoints,
                    save=self._save,
                    mid_episode=self._mid_episode,
                    make_env=self._training.make_env,
                    withdraw=self._withdraw,
                )
                self._explain_absence(Path(checkpoints.folder), self._tick_of(run))
            record = run.end()
        record.signal = record.signal or judge.signal or interrupt.signal

    def _explain_absence(self, folder: Path, tick: int) -> None:
        """If nothing has been saved, warn of it, and keep the reason in ``folder`` for a later resume."""
        if saved_checkpoints(folder):
            return
        reason = (
            f"the training ended at tick {tick:,}, and {self._checked.name} could not be saved on the way, since no "
            "episode ended after a checkpoint was due"
        )
        explain_absence(folder, reason)
        warnings.warn(
            f"nothing was saved in {folder}: {reason}; try checkpoints more often, or more ticks",
            RuntimeWarning,
            stacklevel=2,
        )

    def _tick_of(self, run: PlayedRun) -> int:
        """The number of ticks that all copies have played together."""
        return run.tick * self._training.copies

    def _begin(self) -> PlayedRun:
        clock = self._training.clock
        assert isinstance(clock, Virtual)
        listeners: list[Listener] = [*self.learners.listeners()[:-1], self.judge]  # after a tick of the last copy
        setups = [
            checked.setup(listener=listener, background=self.learners)
            for checked, listener in zip(self._every_checked, listeners, strict=True)
        ]
        return clock.begin(setups[0]) if len(setups) == 1 else Lockstep(clock, setups)

    def _resume(self, path: Path) -> PlayedRun:
        kept, path = self._kept(), newest_checkpoint(path)
        run = resume_run(kept.load(path).state, self._training.environments, kept.apart())
        difference = difference_of(path)
        if difference is not None:
            warnings.warn(f"{path} does not resume bit for bit: {difference}", RuntimeWarning, stacklevel=2)
        judge, learners = run.runs[-1].stepper.listener, run.runs[0].executor.background
        assert isinstance(judge, Judge) and isinstance(learners, VirtualLearners)
        self.judge, self.learners = judge, learners
        return run

    def _save(self, run: PlayedRun, folder: Path, keep: int) -> None:
        kept = self._kept()
        state = suspend_run(run, kept.apart(), mid_episode=self._mid_episode)
        kept.save(folder, tick=self._tick_of(run), updates=len(self.learners.log), state=state, keep=keep)
        if self._mid_episode and self._difference is not None:
            explain_difference(newest_checkpoint(folder), self._difference)

    def _withdraw(self, difference: str) -> bool:
        """Take back that the newest checkpoint resumes bit for bit; return whether the next ones are made alike."""
        checkpoints, alike = self._training.checkpoints, self._training.copies > 1
        assert checkpoints is not None
        path = newest_checkpoint(Path(checkpoints.folder))
        explain_difference(path, difference)
        following = "nor will the following ones" if alike else "the following ones are made where an episode begins"
        warnings.warn(
            f"{path} does not resume bit for bit, {following}: {difference}",
            RuntimeWarning,
            stacklevel=2,
        )
        self._difference, self._mid_episode = difference, alike
        return alike

    def _kept(self) -> Kept:
        # The updates themselves are part of the pickled run, with these in their places.
        more = {} if self._shown is None else {"shown": self._shown}
        return Kept(
            belongs_to=self._belongs_to,
            network=self._training.network,
            target=self._updates.target,
            optimizer=self._updates.optimizer,
            replay=self._replay,
            more={"training": self, "evaluator": self._evaluator, **more, **self._parts()},
        )

    def _parts(self) -> dict[str, object]:
        """The replays of copies by name."""
        parts = self._replay.parts if isinstance(self._replay, ReplayOfCopies) else ()
        return {f"replay.{copy}": part for copy, part in enumerate(parts)}

    def _figures(self) -> LearnerFigures:
        log, tick, exploration = self.learners.log, self.learners.collector.tick, self._exploration
        return LearnerFigures(
            updates=len(log),
            loss=log.losses[-1] if len(log) else math.nan,
            staleness=sum(log.stalenesses) / len(log) if len(log) else math.nan,
            epsilon=exploration.epsilon.at(tick) if isinstance(exploration, EpsilonGreedy) else math.nan,
            temperature=self._training.algorithm.temperature_of(self._training.network),
        )

    def _evaluated(self, evaluation: Evaluation) -> None:
        if self._dispatcher is not None:
            self._dispatcher.evaluated(evaluation.tick, evaluation.mean)


def train_virtual(training: TrainingSetup) -> TrainResult:
    """`hocket.train` in virtual time."""
    torch.set_num_threads(training.threads)
    with training.replays() as (replay, shown):
        return VirtualTraining(training, replay, shown).play()
