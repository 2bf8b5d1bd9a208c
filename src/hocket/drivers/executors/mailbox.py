"""Shared memory between the tick loop and worker processes: one slot a worker, and nothing with a name.

The memory is an anonymous file, handed to the workers by descriptor: however a run ends, the kernel frees it and
nothing stays in /dev/shm. A slot is written by one side at a time; its semaphore says whose turn it is.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import Any

import numpy as np
from numpy.typing import NDArray

ERROR_BYTES = 8192
STOP = -2
READY = -3
BROKEN = -4
NONE = -1


def _aligned(size: int) -> int:
    return -(-size // 64) * 64


def _anonymous_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hocket")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


class Mailbox:
    """``slots`` slots, each with an observation, an answer, a traceback, and what to do or what was done.

    Attributes:
        request: by slot, the inference to run, or STOP.
        reply: by slot, the last inference done, or READY or BROKEN after start-up, or NONE.
        time_ns: by slot, when the reply was written.
        length: by slot, how many actions the answer holds, or -1 if the inference raised.
    """

    def __init__(
        self,
        slots: int,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype[Any],
        answer_shape: tuple[int, ...],
        answer_dtype: np.dtype[Any],
    ) -> None:
        self._layout = (slots, observation_shape, observation_dtype, answer_shape, answer_dtype)
        self._fd = _anonymous_file(self._map_size())
        self._map()

    def _parts(self) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        slots, observation_shape, observation_dtype, answer_shape, answer_dtype = self._layout
        number = np.dtype(np.int64)
        return [
            *(((slots,), number) for _ in range(4)),
            ((slots, *observation_shape), observation_dtype),
            ((slots, *answer_shape), answer_dtype),
            ((slots, ERROR_BYTES), np.dtype(np.uint8)),
        ]

    def _map_size(self) -> int:
        return sum(_aligned(int(np.prod(shape)) * dtype.itemsize) for shape, dtype in self._parts())

    def _map(self) -> None:
        memory = mmap.mmap(self._fd, self._map_size())
        offset = 0
        arrays: list[NDArray[Any]] = []
        for shape, dtype in self._parts():
            arrays.append(np.ndarray(shape, dtype, memory, offset))
            offset += _aligned(int(np.prod(shape)) * dtype.itemsize)
        self.request, self.reply, self.time_ns, self.length, self.observations, self.answers, self._errors = arrays

    def write_error(self, slot: int, text: str) -> None:
        """Keep the end of a traceback, which says most."""
        data = text.encode(errors="replace")[-ERROR_BYTES:]
        self._errors[slot, : len(data)] = np.frombuffer(data, np.uint8)
        self._errors[slot, len(data) :] = 0

    def read_error(self, slot: int) -> str:
        """The traceback that was last written to ``slot``."""
        text: bytes = self._errors[slot].tobytes()
        return text.rstrip(b"\0").decode(errors="replace")

    def close(self) -> None:
        """Let go of the file; the memory goes with the last process that maps it."""
        os.close(self._fd)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._layout, reduction.DupFd(self._fd))


def _attach(layout: tuple[Any, ...], descriptor: Any) -> Mailbox:
    mailbox = Mailbox.__new__(Mailbox)
    mailbox._layout = layout
    mailbox._fd = descriptor.detach()
    mailbox._map()
    return mailbox
