"""Shared memory between the tick loop and worker processes: one slot a worker.

Only one side writes a slot at a time; its semaphore says which.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.ipc.shared_memory import TRACEBACK_BYTES, SharedArrays, read_text, write_text
from hocket.policies.base import PolicyFactory
from hocket.spaces.codec import PendingActions

STOP = -2
READY = -3
BROKEN = -4
NONE = -1
FAILED, STOPPED = -1, -2
NUMBERS = ("request", "reply", "time_ns", "length", "version", "cancelled")


def stage(inference: int, *, last: bool) -> int:
    """Encode the whole or the head of ``inference`` if ``last``, else its trunk; ``divmod(number, 2)`` decodes it."""
    return 2 * inference + last


class Mailbox:
    """``slots`` slots, each with an observation, an answer, a traceback, a request and a reply.

    A request or a reply is one number: an inference and a `stage` of it.

    Attributes:
        request: by slot, the stage to run, or STOP.
        reply: by slot, the last stage done, or READY or BROKEN after start-up, or NONE.
        time_ns: by slot, the time of the reply.
        pending: by slot, the pending actions; empty if the policy does not take them.
        newest: by slot, the newest observation for a head; no slots if the policy does not take it.
        delay: by slot, the delay in ticks, expected or of a head.
        length: by slot, the number of actions in the answer, FAILED if the inference raised, or STOPPED.
        cancelled: by slot, the last inference that its worker was told to stop, or NONE.
        version: by slot, the version of the weights that computed the answer.
    """

    def __init__(
        self,
        slots: int,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype[Any],
        answer_shape: tuple[int, ...],
        answer_dtype: np.dtype[Any],
        unknown_actions: PendingActions,
        newest: bool,
    ) -> None:
        number, byte = np.dtype(np.int64), np.dtype(np.uint8)
        self._attach(
            SharedArrays(
                {
                    **{name: ((slots,), number) for name in NUMBERS},
                    "observations": ((slots, *observation_shape), observation_dtype),
                    "pending": ((slots, *unknown_actions.shape), unknown_actions.dtype),
                    "delay": ((slots, 1), number),
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
        self.cancelled = arrays["cancelled"]
        self.observations, self.answers = arrays["observations"], arrays["answers"]
        self.pending, self.newest, self.delay = arrays["pending"], arrays["newest"], arrays["delay"]
        self._errors = arrays["errors"]

    def late_inputs(self, slot: int, policy: PolicyFactory) -> tuple[NDArray[Any], ...]:
        """Return what ``policy`` takes beside an observation: pending actions, the newest observation, the delay."""
        if policy.corrects:
            return ()
        pending = (self.pending[slot],) if policy.pending else ()
        newest = (self.newest[slot],) if policy.newest else ()
        return (*pending, *newest, *((self.delay[slot],) if policy.delay_told else ()))

    def write_error(self, slot: int, text: str) -> None:
        """Write the end of a traceback, or, with READY, the request that the system denied the worker."""
        write_text(self._errors[slot], text)

    def read_error(self, slot: int) -> str:
        """Return the text that was last written to ``slot``."""
        return read_text(self._errors[slot])

    def close(self) -> None:
        """Close the file descriptor; the kernel frees the memory with the last process that maps it."""
        self._arrays.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (self._arrays,)


def _attached(arrays: SharedArrays) -> Mailbox:
    mailbox = Mailbox.__new__(Mailbox)
    mailbox._attach(arrays)
    return mailbox
