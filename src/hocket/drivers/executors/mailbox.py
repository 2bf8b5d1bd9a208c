"""Shared memory between the tick loop and worker processes: one slot a worker.

Only one side writes a slot at a time; its semaphore says which.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.ipc.shared_memory import TRACEBACK_BYTES, SharedArrays, read_text, write_text
from hocket.policies.base import PolicyFactory
from hocket.spaces.codec import ActionCodec
from hocket.spaces.observations import ObservationForm, leaves, room_of

STOP = -2
READY = -3
BROKEN = -4
NONE = -1
FAILED, STOPPED = -1, -2
OBSERVATION, NEWEST = "observation", "newest"
NUMBERS = ("request", "reply", "time_ns", "length", "version", "cancelled")


def stage(inference: int, *, last: bool) -> int:
    """Encode the whole or the head of ``inference`` if ``last``, else its trunk; ``divmod(number, 2)`` decodes it."""
    return 2 * inference + last


class Mailbox:
    """``slots`` slots, each with an observation, an answer, a traceback, a request and a reply.

    Each leaf of an observation has an array of its own; those of a slot form the structure of the observation.

    A request or a reply is one number: an inference and a `stage` of it.

    Args:
        slots: their number.
        observation: the form of the observations.
        codec: of the action space.
        policy: its answers and inputs.

    Attributes:
        form: of the observations.
        request: by slot, the stage to run, or STOP.
        reply: by slot, the last stage done, or READY or BROKEN after start-up, or NONE.
        time_ns: by slot, the time of the reply.
        observations: by slot, the room for the observation.
        pending: by slot, the pending actions; empty if the policy does not take them.
        newest: by slot, the room for the newest observation for a head; no slots if the policy does not take it.
        delay: by slot, the delay in ticks, expected or of a head.
        length: by slot, the number of actions in the answer, FAILED if the inference raised, or STOPPED.
        cancelled: by slot, the last inference that its worker was told to stop, or NONE.
        version: by slot, the version of the weights that computed the answer.
    """

    def __init__(self, slots: int, observation: ObservationForm, codec: ActionCodec, policy: PolicyFactory) -> None:
        number, byte = np.dtype(np.int64), np.dtype(np.uint8)
        unknown_actions = codec.unknown_actions(policy.pending)
        newest = policy.newest and not policy.corrects  # else its head runs in the tick loop
        kinds = (OBSERVATION, NEWEST) if newest else (OBSERVATION,)
        parts = {
            **{name: ((slots,), number) for name in NUMBERS},
            **{
                f"{kind}{leaf.path}": ((slots, *leaf.shape), leaf.dtype)
                for kind in kinds
                for leaf in leaves(observation)
            },
            "pending": ((slots, *unknown_actions.shape), unknown_actions.dtype),
            "delay": ((slots, 1), number),
            "answers": ((slots, *codec.shape), codec.dtype),
            "errors": ((slots, TRACEBACK_BYTES), byte),
        }
        self._attach(SharedArrays(parts), observation, newest=newest)

    def _attach(self, arrays: SharedArrays, form: ObservationForm, *, newest: bool) -> None:
        self._arrays, self.form = arrays, form
        self.request, self.reply = arrays["request"], arrays["reply"]
        self.time_ns, self.length, self.version = arrays["time_ns"], arrays["length"], arrays["version"]
        self.cancelled = arrays["cancelled"]
        self.pending, self.delay, self.answers = arrays["pending"], arrays["delay"], arrays["answers"]
        self._errors = arrays["errors"]
        self.observations = self._by_slot(OBSERVATION)
        self.newest = self._by_slot(NEWEST) if newest else []

    def _by_slot(self, kind: str) -> list[Any]:
        """The room for an observation in each slot."""

        def room(slot: int) -> Any:
            # With ``...`` one element is an array of its own, not a copy.
            return room_of(self.form, lambda leaf: self._arrays[f"{kind}{leaf.path}"][slot, ...])

        return [room(slot) for slot in range(len(self.request))]

    def late_inputs(self, slot: int, policy: PolicyFactory) -> tuple[Any, ...]:
        """Return the room for what ``policy`` takes beside an observation: pending actions, the newest one, delay."""
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
        return _attached, (self._arrays, self.form, bool(self.newest))


def _attached(arrays: SharedArrays, form: ObservationForm, newest: bool) -> Mailbox:
    mailbox = Mailbox.__new__(Mailbox)
    mailbox._attach(arrays, form, newest=newest)
    return mailbox
