"""Limits of failures, and what is called beyond them. Reads no clock.

A run survives failures of inferences, workers and learners within the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError, PolicyError, check_whole

KEPT = 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLimits:
    """Limits of failures in a row, with no success between. Beyond both the run ends, or ``on_failure`` is called.

    At the end of a run without a single success only ``rounds`` is checked. Until they are passed, the default acts,
    and the policy is called again with every inference that the rule starts.

    Args:
        outage_s: the time since the first of them, on the run's clock; ``math.inf``: no failures end the run.
        rounds: the number of failures per worker.
    """

    outage_s: float = 10.0
    rounds: int = 5

    def __post_init__(self) -> None:
        outage_s, rounds = self.outage_s, self.rounds
        if isinstance(outage_s, bool) or not isinstance(outage_s, int | float) or not outage_s >= 0:
            raise ConfigurationError(f"outage_s={outage_s!r} must be a number of at least 0, or math.inf; try 10.0")
        check_whole("rounds", rounds, example=5)


USUAL_LIMITS = FailureLimits()


def check_failure_limits(limits: object) -> None:
    """Raise `ConfigurationError` unless ``limits`` are `FailureLimits`."""
    if not isinstance(limits, FailureLimits):
        raise ConfigurationError(f"failures={limits!r} must be FailureLimits; try hocket.FailureLimits(outage_s=10)")


OnFailure = Callable[[PolicyError], None]
"""Called when failures in a row have passed the limits, with the error that holds the last traceback."""


def check_on_failure(on_failure: object) -> None:
    """Raise `ConfigurationError` unless ``on_failure`` is None or can be called."""
    if on_failure is not None and not callable(on_failure):
        raise ConfigurationError(f"on_failure={on_failure!r} must be a function of one PolicyError; try print")


@dataclass(frozen=True, slots=True)
class OnStale:
    """A call to put a robot into a safe state while the last fresh action is too old.

    At each tick without a fresh action, once the last one is older than ``older_than_s``, ``call(idle_s)`` is called
    before the tick's action is executed, with the seconds since that action's tick (or tick 0 before the first). It
    runs inside the tick: it must be quick. The next fresh action ends it. The action of such a tick is still that of
    the default; see `HoldThenStop`.
    """

    call: Callable[[float], Any]
    older_than_s: float

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise ConfigurationError(f"OnStale({self.call!r}) needs a function of one number of seconds; try print")
        value = self.older_than_s
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigurationError(f"older_than_s={value!r} must be greater than 0 seconds; try 0.5")


def check_on_stale(on_stale: object) -> None:
    """Raise `ConfigurationError` unless ``on_stale`` is None or an `OnStale`."""
    if on_stale is not None and not isinstance(on_stale, OnStale):
        raise ConfigurationError(
            f"on_stale={on_stale!r} must be an OnStale; try hocket.policies.OnStale(stop_the_robot, older_than_s=0.5)"
        )


class FailureLog:
    """Counts failures in a row; a success resets the count.

    Args:
        limits: of failures in a row.
        of: the things that fail, in words.
        on_failure: called in place of raising.

    Attributes:
        in_a_row: failures since the last success.
        tracebacks: of the most recent failures.
        learning_tracebacks: of the most recent failures of sequential learning, which no limit counts.
    """

    def __init__(self, limits: FailureLimits, of: str = "inferences", *, on_failure: OnFailure | None = None) -> None:
        self._limits = limits
        self._of = of
        self._on_failure = on_failure
        self.in_a_row = 0
        self._since_ns = self._now_ns = 0
        self._workers = 1
        self._succeeded = False
        self.tracebacks: list[str] = []
        self.learning_tracebacks: list[str] = []

    def success(self) -> None:
        """Record that one has not failed."""
        self.in_a_row = 0
        self._succeeded = True

    def failure(self, traceback: str, now_ns: int, workers: int) -> None:
        """Record a failure, or a lost worker, at ``now_ns`` on the run's clock; ``workers`` are left."""
        if not self.in_a_row:
            self._since_ns = now_ns
        self.in_a_row += 1
        self._now_ns = now_ns
        self._workers = max(self._workers, workers)
        self.tracebacks.append(traceback)
        del self.tracebacks[:-KEPT]

    def learning_failure(self, traceback: str) -> None:
        """Record a failed step of sequential learning: acting continues, however many there are."""
        self.learning_tracebacks.append(traceback)
        del self.learning_tracebacks[:-KEPT]

    def check(self) -> None:
        """Raise, or call ``on_failure``, if the failures in a row have passed both limits, and reset the count.

        Raises:
            PolicyError: with the last traceback.
        """
        self._tell(self.verdict())

    def check_end(self) -> None:
        """As `check`, at the end of the run.

        Raises:
            PolicyError: if every inference has failed, and more of them than the limit of rounds.
        """
        if not self._succeeded:
            self._tell(self.verdict(outage_s=0.0))

    def _tell(self, verdict: str | None) -> None:
        if verdict is None:
            return
        if self._on_failure is None:
            raise PolicyError(verdict)
        self._on_failure(PolicyError(verdict))

    def verdict(self, *, outage_s: float | None = None) -> str | None:
        """Describe failures in a row that have passed both limits, and reset the count; None if they have not.

        Args:
            outage_s: in place of the limit of that name.
        """
        count, seconds = self.in_a_row, (self._now_ns - self._since_ns) / NS_PER_S
        limit_s = self._limits.outage_s if outage_s is None else outage_s
        if count < self._limits.rounds * self._workers or seconds < limit_s:
            return None
        self.in_a_row = 0
        return (
            f"{count} {self._of} failed in a row within {seconds:.3g} s, and none succeeded between; the last one:\n"
            f"{self.tracebacks[-1]}"
        )


def restart_pause_s(failures: int, workers: int) -> float:
    """Return the time before the next start of one of ``workers`` after ``failures`` in a row without an answer.

    No pause in the first round, so that workers lost together restart together; then the pause doubles each round,
    up to 2 seconds.
    """
    round_number = (failures - 1) // workers
    if round_number < 1:
        return 0.0
    return min(LONGEST_PAUSE_S, math.ldexp(FIRST_PAUSE_S, min(round_number - 1, 16)))
