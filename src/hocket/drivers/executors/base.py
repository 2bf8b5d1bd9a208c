"""The interface of executors. Realtime executors also launch workers, wait, report and stop workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.core.events import (
    InferenceCancelled,
    InferenceFailed,
    InferenceFinished,
    LearningFinished,
    TrunkFinished,
    WorkerJoined,
    WorkerLost,
)
from hocket.core.rules import Rule
from hocket.errors import ConfigurationError
from hocket.ipc.child_processes import check_nice
from hocket.policies.base import Policy, PolicyFactory
from hocket.spaces.codec import ActionCodec
from hocket.spaces.observations import ObservationForm, copied, zeros


class Report(NamedTuple):
    """An event of a worker. ``event`` is None for a failure that does not concern the scheduler."""

    event: (
        InferenceFinished
        | TrunkFinished
        | InferenceFailed
        | InferenceCancelled
        | WorkerJoined
        | WorkerLost
        | LearningFinished
        | None
    )
    answer: NDArray[Any] | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """The policy of a run's workers, the arrays that they exchange, and their number."""

    policy: PolicyFactory
    codec: ActionCodec
    observation_space: spaces.Space[Any]
    workers: int
    most_workers: int

    @classmethod
    def under(
        cls, policy: PolicyFactory, rule: Rule, codec: ActionCodec, observation_space: spaces.Space[Any]
    ) -> WorkerJob:
        """Return the job of a run under ``rule``, on observations of ``observation_space``."""
        return cls(
            policy=policy,
            codec=codec,
            observation_space=observation_space,
            workers=rule.initial_workers,
            most_workers=rule.most_workers,
        )


def warm_up(policy: Policy, factory: PolicyFactory, codec: ActionCodec, form: ObservationForm) -> None:
    """Do in advance what makes a first call of ``policy`` slow, if its factory has a warm-up."""
    example = zeros(form)
    factory.warm_up(policy, example, *late_inputs(factory, codec, example))


def late_inputs(policy: PolicyFactory, codec: ActionCodec, example: Any) -> tuple[Any, ...]:
    """The inputs of ``policy`` in a worker beside ``example``: zeros, and the example as the newest observation."""
    if policy.corrects:
        return ()
    pending_actions = (np.zeros_like(codec.unknown_actions(policy.pending)),) if policy.pending else ()
    newest = (copied(example),) if policy.newest else ()
    delay = (np.zeros(1, np.int64),) if policy.delay_told else ()
    return (*pending_actions, *newest, *delay)


class Executor(ABC):
    """Starts inferences and reports each as finished, failed or lost."""

    @abstractmethod
    def start(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        """Run the policy on ``inputs``: an observation and, if it takes them, pending actions and the expected delay.

        The observation's buffers may be reused once this returns; the other arrays are the policy's to keep.
        For a two-stage policy this runs the trunk, on the observation alone.
        """

    @abstractmethod
    def bind(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        """Run the head on the features that ``worker`` holds and on ``inputs``.

        The inputs are the pending actions, the newest observation and the delay, as far as the policy takes them.
        """

    def cancel(self, inference: int, worker: int, now_ns: int) -> None:  # noqa: B027
        """Stop ``inference`` if that is possible, without blocking; it is then reported as cancelled, else as usual."""

    @abstractmethod
    def add_worker(self, now_ns: int) -> None:
        """Start one more worker, without blocking."""

    @abstractmethod
    def retire(self, worker: int) -> None:
        """Stop an idle worker, without blocking."""

    @abstractmethod
    def learn(self, now_ns: int) -> None:
        """Start one learning step, without blocking; it is later reported as finished."""


class RealtimeExecutor(Executor):
    """Runs workers beside the tick loop. All methods but `wait` are called by one thread at a time."""

    @abstractmethod
    def launch(self, on_joined: Callable[[int], None] | None = None) -> list[Report]:
        """Start the first workers; return when each has loaded its policy.

        Args:
            on_joined: called with the number of workers that are up, each time it rises.

        Raises:
            PolicyError: if a worker cannot load its policy, with its traceback.
        """

    @abstractmethod
    def wait(self, until_ns: int) -> None:
        """Block until there may be a report, at the latest until ``until_ns`` on the monotonic clock."""

    @abstractmethod
    def reports(self) -> list[Report]:
        """Return the reports since the last call. Never blocks."""

    @abstractmethod
    def close(self) -> None:
        """Stop all workers and release every resource. Never raises because of a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorKind(ABC):
    """A way to run workers, chosen by the user: `Processes` or `Threads`."""

    nice: int = 10
    hang_s: float = 30.0
    start_s: float = 120.0

    def __post_init__(self) -> None:
        check_nice(self.nice)
        check_seconds("hang_s", self.hang_s)
        check_seconds("start_s", self.start_s)

    @abstractmethod
    def executor(self, job: WorkerJob, learn: Callable[[], None] | None) -> RealtimeExecutor:
        """Make the executor of one run."""


def check_seconds(name: str, value: float) -> None:
    """Raise `ConfigurationError` unless the duration ``value`` is positive."""
    if not (isinstance(value, int | float) and value > 0):
        raise ConfigurationError(f"{name}={value!r} must be greater than 0 seconds; try 30.0")
