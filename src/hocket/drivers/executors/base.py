"""The interface of executors. Realtime ones also launch workers, wait, report and end them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hocket.core.events import (
    InferenceFailed,
    InferenceFinished,
    LearningFinished,
    TrunkFinished,
    WorkerJoined,
    WorkerLost,
)
from hocket.core.rules import Rule
from hocket.errors import ConfigurationError
from hocket.policies.base import Policy, PolicyFactory
from hocket.spaces.codec import ActionCodec


class Report(NamedTuple):
    """Something that happened to a worker. ``event`` is None for a failure that the scheduler need not know of."""

    event: InferenceFinished | TrunkFinished | InferenceFailed | WorkerJoined | WorkerLost | LearningFinished | None
    answer: NDArray[Any] | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """The policy of a run's workers, the arrays that they exchange, and their number."""

    policy: PolicyFactory
    codec: ActionCodec
    observation_shape: tuple[int, ...]
    observation_dtype: np.dtype[Any]
    workers: int
    most_workers: int

    @classmethod
    def under(
        cls, policy: PolicyFactory, rule: Rule, codec: ActionCodec, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> WorkerJob:
        """That of a run under ``rule``, on observations of ``shape`` and ``dtype``."""
        return cls(
            policy=policy,
            codec=codec,
            observation_shape=shape,
            observation_dtype=dtype,
            workers=rule.initial_workers,
            most_workers=rule.most_workers,
        )

    def warm_up(self, policy: Policy) -> None:
        """Let the factory do beforehand what makes a first call slow."""
        example = np.zeros(self.observation_shape, self.observation_dtype)
        pending_actions = (np.zeros(self.policy.pending, np.int64),) if self.policy.pending else ()
        newest = (np.zeros_like(example),) if self.policy.newest else ()
        self.policy.warm_up(policy, example, *pending_actions, *newest)


class Executor(ABC):
    """Starts inferences; each is later reported finished, failed or lost."""

    @abstractmethod
    def start(self, inference: int, worker: int, inputs: tuple[NDArray[Any], ...], now_ns: int) -> None:
        """Run the policy on ``inputs``: an observation and, if the policy takes them, the pending actions.

        The observation's buffer may be reused once this returns; the array of pending actions is the policy's own. Of
        a policy in two stages this runs the trunk, on the observation alone.
        """

    @abstractmethod
    def bind(self, inference: int, worker: int, inputs: tuple[NDArray[Any], ...], now_ns: int) -> None:
        """Run the head on the features that ``worker`` holds and on ``inputs``, as those of `start`.

        They are the pending actions and the newest observation, as far as the policy takes them.
        """

    @abstractmethod
    def add_worker(self, now_ns: int) -> None:
        """Bring up one more worker, without blocking."""

    @abstractmethod
    def retire(self, worker: int) -> None:
        """Let an idle worker go, without blocking."""

    @abstractmethod
    def learn(self, now_ns: int) -> None:
        """Learn once, without blocking; later reported as finished."""


class RealtimeExecutor(Executor):
    """Runs workers beside the tick loop. All methods are called from one thread at a time, except `wait`."""

    @abstractmethod
    def launch(self) -> list[Report]:
        """Bring up the first workers; return when each has loaded its policy.

        Raises:
            PolicyError: if one cannot, with its traceback.
        """

    @abstractmethod
    def wait(self, until_ns: int) -> None:
        """Block until there may be a report, at the latest until ``until_ns`` on the monotonic clock."""

    @abstractmethod
    def reports(self) -> list[Report]:
        """Return the reports since the last call. Never blocks."""

    @abstractmethod
    def close(self) -> None:
        """Stop all workers and leave nothing behind. Never raises for a worker's sake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorKind(ABC):
    """A way of running workers, as chosen by the user; `Processes` and `Threads` say what the options mean there."""

    nice: int = 10
    hang_s: float = 30.0
    start_s: float = 120.0

    def __post_init__(self) -> None:
        check_nice(self.nice)
        check_seconds("hang_s", self.hang_s)
        check_seconds("start_s", self.start_s)

    @abstractmethod
    def executor(self, job: WorkerJob, learn: Callable[[], None] | None) -> RealtimeExecutor:
        """An executor for one run."""


def check_seconds(name: str, value: float) -> None:
    """Refuse a duration that is not positive."""
    if not (isinstance(value, int | float) and value > 0):
        raise ConfigurationError(f"{name}={value!r} must be greater than 0 seconds; try 30.0")


def check_nice(nice: int) -> None:
    """Refuse a priority that the system does not know."""
    if not (isinstance(nice, int) and 0 <= nice <= 19):
        raise ConfigurationError(f"nice={nice!r} must be an integer in 0 to 19; try 10")
