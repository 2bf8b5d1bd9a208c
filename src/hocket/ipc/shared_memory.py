"""Memory that processes share and that needs no clean-up: an anonymous file, passed by descriptor.

However a run ends, the kernel frees the memory with the last process that maps it; nothing is left in /dev/shm. This
module defines the layout, order, exclusion and transfer of arrays; their meaning is defined by their users.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import context, reduction
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError

CACHE_LINE = 64

Part = tuple[tuple[int, ...], np.dtype[Any]]


def anonymous_file(size: int) -> int:
    """Return the descriptor of an unnamed file of ``size`` zero bytes."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hocket")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def fence() -> None:
    """Order this thread's memory accesses: other threads see earlier stores before later ones; likewise for loads.

    A lock local to the call is taken twice: no access moves up past the acquire or down past the release.
    """
    lock = threading.Lock()
    for _ in range(2):
        lock.acquire()
        lock.release()


class SharedArrays:
    """Named arrays in one anonymous file, initially zero; a pickled copy in a child process shares the same memory.

    Args:
        parts: name → (shape, dtype). Each array starts on a cache line of its own.

    Raises:
        ConfigurationError: if the system has no room for them.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = {name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in parts.items()}
        self._fd = -1
        try:
            self._fd = anonymous_file(self.nbytes)
            self._map()
        except OSError as error:
            self.close()
            raise ConfigurationError(
                f"the system refuses {self.nbytes / 2**20:.3g} MiB of shared memory ({error.strerror or error}): too "
                "little memory, or too many open files (ulimit -n); try a smaller replay or fewer workers"
            ) from error

    @property
    def nbytes(self) -> int:
        """Number of mapped bytes."""
        return sum(_room(part) for part in self._parts.values())

    def _map(self) -> None:
        memory = mmap.mmap(self._fd, self.nbytes)
        self._arrays: dict[str, NDArray[Any]] = {}
        offset = 0
        for name, (shape, dtype) in self._parts.items():
            self._arrays[name] = np.ndarray(shape, dtype, memory, offset)
            offset += _room((shape, dtype))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def stretch(self, at: Mapping[str, Any]) -> SharedArrays:
        """Parts of these arrays, each by its index or slice, in the same memory; not to be sent to other processes."""
        part = SharedArrays.__new__(SharedArrays)
        part._fd, part._arrays = -1, {name: self._arrays[name][index] for name, index in at.items()}
        part._parts = {name: (array.shape, array.dtype) for name, array in part._arrays.items()}
        return part

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the arrays' lock against other processes (not against other threads of this process).

        It is a record lock of the kernel: a process that dies while holding it releases it. Two attached copies in one
        process do not exclude each other, so a process keeps one.
        """
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1)

    def close(self) -> None:
        """Close the file descriptor; the kernel frees the memory with the last process that maps it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._parts, reduction.DupFd(self._fd))


TRACEBACK_BYTES = 8192
"""Space for the end of a traceback, the most informative part."""


def write_text(room: NDArray[np.uint8], text: str) -> None:
    """Write as much of the end of ``text`` as fits."""
    data = text.encode(errors="replace")[-len(room) :]
    room[: len(data)] = np.frombuffer(data, np.uint8)
    room[len(data) :] = 0


def read_text(room: NDArray[np.uint8]) -> str:
    """Read the text that `write_text` wrote."""
    text: bytes = room.tobytes()
    return text.rstrip(b"\0").decode(errors="replace")


class Parcel:
    """Content that cloudpickle can send, with shared arrays anywhere in it, for any number of child processes.

    The content is pickled anew for each child, because descriptors are handed to each child while it starts.
    Therefore a parcel is an argument of the process.

    Args:
        content: also pickled at once, so that content that cannot be sent raises cloudpickle's error here.
    """

    def __init__(self, content: Any) -> None:
        self._content = content
        self._packed = b""
        context.set_spawning_popen(_NoChild())  # type: ignore[arg-type]
        try:
            cloudpickle.dumps(content)
        finally:
            context.set_spawning_popen(None)

    def open(self) -> Any:
        """In the child: return the content. Raises any error of its unpickling."""
        return cloudpickle.loads(self._packed)

    def __reduce__(self) -> tuple[Any, ...]:
        return _parcel, (cloudpickle.dumps(self._content),)


class _NoChild:
    """Stands in for a starting child process that receives descriptors."""

    DupFd = int

    def duplicate_for_child(self, fd: int) -> int:
        return fd


def _parcel(packed: bytes) -> Parcel:
    parcel = Parcel.__new__(Parcel)
    parcel._packed = packed
    return parcel


def _room(part: Part) -> int:
    shape, dtype = part
    return -(-int(np.prod(shape)) * dtype.itemsize // CACHE_LINE) * CACHE_LINE


def _attach(parts: dict[str, Part], descriptor: Any) -> SharedArrays:
    arrays = SharedArrays.__new__(SharedArrays)
    arrays._parts = parts
    arrays._fd = descriptor.detach()
    arrays._map()
    return arrays
