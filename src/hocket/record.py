"""The run record: everything that a run left behind.

The trace holds all that was scheduled; beside it stand one row a tick of what the environment and the clock said.
What reads a run (metrics, figures, learners) reads this, never a driver.
"""

from __future__ import annotations

from array import array
from collections.abc import MutableSequence
from typing import Any

from hocket.core.trace import Trace


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
        self.interrupted = False
        """Whether Ctrl-C ended the run early."""
        self.loop_cpu_s = 0.0
        """Processor time of the tick loop's own thread."""
        self.wall_s = 0.0
        """How long the run took on the wall clock."""

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
