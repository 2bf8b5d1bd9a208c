"""Shared memory between the tick loop and worker processes: one slot a worker.

A slot is written by one side at a time; its semaphore says whose turn it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.ipc.shared_memory import TRACEBACK_BYTES, SharedArrays, read_text, write_text

STOP = -2
READY = -3
BROKEN = -4
NONE = -1


def stage(inference: int, *, last: bool) -> int:
    """The whole or the head of ``inference`` if ``last``, else its trunk. ``divmod(number, 2)`` undoes it."""
    return 2 * inference + last


class Mailbox:
    """``slots`` slots, each with an observation, an answer, a traceback, and what to do or what was done.

    What is to be run or has been run is an inference and a `stage` of it, in one number.

    Attributes:
        request: by slot, the stage to run, or STOP.
        reply: by slot, the last stage done, or READY or BROKEN after start-up, or NONE.
        time_ns: by slot, when the reply was written.
        pending: by slot, the pending actions, none if the policy does not take them.
        newest: by slot, the newest observation for a head, none if it does not ask for it.
        length: by slot, how many actions the answer holds, or -1 if the inference raised.
        version: by slot, that of the weights that answered.
    """

    def __init__(
        self,
        slots: int,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype[Any],
        answer_shape: tuple[int, ...],
        answer_dtype: np.dtype[Any],
        pending: int,
        newest: bool,
    ) -> None:
        number, byte = np.dtype(np.int64), np.dtype(np.uint8)
        self._attach(
            SharedArrays(
                {
                    **{name: ((slots,), number) for name in ("request", "reply", "time_ns", "length", "version")},
                    "observations": ((slots, *observation_shape), observation_dtype),
                    "pending": ((slots, pending), number),
                    "newest": ((slots if newest else 0, *observation_shape), observation_dtype),
                    "answers": ((slots, *answer_shape), answer_dtype),
                    "errors": ((slots, TRACEBACK_BYTES), byte),
                }
            )
        )

    def _attach(self, arrays: SharedArrays) -> None:
        self._arrays = arrays
        self.request, self.reply = arrays["request"], arrays["reply"]
        self.time_ns, self.length, self.version = arrays["time_ns"], arrays["length"], arrays["version"]
        self.observations, self.answers = arrays["observations"], arrays["answers"]
        self.pending, self.newest = arrays["pending"], arrays["newest"]
        self._errors = arrays["errors"]

    def write_error(self, slot: int, text: str) -> None:
        """Keep the end of a traceback, or, with READY, what the system denied the worker."""
        write_text(self._errors[slot], text)

    def read_error(self, slot: int) -> str:
        """The text that was last written to ``slot``."""
        return read_text(self._errors[slot])

    def close(self) -> None:
        """Let go of the file; the memory goes with the last process that maps it."""
        self._arrays.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (self._arrays,)


def _attached(arrays: SharedArrays) -> Mailbox:
    mailbox = Mailbox.__new__(Mailbox)
    mailbox._attach(arrays)
    return mailbox
