"""The state machines of the scheduler, as tables: ticks, inferences, workers.

The scheduler checks its transitions against these tables: events that the tables of ticks and workers do not have are
refused, and a transition that the table of inferences does not have is an assertion error. The pictures in
docs/state-machine.md are drawn from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto

from hocket.core import commands as c
from hocket.core import events as e


class TickPhase(IntEnum):
    """Where a run is between two ticks."""

    STARTING = auto()
    """No observation exists."""
    OBSERVED = auto()
    """The newest observation exists; the next thing to happen to a tick is its deadline."""
    ACTED = auto()
    """The tick's action is chosen; the environment steps. Nothing is started."""
    ENDED = auto()


TICKS: Mapping[TickPhase, Mapping[type, TickPhase]] = {
    TickPhase.STARTING: {e.Ticked: TickPhase.OBSERVED, e.RunEnded: TickPhase.ENDED},
    TickPhase.OBSERVED: {e.DeadlineReached: TickPhase.ACTED, e.RunEnded: TickPhase.ENDED},
    TickPhase.ACTED: {e.Ticked: TickPhase.OBSERVED, e.RunEnded: TickPhase.ENDED},
    TickPhase.ENDED: {},
}
"""Phase → event → next phase. Other events leave the phase as it is."""


class InferenceState(IntEnum):
    """Where an inference is between its start and its end."""

    RUNNING = auto()
    """Its worker computes it: all of it, or the trunk of two stages."""
    WAITING = auto()
    """Of two stages: the trunk has finished; its worker holds the features until the head's moment."""
    BOUND = auto()
    """Of two stages: the head runs, for one tick."""
    HELD = auto()
    """It has answered; its rule has not released the answer yet."""
    DUE = auto()
    """Its answer may be executed."""
    PLAYING = auto()
    """Its actions are being executed, one a tick."""
    ABANDONED = auto()
    """It has its outcome, and its worker still computes it."""
    OVER = auto()
    """It has its outcome, and no worker computes it."""


INFERENCES: Mapping[InferenceState, Mapping[InferenceState, str]] = {
    InferenceState.RUNNING: {
        InferenceState.HELD: "InferenceFinished",
        InferenceState.WAITING: "TrunkFinished",
        InferenceState.ABANDONED: "Cancel: CANCELLED; episode or run ended: DISCARDED",
        InferenceState.OVER: "finished too late: DUPLICATE, DROPPED; FAILED",
    },
    InferenceState.WAITING: {
        InferenceState.BOUND: "BindHead",
        InferenceState.OVER: "DROPPED, DISCARDED, FAILED",
    },
    InferenceState.BOUND: {
        InferenceState.HELD: "InferenceFinished",
        InferenceState.ABANDONED: "episode or run ended: DISCARDED",
        InferenceState.OVER: "missed its tick: DROPPED; FAILED",
    },
    InferenceState.HELD: {
        InferenceState.DUE: "its release tick has come, or nothing else has an action",
        InferenceState.OVER: "SUPERSEDED, DISCARDED",
    },
    InferenceState.DUE: {
        InferenceState.PLAYING: "Execute",
        InferenceState.OVER: "SUPERSEDED, DISCARDED; its ticks have passed: DROPPED",
    },
    InferenceState.PLAYING: {InferenceState.OVER: "last action, or a newer answer: EXECUTED"},
    InferenceState.ABANDONED: {InferenceState.OVER: "its worker is done with it, or lost"},
    InferenceState.OVER: {},
}
"""State → next state → what takes it there, with the outcomes that it then has."""


class WorkerState(IntEnum):
    """The states of a worker."""

    ABSENT = auto()
    """It has not joined, or has left for good."""
    IDLE = auto()
    BUSY = auto()
    """It runs an inference, or holds the features of one."""


WORKERS: Mapping[WorkerState, Mapping[type, WorkerState]] = {
    WorkerState.ABSENT: {e.WorkerJoined: WorkerState.IDLE},
    WorkerState.IDLE: {
        c.StartInference: WorkerState.BUSY,
        c.RetireWorker: WorkerState.ABSENT,
        e.WorkerLost: WorkerState.ABSENT,
    },
    WorkerState.BUSY: {
        e.InferenceFinished: WorkerState.IDLE,
        e.InferenceFailed: WorkerState.IDLE,
        e.InferenceCancelled: WorkerState.IDLE,
        c.EndInference: WorkerState.IDLE,
        e.WorkerLost: WorkerState.ABSENT,
    },
}
"""State → event or command → next state. ``EndInference`` frees a worker that only held features."""
