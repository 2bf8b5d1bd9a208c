"""Events: the only input of the scheduler.

An event carries the time at which the thing happened, not the time at which it was noticed. Observations,
workers and inferences are named by integers; observation ``k`` is the one that tick ``k`` yielded.
"""

from __future__ import annotations

from hocket.core.values import value


@value
class WorkerJoined:
    """A worker has loaded its policy and is idle."""

    time_ns: int
    worker: int


@value
class WorkerLost:
    """A worker died, was killed, or has left; the inference that it ran fails."""

    time_ns: int
    worker: int


@value
class DeadlineReached:
    """Tick ``tick`` must act now. Indices skipped since the last one are missed."""

    time_ns: int
    tick: int


@value
class Ticked:
    """The environment has stepped (or been reset, at tick 0): observation ``tick`` exists.

    With ``episode_ended``, an episode ended in this tick, and observation ``tick`` is the first of the next.
    """

    time_ns: int
    tick: int
    episode_ended: bool = False


@value
class InferenceFinished:
    """An inference has its answer: actions for ``length`` consecutive ticks, by weights of ``version``."""

    time_ns: int
    inference: int
    length: int = 1
    version: int = 0


@value
class TrunkFinished:
    """The slow stage of a two-stage inference has ended; its worker holds the features until the head's moment."""

    time_ns: int
    inference: int


@value
class InferenceFailed:
    """An inference raised; its worker is idle again."""

    time_ns: int
    inference: int


@value
class InferenceCancelled:
    """An inference has stopped as ``Cancel`` told it to; its worker is idle."""

    time_ns: int
    inference: int


@value
class TimerDue:
    """The time of the last ``WakeAt`` has come."""

    time_ns: int


@value
class LearningFinished:
    """The learning that ``StartLearning`` asked for has ended."""

    time_ns: int


@value
class PredictabilityEstimated:
    """The environment's predictability ρ ∈ (0, 1] was measured."""

    time_ns: int
    predictability: float


@value
class RunEnded:
    """Nothing more will be executed; everything in flight is discarded."""

    time_ns: int


Event = (
    WorkerJoined
    | WorkerLost
    | DeadlineReached
    | Ticked
    | InferenceFinished
    | TrunkFinished
    | InferenceFailed
    | InferenceCancelled
    | TimerDue
    | LearningFinished
    | PredictabilityEstimated
    | RunEnded
)
"""Anything that the scheduler is told."""
