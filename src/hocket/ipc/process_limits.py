"""Limits on the number of processes of this machine and this user."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hocket.errors import ConfigurationError

PROCESS_BYTES = 7 * 2**20
"""Memory of a worker with only Python and numpy, beyond the memory shared with the fork server."""
DESCRIPTORS, OTHER_DESCRIPTORS = 2, 64
"""File descriptors of the parent for each child, and for everything else."""
THREADS = 2
"""Threads of each child. Limits of processes count threads."""


def check_room(processes: int) -> None:
    """Raise an error if this number of child processes cannot be started; call it before the first one is started.

    Raises:
        ConfigurationError: with the limit and the number of processes that fit.
    """
    for fitting, limit in _limits():
        if processes > fitting:
            raise ConfigurationError(
                f"{processes} worker processes cannot be started here: {limit}, which is enough for {max(0, fitting)}; "
                f"try workers={max(1, min(fitting, os.cpu_count() or 1))}, or let workers be threads "
                '(executor="threads")'
            )


def _limits() -> Iterator[tuple[int, str]]:
    """Yield the number of processes that fit into each limit, and the limit in words."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors != resource.RLIM_INFINITY:
        fitting = (descriptors - OTHER_DESCRIPTORS) // DESCRIPTORS
        yield fitting, f"the limit of open files is {descriptors} (ulimit -n)"
    threads = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if threads != resource.RLIM_INFINITY and os.geteuid() != 0:
        yield threads // THREADS, f"the user's limit of processes and threads is {threads} (ulimit -u)"
    for file in ("/sys/fs/cgroup/pids.max", "/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"):
        if (most := _number(file)) is not None:
            yield most // THREADS, f"the system's limit of processes and threads is {most} ({file})"
    available = _available_bytes()
    if available is not None:
        limit = f"{available / 2**30:.1f} GiB of memory are free, and each needs at least 7 MiB"
        yield available // PROCESS_BYTES, limit


def _available_bytes() -> int | None:
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    most, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if most is not None and used is not None:
        found.append(most - used + _cached_bytes())
    return min(found, default=None)


def _cached_bytes() -> int:
    """Bytes that this container's files keep in memory only while nothing else needs it."""
    with suppress(OSError, ValueError):
        lines = Path("/sys/fs/cgroup/memory.stat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))
    return 0


def _number(file: str) -> int | None:
    """Return the number in ``file``; None if it is missing or means no limit."""
    with suppress(OSError, ValueError):
        return int(Path(file).read_text())
    return None
