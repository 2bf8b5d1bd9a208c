"""Semaphores in memory that processes share. They have no name, so a killed process leaves none in /dev/shm."""

from __future__ import annotations

import _multiprocessing  # type: ignore[import-not-found]
import ctypes
import os
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.ipc.shared_memory import CACHE_LINE, SharedArrays

COUNTING = 1
"""multiprocessing's semaphore type."""


class SharedSemaphores:
    """Numbered semaphores, initially 0; a pickled copy in a child process attaches to the same ones.

    Each has ``acquire(block, timeout)`` and ``release()``, as those of multiprocessing. They are ``sem_init``'s in
    shared memory where the C library is glibc, and multiprocessing's named ones elsewhere.

    Args:
        count: the number of semaphores.
    """

    def __init__(self, count: int) -> None:
        if not _is_glibc():
            self._arrays = None
            self._semaphores: list[Any] = [get_context("spawn").Semaphore(0) for _ in range(count)]
            return
        self._arrays = SharedArrays({"semaphores": ((count, CACHE_LINE), np.dtype(np.uint8))})
        for memory in self._arrays["semaphores"]:
            _initialise(memory)
        self._attach()

    def _attach(self) -> None:
        assert self._arrays is not None
        self._semaphores = [_at(memory) for memory in self._arrays["semaphores"]]

    def __getitem__(self, number: int) -> Any:
        return self._semaphores[number]

    def reset(self, number: int) -> None:
        """Set a semaphore that no process uses any more to 0."""
        if self._arrays is None:
            self._semaphores[number] = get_context("spawn").Semaphore(0)
        else:
            _initialise(self._arrays["semaphores"][number])

    def close(self) -> None:
        """Close the file descriptor; the kernel frees the memory with the last process that maps it."""
        if self._arrays is not None:
            self._arrays.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (self._arrays, self._semaphores if self._arrays is None else [])


def _attached(arrays: SharedArrays | None, semaphores: list[Any]) -> SharedSemaphores:
    attached = SharedSemaphores.__new__(SharedSemaphores)
    attached._arrays, attached._semaphores = arrays, semaphores
    if arrays is not None:
        attached._attach()
    return attached


def _is_glibc() -> bool:
    """Return True if the C library is glibc, whose ``sem_close`` ignores unnamed semaphores.

    multiprocessing's objects call it when they are deleted; it is not defined elsewhere.
    """
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (ValueError, OSError, AttributeError):
        return False


def _initialise(memory: NDArray[np.uint8]) -> None:
    if ctypes.CDLL(None, use_errno=True).sem_init(ctypes.c_void_p(memory.ctypes.data), 1, 0):
        raise OSError(ctypes.get_errno(), "sem_init failed")


def _at(memory: NDArray[np.uint8]) -> Any:
    kind = _multiprocessing.SemLock
    return kind._rebuild(memory.ctypes.data, COUNTING, kind.SEM_VALUE_MAX, None)
