"""The loop's thread on the wall clock: deadlines, garbage collection, signals and real-time priority."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from threading import current_thread, main_thread
from time import monotonic_ns
from types import FrameType

from hocket.errors import ConfigurationError
from hocket.ipc.signals import GROUP_SIGNALS

PR_SET_TIMERSLACK = 29
YOUNG_EVERY, MIDDLE_EVERY = 64, 4096
USUAL_HANDLERS = {
    number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL for number in GROUP_SIGNALS
}
THIRD = 3


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


def interruption(number: signal.Signals | None) -> KeyboardInterrupt:
    """An error for what a signal has ended, which it has as its ``signal``."""
    error = KeyboardInterrupt()
    vars(error)["signal"] = number or signal.SIGINT
    return error


class Interrupt:
    """A signal's request that the loop end.

    Attributes:
        signal: the first one; None before.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._received = 0
        self._at_once = False

    @property
    def requested(self) -> bool:
        """True once the loop is to end."""
        return self.signal is not None

    def request(self, number: int = signal.SIGINT) -> None:
        """Ask the loop to end, by the signal ``number``."""
        self._received += 1
        if self.signal is None:
            self.signal = signal.Signals(number)

    def defer(self) -> None:
        """Begin a loop: from now on the first two signals only request its end."""
        self._at_once = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, the first signal raises `KeyboardInterrupt`, until a loop begins: no work can be lost yet."""
        self._at_once = True
        try:
            yield
        finally:
            self.defer()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: request the end of the loop.

        Raises:
            KeyboardInterrupt: at the third signal.
        """
        self.request(number)
        if self._at_once or self._received >= THIRD:
            raise self.error()

    def error(self) -> KeyboardInterrupt:
        """See `interruption`."""
        return interruption(self.signal)


_interrupt: Interrupt | None = None
"""The interrupt of the main thread's outermost `between_ticks`."""


@contextlib.contextmanager
def between_ticks() -> Iterator[Interrupt]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a loop between two ticks, where the state is consistent.

    The first two signals only request the end, so that a second one during a clean end loses nothing; the third raises
    `KeyboardInterrupt`. A nested `between_ticks` yields the same interrupt, and ends its `Interrupt.at_once`. A signal
    that is ignored or has a handler of the user's keeps it, and signals are not handled in other threads than the main
    one.
    """
    global _interrupt
    if current_thread() is not main_thread():
        yield Interrupt()
        return
    if _interrupt is not None:
        _interrupt.defer()
        yield _interrupt
        return
    usual = {number: handler for number, handler in USUAL_HANDLERS.items() if signal.getsignal(number) == handler}
    interrupt = Interrupt()
    try:
        _interrupt = interrupt
        for number in usual:
            signal.signal(number, interrupt.handle)
        yield interrupt
    finally:
        _interrupt = None  # first: a signal that raises in here must not end every later run
        for number in reversed(usual):  # that of Ctrl-C last, the only one that raises once it is back
            signal.signal(number, usual[number])


def collect_a_little(tick: int) -> None:
    """Collect the young generations from time to time; call it where a tick has time to spare."""
    if tick % MIDDLE_EVERY == 0:
        gc.collect(1)
    elif tick % YOUNG_EVERY == 0:
        gc.collect(0)


HIGHEST = 99


def check_priority(priority: int) -> None:
    """Raise `ConfigurationError` unless ``priority`` is a valid real-time priority."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= HIGHEST:
        raise ConfigurationError(
            f"priority={priority!r} must be an integer in 1 to {HIGHEST}, or 0 for an ordinary thread; try 1"
        )


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
