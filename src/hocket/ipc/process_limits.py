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


def check_room(processes: int, of: str = "worker") -> None:
    """Raise an error if this number of child processes cannot be started; call it before the first one is started.

    Args:
        processes: to be started.
        of: a word for one of them; ``of + "s"`` is the option that says how many.

    Raises:
        ConfigurationError: with the limit and the number of processes that fit.
    """
    for fitting, limit in _limits():
        if processes > fitting:
            threads = ', or let workers be threads (executor="threads")' if of == "worker" else ""
            raise ConfigurationError(
                f"{processes} {of} processes cannot be started here: {limit}, which is enough for {max(0, fitting)}; "
                f"try {of}s={max(1, min(fitting, os.cpu_count() or 1))}{threads}"
            )


def _limits() -> Iterator[tuple[int, str]]:
    """Yield the number of processes that fit into each limit beside those that exist, and the limit in words."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors != resource.RLIM_INFINITY:
        fitting = (descriptors - OTHER_DESCRIPTORS) // DESCRIPTORS
        yield fitting, f"the limit of open files is {descriptors} (ulimit -n)"
    threads = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if threads != resource.RLIM_INFINITY and os.geteuid() != 0:
        used = _threads_of_user()
        limit = f"the user's limit of processes and threads is {threads} (ulimit -u), and {used} exist"
        yield (threads - used) // THREADS, limit
    counted = [(f"{folder}/pids.max", _number(f"{folder}/pids.current")) for folder in _cgroups("pids")]
    running = _threads_of_system()
    counted += [(f"/proc/sys/kernel/{name}", running) for name in ("threads-max", "pid_max")]
    for file, used_here in counted:
        if (most := _number(file)) is not None:
            used = used_here or 0
            limit = f"the system's limit of processes and threads is {most} ({file}), and {used} exist"
            yield (most - used) // THREADS, limit
    available = _available_bytes()
    if available is not None:
        limit = f"{available / 2**30:.1f} GiB of memory are free, and each needs at least 7 MiB"
        yield available // PROCESS_BYTES, limit


def _cgroups(controller: str) -> list[str]:
    """The folders of this process's control groups, from its own up to the root: each may limit it."""
    folders = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                root = Path("/sys/fs/cgroup")
            elif controller in controllers.split(","):
                root = Path("/sys/fs/cgroup", controller)
            else:
                continue
            own = root / path.lstrip("/")
            folders += [str(folder) for folder in (own, *own.parents) if folder.is_relative_to(root)]
    return list(dict.fromkeys(folders)) or ["/sys/fs/cgroup"]


def _threads_of_system() -> int:
    """The number of threads of all processes; 0 if the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    return 0


def _threads_of_user() -> int:
    """The number of threads of all processes of this user; 0 if the system does not tell."""
    count, user = 0, str(os.getuid())
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, ValueError, KeyError, IndexError):  # it may end meanwhile
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if fields["Uid"].split()[0] == user:
                count += int(fields["Threads"])
    return count


def _available_bytes() -> int | None:
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    for folder in _cgroups("memory"):
        most, used = _number(f"{folder}/memory.max"), _number(f"{folder}/memory.current")
        if most is not None and used is not None:
            found.append(most - used + _cached_bytes(folder))
    return min(found, default=None)


def _cached_bytes(folder: str) -> int:
    """Bytes that the files of a control group keep in memory only while nothing else needs it."""
    with suppress(OSError, ValueError):
        lines = Path(folder, "memory.stat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))
    return 0


def _number(file: str) -> int | None:
    """Return the number in ``file``; None if it is missing or means no limit."""
    with suppress(OSError, ValueError):
        return int(Path(file).read_text())
    return None
