"""The loop's thread on the wall clock: deadlines, garbage collection and real-time priority."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from time import monotonic_ns

from hocket.errors import check_whole

PR_SET_TIMERSLACK = 29
YOUNG_EVERY, MIDDLE_EVERY = 64, 4096


def spin_until(time_ns: int) -> None:
    """Busy-wait until ``time_ns`` on the monotonic clock: for the last fraction of a millisecond."""
    while monotonic_ns() < time_ns:
        pass


@contextlib.contextmanager
def steady_thread() -> Iterator[None]:
    """Set precise timers, and keep the garbage collector from pausing the loop.

    Existing objects are frozen out of collections, and full collections wait until the loop has ended;
    `collect_a_little` collects what the loop itself leaves.
    """
    _set_timer_slack(1000)
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
        _set_timer_slack(0)  # the thread's own default


def _set_timer_slack(slack_ns: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0)


def collect_a_little(tick: int) -> None:
    """Collect the young generations from time to time; call it where a tick has time to spare."""
    if tick % MIDDLE_EVERY == 0:
        gc.collect(1)
    elif tick % YOUNG_EVERY == 0:
        gc.collect(0)


HIGHEST = 99


def check_priority(priority: int) -> None:
    """Raise `ConfigurationError` unless ``priority`` is a valid real-time priority."""
    check_whole("priority", priority, least=0, most=HIGHEST, example="1, or 0 for an ordinary thread")


def missing_priority(asked: int, granted: int) -> str | None:
    """Describe a real-time priority that was asked for and not granted, and the fix; None if it was granted."""
    if not asked or granted:
        return None
    return (
        f"the system does not grant real-time priority {asked}, so other threads may make ticks late by milliseconds; "
        f"to grant it, add 'USER - rtprio {asked}' to /etc/security/limits.conf and log in again, run "
        "sudo setcap cap_sys_nice=ep on the Python interpreter, or start the container with --cap-add SYS_NICE; to go "
        "without, use priority=0"
    )


@contextlib.contextmanager
def realtime_priority(priority: int) -> Iterator[int]:
    """Give this thread ``SCHED_FIFO`` at ``priority``, 1 to 99, if the system allows it; children do not inherit it.

    `hocket.run` does this itself (`Realtime.priority`); use this for a loop that you own, such as
    ``with hocket.StaggeredAgent(...) as agent, hocket.realtime_priority(1): ...``.

    Yields the thread's real-time priority: 0 for an ordinary thread (0 was asked for, the user lacks the permission, or
    the system has no real-time priorities). A real-time priority that the thread already has is kept.

    Raises:
        ConfigurationError: if ``priority`` is not from 0 to 99.
    """
    check_priority(priority)
    if not priority or not hasattr(os, "sched_setscheduler"):
        yield 0
        return
    try:
        before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    except OSError:  # a sandbox forbids even the query
        yield 0
        return
    if parameters.sched_priority:
        yield parameters.sched_priority
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        yield 0
        return
    try:
        yield priority
    finally:
        try:
            os.sched_setscheduler(0, before, parameters)
        except PermissionError:  # clearing the reset-on-fork flag needs a privilege
            os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)
