"""The run record: everything that a run left behind.

The trace holds all that was scheduled; beside it stand one row a tick of what the environment and the clock said.
What reads a run (metrics, figures, learners) reads this, never a driver.
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
    """One tick, as learners and instruments get it once its environment step is done."""

    tick: int
    deadline_ns: int = 0
    """On the run's own clock: monotonic, or virtual from 0 on."""
    lateness_ns: int = 0
    """When ``env.step`` was called − the deadline."""
    inference: int = -1
    """The inference whose action was executed; -1 where the default acted."""
    decided_on: int
    """The observation, by tick, that the executed action was computed from; -1 where the default acted."""
    version: int = -1
    """The version of the weights that chose the executed action; -1 where the default acted."""
    action: Any
    pending_actions: PendingActions
    """As the inference whose action was executed was told; empty where the default acted or policies are not told."""
    reward: float
    terminated: bool
    truncated: bool
    observation: Any
    """The newest, an array of this moment's own: after an episode's end, the next one's first."""
    final_observation: Any
    """The last of the episode that ended in this tick, else None."""
    final_pending_actions: PendingActions
    """As an inference on it would have been told; empty if no episode ended or policies are not told."""


class Listener(Protocol):
    """Is told of every tick as it happens, inside the tick loop: it must be quick."""

    def began(self, observation: Any) -> None:
        """Tick 0 yielded ``observation``."""

    def ticked(self, moment: Moment) -> None:
        """A tick has passed."""


class Background(Protocol):
    """Runs beside the tick loop of a virtual run and changes the policy between its inferences, such as learners."""

    def advance(self, now_ns: int) -> None:
        """Let everything happen that happens by ``now_ns``: an inference starts, or a tick is about to be shown."""

    def learn(self, now_ns: int, ended_ns: int) -> None:
        """The rule lets the agent learn from ``now_ns`` to ``ended_ns`` (sequential interaction only)."""


class RunRecord:
    """Columns by tick, from tick 1 on, and the trace.

    Attributes:
        ticks: the index of each executed tick (missed ones have no row).
        rewards, terminated, truncated: what ``env.step`` returned.
        lateness_ns: when ``env.step`` was called − the deadline.
        step_ns: how long ``env.step`` took.
        actions: what was executed.
        final_observations: the last observation of each episode, by the tick that ended it.
        errors: the tracebacks of failed inferences, the most recent ones.
        notes: what the system denied the run, and how to grant it.
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
        self.final_observations: dict[int, Any] = {}
        self.errors: list[str] = []
        self.notes: list[str] = []
        self.signal: Signals | None = None
        """The one that ended the run early, such as that of Ctrl-C; None if none did."""
        self.failed = False
        """Whether an error ended the run."""
        self.loop_cpu_s = 0.0
        """Processor time of the tick loop's own thread."""
        self.priority = 0
        """The real-time priority that the tick loop had; 0 for an ordinary thread's."""
        self.wall_s = 0.0
        """How long the run took on the wall clock."""

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the run early."""
        return self.signal is not None

    def trim(self) -> None:
        """Cut every column to the last whole tick: an interrupt may come in the middle of one."""
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
    """What `on_error_attach` attaches: the record of a run, None before it has begun."""

    record: RunRecord | None = None


@contextmanager
def on_error_attach() -> Iterator[Attached]:
    """Attach the record of a run that is played inside to an error that ends the run; `attached_record` reads it."""
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
    """The record of the run that ``error`` ended, or None if none had begun."""
    record: RunRecord | None = vars(error).get("_hocket_record")
    return record
