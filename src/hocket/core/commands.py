"""Commands: the only output of the scheduler."""

from __future__ import annotations

from enum import IntEnum

from hocket.core.values import value


class Outcome(IntEnum):
    """The one way in which an inference ended."""

    EXECUTED = 0
    """At least one of its actions was executed."""
    SUPERSEDED = 1
    """It was ready, and a newer one ran instead."""
    DROPPED = 2
    """It was late: something newer had run when it finished, or the ticks that it was for had passed."""
    DUPLICATE = 3
    """Another answer to the same observation came first."""
    DISCARDED = 4
    """Its episode or the run ended."""
    FAILED = 5
    """It raised, hung, or its worker was lost."""
    CANCELLED = 6
    """It was told to stop, because its answer could not be executed any more."""


@value
class StartInference:
    """Hand ``observation`` to ``worker``. ``target`` is the tick it aims at, or -1."""

    inference: int
    worker: int
    observation: int
    target: int


@value
class BindHead:
    """Run the head of two-stage ``inference`` on ``worker`` now, for tick ``tick`` and no other."""

    inference: int
    worker: int
    tick: int


@value
class Cancel:
    """Stop ``inference``, which has its outcome, if that is possible; one that cannot be stopped runs to its end.

    Either way the worker reports: ``InferenceCancelled`` if it stopped, else as without this command.
    """

    inference: int
    worker: int


@value
class Execute:
    """Tick ``tick`` executes action ``step`` of ``inference``, ``delay_ticks`` after its observation."""

    tick: int
    inference: int
    step: int
    delay_ticks: int


@value
class ExecuteDefault:
    """Tick ``tick`` has no fresh action: the default behaviour β fills it."""

    tick: int


@value
class EndInference:
    """``inference`` has ended; its inputs and answers can be freed."""

    inference: int
    outcome: Outcome


@value
class StartLearning:
    """Learn now, and report when it has ended; acting waits for it (sequential interaction only)."""


@value
class WakeAt:
    """Send ``TimerDue`` at ``time_ns``. Replaces the ``WakeAt`` before."""

    time_ns: int


@value
class AddWorker:
    """Bring up one more worker."""


@value
class RetireWorker:
    """Let ``worker``, which is idle, go; it will not be used again."""

    worker: int


Command = (
    StartInference
    | BindHead
    | Cancel
    | Execute
    | ExecuteDefault
    | EndInference
    | StartLearning
    | WakeAt
    | AddWorker
    | RetireWorker
)
"""Anything that the scheduler asks for."""
