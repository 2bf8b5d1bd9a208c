"""The board in shared memory through which the tick loop and learner processes exchange their state.

The tick loop stores its tick there and does nothing else; learners look, sleep, claim updates and write down how they
went. The loop waits for none of them. This module knows no weights: callers pass the number of updates.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.ipc.shared_memory import TRACEBACK_BYTES, SharedArrays, read_text, write_text
from hocket.learn.learners.pace import Pace

HISTORY = 100_000
"""Updates that the board remembers."""

STARTING, READY, BROKEN, DIVERGED = range(4)

UPDATE = np.dtype(
    [
        ("loss", np.float64),
        ("staleness", np.int64),
        ("seconds", np.float64),
        ("tick", np.int64),
        ("time_ns", np.int64),
        ("learner", np.int64),
    ]
)
"""The record of an update: ``staleness`` in versions, ``seconds`` that it took from its sample to its landing,
``tick`` and ``time_ns`` (monotonic) at which it landed, and the ``learner`` by number."""


class HasVersion(Protocol):
    """A counter of updates, such as `hocket.learn.weights.shared_weights.SharedWeights`."""

    @property
    def version(self) -> int: ...


class LearnerBoard:
    """Shared by one tick loop and ``learners`` learners; as a process's argument it attaches there.

    Attributes:
        states: by learner, STARTING, READY, BROKEN or DIVERGED.
    """

    def __init__(self, learners: int) -> None:
        number = np.dtype(np.int64)
        self._attach(
            SharedArrays(
                {
                    "tick": ((1,), number),
                    "interval": ((1,), number),
                    "stop": ((1,), number),
                    "most_stale": ((1,), number),
                    "busy": ((learners,), number),
                    "states": ((learners,), number),
                    "errors": ((learners, TRACEBACK_BYTES), np.dtype(np.uint8)),
                    "history": ((HISTORY,), UPDATE),
                }
            )
        )

    def _attach(self, arrays: SharedArrays) -> None:
        self._arrays = arrays
        self._tick, self._stop, self._busy = arrays["tick"], arrays["stop"], arrays["busy"]
        self._most_stale, self._errors, self._history = arrays["most_stale"], arrays["errors"], arrays["history"]
        self.states = arrays["states"]
        self._interval = arrays["interval"]

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (self._arrays,)

    @property
    def tick(self) -> int:
        """The tick loop's."""
        return int(self._tick[0])

    @tick.setter
    def tick(self, tick: int) -> None:
        self._tick[0] = tick

    @property
    def interval_ticks(self) -> int:
        """The ticks between the agent's last two decisions; 1 before there are two."""
        return max(1, int(self._interval[0]))

    @interval_ticks.setter
    def interval_ticks(self, ticks: int) -> None:
        self._interval[0] = ticks

    @property
    def stopped(self) -> bool:
        """True if learning is to end."""
        return bool(self._stop[0])

    def stop(self) -> None:
        """Let no update land from now on."""
        self._stop[0] = 1

    def claim(self, learner: int, pace: Pace, weights: HasVersion) -> bool:
        """Take on an update, if one is due that no other learner is at.

        Finished updates are counted by version and those under way by marks, so another learner makes the update of one
        that dies.
        """
        due = pace.due(self.tick)
        if due is not None and weights.version >= due:
            return False
        with self._arrays.locked():
            if due is not None and weights.version + int(np.count_nonzero(self._busy)) >= due:
                return False
            self._busy[learner] = monotonic_ns()
            return True

    def release(self, learner: int) -> None:
        """Take the mark back: the update has landed, or never will."""
        with self._arrays.locked():
            self._busy[learner] = 0

    def busy_since_ns(self, learner: int) -> int:
        """The time at which ``learner`` took on its present update; 0 if it has none."""
        return int(self._busy[learner])

    def note(self, update: int, values: tuple[float, int, float, int, int, int]) -> None:
        """Keep `UPDATE`'s values of an update that is about to land; if it does not, the next one overwrites them."""
        self._history[update % HISTORY] = values
        self._most_stale[0] = max(int(self._most_stale[0]), values[1])

    @property
    def most_stale(self) -> int:
        """The largest staleness of all."""
        return int(self._most_stale[0])

    def history(self, begin: int, end: int) -> NDArray[Any]:
        """Updates from ``begin`` to the newest, ``end − 1``, `UPDATE` each, as far as they are remembered."""
        begin = max(begin, end - HISTORY + 1)  # one slot is being written
        return self._history.take(np.arange(begin, max(begin, end)) % HISTORY)

    def write_error(self, learner: int, text: str) -> None:
        """Keep the end of a traceback, which says most."""
        write_text(self._errors[learner], text)

    def read_error(self, learner: int) -> str:
        """The last text written for ``learner``."""
        return read_text(self._errors[learner])

    def close(self) -> None:
        """Let go of the descriptor."""
        self._arrays.close()


def _attached(arrays: SharedArrays) -> LearnerBoard:
    board = LearnerBoard.__new__(LearnerBoard)
    board._attach(arrays)
    return board
