"""Interfaces of a scheduling rule: its frozen description, and the running schedule that it makes.

The scheduler owns workers, answers and freshness; a schedule decides four things only: when a worker starts on
which observation, from which tick an answer may be used, which of the usable answers runs, and how many workers
there should be. All its inputs arrive through these methods, so a recorded trace replays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.errors import check_whole


class Start(NamedTuple):
    """A request to start ``worker`` on ``observation``, aiming at tick ``target`` (-1: none)."""

    worker: int
    observation: int
    target: int


NOTHING: tuple[Start, ...] = ()


class Rule(ABC):
    """A scheduling rule: plain values, checked when made. Its docstring states its guarantee."""

    @property
    @abstractmethod
    def initial_workers(self) -> int:
        """The number of workers that a run begins with."""

    @property
    def most_workers(self) -> int:
        """The largest number of workers that it may ask for."""
        return self.initial_workers

    @abstractmethod
    def schedule(self, cadence: Cadence) -> Schedule:
        """Make the running state for one run at ``cadence``."""


class Schedule(ABC):
    """The running state of a rule. Method defaults are those of the simplest rule."""

    learns: ClassVar[bool] = False
    """True if the scheduler is to call ``learning_due``."""
    defers: ClassVar[bool] = False
    """True if ``release_tick`` of an inference may rise while it is held."""
    cancels: ClassVar[bool] = False
    """True if the scheduler is to call ``cancellations``; else it cancels those whose ``last_tick`` has passed."""
    wakes: ClassVar[bool] = False
    """True if the scheduler is to call ``wake_ns``."""

    def __init__(self, cadence: Cadence) -> None:
        self.cadence = cadence

    def worker_joined(self, worker: int, now_ns: int) -> None:  # noqa: B027
        """``worker`` is new and idle."""

    def worker_lost(self, worker: int, now_ns: int) -> None:  # noqa: B027
        """``worker`` has left."""

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:  # noqa: B027
        """Observation ``tick`` exists."""

    def inference_finished(self, inference: Inference) -> None:  # noqa: B027
        """``inference`` has its answer and its worker is idle."""

    def inference_failed(self, inference: Inference, now_ns: int) -> None:  # noqa: B027
        """``inference`` raised and its worker is idle."""

    def inference_cancelled(self, inference: Inference, now_ns: int) -> None:
        """``inference`` was cancelled, has stopped without an answer, and its worker is idle; usually as a failure."""
        self.inference_failed(inference, now_ns)

    def inference_ended(self, inference: Inference) -> None:  # noqa: B027
        """``inference`` has its outcome."""

    def learning_finished(self, now_ns: int) -> None:  # noqa: B027
        """The learning that was due has ended."""

    def learning_due(self) -> bool:
        """Return whether learning is to start now; True once for each learning."""
        return False

    def predictability_estimated(self, predictability: float) -> None:  # noqa: B027
        """The environment's predictability ρ was measured."""

    @abstractmethod
    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        """The starts of idle workers now. ``tick`` is the newest observation; ``idle`` is ordered, idle longest first.

        Not called while a tick is being executed: starts wait for its observation.
        """

    def release_tick(self, inference: Inference) -> int:
        """The first tick that may use the finished ``inference``; it is called again then if the schedule `defers`.

        It may be called at other times as well, to tell policies what is settled, and so must not change anything.

        Where its actions are for certain ticks, it may act earlier at a tick that nothing else has an action for.
        """
        return inference.usable_tick

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        """The released answer that runs now, if any; called at every tick that is not missed.

        ``due`` is ordered by observation; all are newer than the last executed, and all have an action for ``tick``.
        """
        return due[-1] if due else None

    def cancellations(
        self, tick: int, running: Sequence[Inference], answered: Set[int], idle: bool
    ) -> Sequence[Inference]:
        """The inferences of ``running`` to cancel; called once observation ``tick`` exists, before any starts on it.

        Only what no tick can lose: inferences of observations that are no newer than the last executed one, or that
        are in ``answered``, those whose ``last_tick`` has passed, and copies of others that run on. ``running`` is
        ordered by start, and ``idle`` is True if a worker is idle.
        """
        return ()

    def wake_ns(self) -> int | None:
        """The time at which ``starts`` must be called again even without an event."""
        return None

    @abstractmethod
    def workers_wanted(self) -> int:
        """The number of workers that there should be from now on."""

    def oldest_needed(self, tick: int) -> int:
        """The oldest observation that a later start may still name."""
        return tick


def check_workers(workers: int) -> None:
    """Raise unless ``workers`` is a positive integer."""
    check_whole("workers", workers, example=2)


@dataclass(frozen=True, slots=True)
class FixedWorkers(Rule):
    """A rule with a fixed number of ``workers``."""

    workers: int

    def __post_init__(self) -> None:
        check_workers(self.workers)

    @property
    def initial_workers(self) -> int:
        """The number of workers that a run begins with."""
        return self.workers
