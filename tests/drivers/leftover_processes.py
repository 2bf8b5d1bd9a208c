"""Processes and shared memory of this test run, read from /proc; other programs are not counted."""

import os
import time
from pathlib import Path


def named_memory(pid: int | str = "self") -> set[str]:
    """The files in /dev/shm that a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text().split()
    return {field for field in maps if field.startswith("/dev/shm/")}


def descendants(pid: int) -> set[int]:
    """All living descendants of ``pid``, without zombies."""
    parent_of = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parent_of[int(entry.name)] = int(parent)
    found, news = set(), {pid}
    while news:
        news = {child for child, parent in parent_of.items() if parent in news} - found
        found |= news
    return found


def workers_below(pid: int) -> set[int]:
    """The processes that the fork server of ``pid`` has forked."""
    servers = {child for child in descendants(pid) if b"forkserver" in _command(child)}
    return {child for child in servers if _parent(child) in servers}


def workers_of_ours() -> set[int]:
    return workers_below(os.getpid())


def processes_of_ours() -> set[int]:
    """All descendants of this process, without those that multiprocessing keeps to its end."""
    ours = os.getpid()
    keepers = {child for child in descendants(ours) if _parent(child) == ours and _keeper(child)}
    return descendants(ours) - keepers


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds, seconds: float = 10.0) -> bool:
    """True if ``holds()`` becomes true in time."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def _keeper(pid: int) -> bool:
    command = _command(pid)
    return b"multiprocessing.forkserver" in command or b"multiprocessing.resource_tracker" in command


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return -1
