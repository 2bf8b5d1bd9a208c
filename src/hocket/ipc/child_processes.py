"""What every child process of a tick loop begins with and has imported, and how they are ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from time import monotonic

from hocket.errors import ConfigurationError

FURTHEST = 19


def preload(modules: Iterable[str]) -> None:
    """In the parent: have the fork server import ``modules`` before its first child, so that children begin with them.

    A fork server that already runs stays as it is. It passes over a name that it cannot import without a word, and each
    child then takes seconds to import the module itself; so names are checked here.

    Raises:
        ConfigurationError: if there is no such module.
    """
    names = list(modules)
    for name in names:
        if not _is_module(name):
            raise ConfigurationError(
                f"preload names {name!r}, which is no module here; modules that can be imported are allowed; try its "
                "full name, or preload=()"
            )
    get_context("forkserver").set_forkserver_preload(names)


def _is_module(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:  # not even its package
        return False


def begin_as_child(nice: int) -> None:
    """In the child: leave Ctrl-C to the tick loop, stand back behind it by ``nice``, and end when its process is gone.

    Even in the middle of what never ends. ``os.getppid`` would not tell: it names the fork server, which lives until
    its last child has left.

    At 19, the furthest, it runs only while a processor has nothing else to do, where the system knows such a thing: a
    tick loop that wakes up then need not wait for it to have had its turn.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_parent, name="hocket-parent", daemon=True).start()
    os.nice(nice)
    if nice >= FURTHEST and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _leave_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def end_children(processes: Sequence[BaseProcess], grace_s: float) -> None:
    """In the parent: wait for ``processes``, all together ``grace_s`` seconds, then kill those that are left."""
    give_up = monotonic() + grace_s
    for process in processes:
        process.join(max(0.0, give_up - monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
