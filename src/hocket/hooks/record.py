"""The run record: all data of a run.

The trace holds the schedule; the columns hold what the environment and the clock yielded, one row a tick. Code that
evaluates a run (metrics, figures, learners) reads this, never a driver.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass
from signal import Signals
from typing import Any, Protocol

from hocket.core.trace import Trace
from hocket.spaces.codec import PendingActions


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One tick, as learners and instruments get it after its environment step."""

    tick: int
    deadline_ns: int = 0
    """On the run's own clock: monotonic, or virtual from 0 on."""
    lateness_ns: int = 0
    """Time of the call of ``env.step`` − the deadline."""
    inference: int = -1
    """The inference whose action was executed; -1 where the default acted."""
    step: int = 0
    """The step of that inference's chunk that was executed; 0 where the default acted."""
    decided_on: int
    """The tick of the observation that the executed action was computed from; -1 where the default acted."""
    version: int = -1
    """The version of the weights that chose the executed action; -1 where the default acted."""
    action: Any
    pending_actions: PendingActions
    """The pending actions given to the inference of the executed action; empty where the default acted or if unused."""
    reward: float
    terminated: bool
    truncated: bool
    observation: Any
    """The newest observation, a copy of this moment's own: after an episode's end, the next episode's first."""
    final_observation: Any
    """The last observation of the episode that ended in this tick, else None."""
    final_pending_actions: PendingActions
    """The pending actions that the next decision would have had; empty if no episode ended or the policy takes none."""
    newest: int = -1
    """The tick of the newest observation that the executed action was computed from, by a head that is given one; else
    -1. Where it is not -1 and ``decided_on`` is, the head acted alone, before any inference of its episode."""
    final_decided_on: int | None = None
    """Where an episode ended: the tick of the observation that the next action would have been computed from; None for
    the final one, -1 where a head would have acted alone (``final_newest`` is this tick then), or cannot be known."""
    final_newest: int = -1
    """Likewise ``newest`` of the next action."""


class Listener(Protocol):
    """Called for every tick as it happens, inside the tick loop: it must be quick."""

    def began(self, observation: Any) -> None:
        """Called with ``observation`` of tick 0."""

    def ticked(self, moment: Moment) -> None:
        """Called after each tick."""


class Background(Protocol):
    """Runs beside the tick loop of a virtual run and changes the policy between its inferences, such as learners."""

    def advance(self, now_ns: int) -> None:
        """Process all events up to ``now_ns``; called when an inference starts or a tick is about to be shown."""

    def learn(self, now_ns: int, ended_ns: int) -> None:
        """Learn from ``now_ns`` to ``ended_ns``, as the rule commands (sequential interaction only)."""


class RunRecord:
    """Columns by tick, from tick 1 on, and the trace.

    Attributes:
        ticks: the index of each executed tick (missed ones have no row).
        rewards, terminated, truncated: what ``env.step`` returned.
        lateness_ns: time of the call of ``env.step`` − the deadline.
        step_ns: duration of ``env.step``.
        actions: the executed actions.
        ages_ns: the age of the observation when the environment gave it, of its oldest part, by tick where it said so.
        final_observations: the last observation of each episode, by the tick that ended it.
        errors: the tracebacks of the most recent failed inferences, and of heads in the tick loop that failed.
        learning_errors: those of the most recent failed steps of sequential learning, after which acting continues.
        uncorrected: the number of ticks whose head failed, which executed the action of a chunk as it was planned.
        notes: requests that the system denied the run, and how to grant them.
        clipped: the number of ticks whose action was outside the action space and clipped to it.
        jump_bound: the largest acceptable jump at a seam of two chunks, in the actions' own units; None without one.
        counts: the totals of what ``env.metadata["counts"]`` lists, such as battles won, over all episodes.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.ticks = array("q")
        self.rewards = array("d")
        self.terminated = array("b")
        self.truncated = array("b")
        self.lateness_ns = array("q")
        self.step_ns = array("q")
        self.actions: list[Any] = []
        self.ages_ns: dict[int, int] = {}
        self.final_observations: dict[int, Any] = {}
        self.errors: list[str] = []
        self.learning_errors: list[str] = []
        self.uncorrected = 0
        self.notes: list[str] = []
        self.clipped = 0
        self.jump_bound: float | None = None
        self.counts: dict[str, int] = {}
        self.signal: Signals | None = None
        """The signal that ended the run early, such as that of Ctrl-C; None if none did."""
        self.failed = False
        """True if an error ended the run."""
        self.loop_cpu_s = 0.0
        """Processor time of the tick loop's own thread."""
        self.priority = 0
        """The real-time priority that the tick loop had; 0 for an ordinary thread's."""
        self.wall_s = 0.0
        """Duration of the run on the wall clock."""

    @property
    def interrupted(self) -> bool:
        """True if a signal ended the run early."""
        return self.signal is not None

    def trim(self) -> None:
        """Cut every column to the last complete tick: an interrupt may come in the middle of one."""
        columns: tuple[MutableSequence[Any], ...] = (
            self.ticks,
            self.rewards,
            self.terminated,
            self.truncated,
            self.lateness_ns,
            self.step_ns,
            self.actions,
        )
        whole = min(len(column) for column in columns)
        for column in columns:
            del column[whole:]


@dataclass(slots=True)
class Attached:
    """The record that `on_error_attach` attaches: None before the run has started."""

    record: RunRecord | None = None


@contextmanager
def on_error_attach() -> Iterator[Attached]:
    """Attach the record of a run played inside to an error that ends it; `attached_record` reads it."""
    attached = Attached()
    try:
        yield attached
    except BaseException as error:
        record = attached.record
        if record is None:
            raise
        record.trim()
        record.failed = not isinstance(error, KeyboardInterrupt)
        vars(error)["_hocket_record"] = record
        raise


def attached_record(error: BaseException) -> RunRecord | None:
    """Return the record of the run that ``error`` ended, or None if no run had started."""
    record: RunRecord | None = vars(error).get("_hocket_record")
    return record
