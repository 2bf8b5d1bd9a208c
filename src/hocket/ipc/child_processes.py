"""Starts, configures and ends the child processes of a tick loop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from threading import Thread
from time import monotonic
from types import FrameType
from typing import Any

from hocket.errors import ConfigurationError
from hocket.ipc.signals import GROUP_SIGNALS, delayed_signals
from hocket.ipc.temp_folder import claim_temp_folder

FURTHEST = 19
OWN = "hocket-"
"""The beginning of the names of hocket's processes."""
FORK_SERVER = "hocket.ipc.fork_server"
"""The module that only the fork server imports."""
THREADS = 'or let workers be threads (executor="threads")'


def check_children() -> None:
    """In the parent: raise an error that says what to do, if multiprocessing cannot start processes here.

    Raises:
        ConfigurationError: in a daemonic process, in a working directory that is gone, or if the main script cannot be
            read again.
    """
    if multiprocessing.current_process().daemon:
        raise ConfigurationError(
            "processes cannot be started here: this is a daemonic process, such as those of multiprocessing.Pool, and "
            f"may have no children; try concurrent.futures.ProcessPoolExecutor, whose processes may, {THREADS}"
        )
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigurationError(
            f"processes cannot be started here: the working directory is gone ({error.strerror}); change to one that "
            f"exists, {THREADS}"
        ) from error
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is not None and getattr(main, "__spec__", None) is None and not os.path.exists(file):
        raise ConfigurationError(
            f"processes cannot be started here: each imports the main script anew, and {file} is not a file, such as a "
            "script from standard input; save it as a file, with its calls under if __name__ == '__main__':, "
            f"{THREADS}"
        )


def preload(modules: Iterable[str]) -> None:
    """In the parent: have the fork server import ``modules`` before its first child, so that children start with them.

    A running fork server does not import them. It ignores a name that it cannot import, and each child then takes
    seconds to import the module itself; therefore names are checked here.

    Raises:
        ConfigurationError: if a module does not exist, or the fork server cannot start processes; see `check_children`
            and `claim_temp_folder`.
    """
    check_children()
    claim_temp_folder()
    names = list(modules)
    for name in names:
        if not _is_module(name):
            raise ConfigurationError(
                f"preload names {name!r}, which is no module here; modules that can be imported are allowed; try its "
                "full name, or preload=()"
            )
    get_context("forkserver").set_forkserver_preload([FORK_SERVER, *names])
    with signals_blocked_in_children():  # the fork server must not end before its children
        ensure_running()


@contextmanager
def signals_blocked_in_children() -> Iterator[None]:
    """In the parent: inside, signals are delayed, and processes start with them blocked until `begin_as_child`."""
    resource_tracker.ensure_running()  # before: its start unblocks SIGINT and SIGTERM
    with delayed_signals():
        yield


def _is_module(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:  # not even its package
        return False


class WithEnvironment:
    """The target of a process, called with this process's current environment variables.

    Children of a fork server otherwise have those of the server's start. Modules imported in the fork server
    (`preload`) or by the main script have already read the older ones.

    Args:
        target: called with the process's arguments.
    """

    def __init__(self, target: Callable[..., Any]) -> None:
        self._target = target
        self._environment = dict(os.environ)

    def __call__(self, *args: Any) -> None:
        for name in os.environ.keys() - self._environment.keys():
            del os.environ[name]
        os.environ.update(self._environment)
        self._target(*args)


def begin_as_child(nice: int) -> str | None:
    """In the child: ignore `GROUP_SIGNALS`, lower the priority, and end when the parent has ended.

    The tick loop's process handles those signals and ends its children. The child ends with it even in the middle of a
    call that never returns. ``os.getppid`` cannot detect this: it names the fork server, which lives until its last
    child has ended.

    Returns:
        The request that the system denied, or None; see `lower_priority`.
    """
    for number in GROUP_SIGNALS:
        signal.signal(number, _ignore)  # programs that the child starts do not inherit this, as they would SIG_IGN
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)
    Thread(target=_leave_with_parent, name="hocket-parent", daemon=True).start()
    return lower_priority(nice, idle=True)


def lower_priority(nice: int, *, idle: bool = False) -> str | None:
    """Lower the priority of this process (on Linux: of this thread) by ``nice``, as far as the system allows.

    Args:
        nice: 0 to 19.
        idle: at 19, run only while a processor is otherwise idle (``SCHED_IDLE``), where the system has that: a tick
            loop that wakes up then does not wait for a time slice to end.

    Returns:
        None, or the request that the system denied, for example in a sandbox that forbids the call.
    """
    try:
        os.nice(nice)
        if idle and nice >= FURTHEST and hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError as error:
        return f"the system denies a lower priority (nice={nice}): {error.strerror or error}"
    return None


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _leave_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def end_children(processes: Sequence[BaseProcess], grace_s: float) -> None:
    """In the parent: wait for ``processes``, together ``grace_s`` seconds, then kill those that still run."""
    give_up = monotonic() + grace_s
    for process in processes:
        process.join(max(0.0, give_up - monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
