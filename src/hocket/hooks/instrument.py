"""Instruments observe a run, such as a progress line, TensorBoard or the live page.

After trio (`trio.abc.Instrument`): every hook is optional; an instrument that raises is not called again, and the run
continues. The tick loop calls hooks at the end of a tick, after the environment has stepped and workers have started,
when it has nothing else to do before the next deadline: hooks must be quick, and never wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import gymnasium as gym

from hocket.core.commands import Outcome
from hocket.core.rules import Rule
from hocket.hooks.record import Moment
from hocket.spaces.checked_env import name_of

NONE = math.nan
EVALUATION_RETURN = "evaluation/mean_return"
"""The scalar's name for the mean return of an evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run that is about to start or to be resumed."""

    env: gym.Env[Any, Any]
    """Reset and ready. Read it only, never step it."""
    rule: Rule
    hz: Fraction
    """Ticks per second."""
    ticks: int
    """The most ticks that it will have."""
    realtime: bool
    """True on the wall clock, False in virtual time."""
    jump_bound: float | None = None
    """The largest acceptable jump at a seam of two chunks, in the actions' own units; see `hocket.drivers.Handover`."""
    first_tick: int = 0
    """The last tick before this part of the run; above 0 if it is resumed."""
    resumed_tick: int = 0
    """The training tick at which the run starts. On the wall clock the run's own ticks start at 1 again."""

    @property
    def name(self) -> str:
        """The environment's id, or its class."""
        return name_of(self.env)


class InferenceView(NamedTuple):
    """The current state of one inference. Times are on the run's own clock, as `Moment.deadline_ns`."""

    number: int
    worker: int
    observation: int
    """The tick of the observation that it is computed from."""
    target: int
    """The tick that it aims at, or -1."""
    started_ns: int
    finished_ns: int = -1
    """The time of its answer or failure; -1 while it runs."""
    executed_tick: int = -1
    """The first tick that executed it, or -1."""
    ended_ns: int = -1
    """The time at which its outcome was known; -1 before."""
    outcome: Outcome | None = None
    """Its outcome; None before."""


class LearnerFigures(NamedTuple):
    """The figures of a learner.

    Attributes:
        updates: of the weights, so far.
        loss: of the last update.
        staleness: mean number of updates by others between an update's snapshot and its landing, so far.
        epsilon: of ε-greedy, now.
        temperature: the weight of the entropy in soft actor-critic, now.
    """

    updates: int
    loss: float = NONE
    staleness: float = NONE
    epsilon: float = NONE
    temperature: float = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a training. Figures without a value are NaN, such as the return before the first episode has ended.

    Attributes:
        tick: the last one.
        coverage: fresh ticks over all ticks, since the last progress.
        delay_ticks: mean delay of the fresh ticks since the last progress.
        episodes: number of episodes that have ended so far.
        episode_return: mean undiscounted return of the episodes that ended since the last progress.
        updates_per_s: updates per second of the wall clock, since the last progress.
        learner: the learner's own figures.
    """

    tick: int
    coverage: float
    delay_ticks: float
    episodes: int
    episode_return: float
    updates_per_s: float
    learner: LearnerFigures

    def scalars(self) -> dict[str, float]:
        """Return the figures by their scalar names, without those that are NaN."""
        learner = self.learner
        scalars = {
            "acting/coverage": self.coverage,
            "acting/delay_ticks": self.delay_ticks,
            "acting/episode_return": self.episode_return,
            "acting/epsilon": learner.epsilon,
            "learning/loss": learner.loss,
            "learning/updates": float(learner.updates),
            "learning/updates_per_s": self.updates_per_s,
            "learning/staleness": learner.staleness,
            "learning/temperature": learner.temperature,
        }
        return {name: value for name, value in scalars.items() if not math.isnan(value)}


class EvaluationProgress(NamedTuple):
    """The state of a running evaluation.

    Attributes:
        tick: the training tick whose weights are evaluated.
        episodes, ticks: played so far.
        episodes_wanted, tick_limit: the evaluation ends at either.
    """

    tick: int
    episodes: int
    ticks: int
    episodes_wanted: int
    tick_limit: int


class Instrument:
    """Observes a run. Override the hooks of interest; a hook that is not overridden costs nothing.

    Pass instruments to `hocket.run` or `hocket.train`. One that raises is not called again; a single warning gives its
    traceback, and the run continues.
    """

    def on_starting(self, run: RunView) -> None:
        """Called before a run on the wall clock starts its first workers (``run.rule.initial_workers``); may take long.

        `on_start` and `on_stop` follow, unless the workers cannot be started.
        """

    def on_worker_up(self, workers: int) -> None:
        """Called when one more of the first workers is up: ``workers`` by now, of ``run.rule.initial_workers``."""

    def on_start(self, run: RunView) -> None:
        """Called before a run starts: workers are up and the clock does not tick yet, so there is time to prepare."""

    def on_tick(self, moment: Moment) -> None:
        """Called after each tick. The moment's arrays are copies: changes to them do not affect the run."""

    def on_inference_started(self, inference: InferenceView) -> None:
        """Called when a worker has started ``inference``."""

    def on_inference_finished(self, inference: InferenceView) -> None:
        """Called when the worker of ``inference`` is free again; the outcome may still be open."""

    def on_inference(self, inference: InferenceView) -> None:
        """Called with the outcome of ``inference``, an `Outcome`: executed, superseded, dropped, and so on."""

    def on_training(self, progress: Progress) -> None:
        """Called with the state of the training about once a second of the wall clock."""

    def on_evaluation_progress(self, progress: EvaluationProgress) -> None:
        """Called with the state of a running evaluation about once a second of the wall clock."""

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """Called after an evaluation under the greedy policy, after training tick ``tick``."""

    def on_stop(self) -> None:
        """Called when the run has ended, for any reason."""
