"""Instruments observe a run, such as a progress line, TensorBoard or the live page.

The idea is trio's (`trio.abc.Instrument`): every hook is optional; an instrument that fails is not called any more,
and the run continues. Hooks are called from the tick loop at the end of a tick, once the environment has stepped and
workers have been started, when nothing is due before the next deadline: they must be quick, and never wait.
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
"""The name that boards of curves give the mean return of an evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run that is about to begin, or to be resumed."""

    env: gym.Env[Any, Any]
    """Reset and ready. To look at, never to step."""
    rule: Rule
    hz: Fraction
    """Ticks per second."""
    ticks: int
    """How many there will be at most."""
    realtime: bool
    """Whether it runs on the wall clock, rather than in virtual time."""
    first_tick: int = 0
    """The last tick before this part of the run; above 0 if it is resumed."""
    resumed_tick: int = 0
    """The tick of the training that the run begins at. On the wall clock the run's own ticks begin at 1 again."""

    @property
    def name(self) -> str:
        """The environment's id, or its class."""
        return name_of(self.env)


class InferenceView(NamedTuple):
    """One inference, as it stands. Times are of the run's own clock, as `Moment.deadline_ns` is."""

    number: int
    worker: int
    observation: int
    """The observation, by tick, that it is computed from."""
    target: int
    """The tick it aims at, or -1."""
    started_ns: int
    finished_ns: int = -1
    """When it had its answer or failed; -1 while it runs."""
    executed_tick: int = -1
    """The first tick that executed it, or -1."""
    ended_ns: int = -1
    """When its outcome was known; -1 before."""
    outcome: Outcome | None = None
    """The one way in which it ended; None before."""


class LearnerFigures(NamedTuple):
    """The figures of a learner.

    Attributes:
        updates: of the weights, so far.
        loss: of the last update.
        staleness: updates that others made between an update's snapshot and its landing, on average so far.
        epsilon: of ε-greedy, now.
    """

    updates: int
    loss: float = NONE
    staleness: float = NONE
    epsilon: float = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a training. NaN where a figure does not exist, such as without an episode that ended.

    Attributes:
        tick: the last one.
        coverage: fresh ticks over all ticks, since the last progress.
        delay_ticks: mean delay of the fresh ticks since the last progress.
        episodes: that have ended so far.
        episode_return: mean undiscounted return of the episodes that ended since the last progress.
        updates_per_s: of the wall clock, since the last progress.
        learner: its own figures.
    """

    tick: int
    coverage: float
    delay_ticks: float
    episodes: int
    episode_return: float
    updates_per_s: float
    learner: LearnerFigures

    def scalars(self) -> dict[str, float]:
        """The figures by the name that boards of curves give them; those that are NaN are left out."""
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
        }
        return {name: value for name, value in scalars.items() if not math.isnan(value)}


class EvaluationProgress(NamedTuple):
    """The state of an evaluation that is being played.

    Attributes:
        tick: of the training, whose weights are evaluated.
        episodes, ticks: played so far.
        episodes_wanted, tick_limit: it ends at either.
    """

    tick: int
    episodes: int
    ticks: int
    episodes_wanted: int
    tick_limit: int


class Instrument:
    """Looks on. Override what is of interest; what is not overridden costs nothing.

    Pass instruments to `hocket.run` or `hocket.train`. One that raises is not called any more, a warning
    says so once, with its traceback, and the run continues.
    """

    def on_starting(self, run: RunView) -> None:
        """A run on the wall clock starts its first workers (``run.rule.initial_workers``), which may take long.

        `on_start` follows, and with it `on_stop`, unless they cannot be started.
        """

    def on_start(self, run: RunView) -> None:
        """A run is about to begin: workers are up, the clock does not tick yet, so there is time to prepare."""

    def on_tick(self, moment: Moment) -> None:
        """A tick has passed. Its arrays are copies: the run does not see what is done to them."""

    def on_inference_started(self, inference: InferenceView) -> None:
        """A worker has begun."""

    def on_inference_finished(self, inference: InferenceView) -> None:
        """Its worker is done with it; whether it will be executed may be open."""

    def on_inference(self, inference: InferenceView) -> None:
        """It has ended, in exactly one way: executed, superseded, dropped, a duplicate, discarded or failed."""

    def on_training(self, progress: Progress) -> None:
        """Training stands like this; about once a second of the wall clock."""

    def on_evaluation_progress(self, progress: EvaluationProgress) -> None:
        """An evaluation is being played; called about once a second of the wall clock."""

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """After ``tick``, episodes under the greedy policy had this mean return."""

    def on_stop(self) -> None:
        """The run is over, however it ended."""
