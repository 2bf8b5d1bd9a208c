"""The wall clock: absolute deadlines on the monotonic clock."""

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

PR_SET_TIMERSLACK = 29
YOUNG_EVERY, MIDDLE_EVERY = 64, 4096
USUAL_HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
THIRD = 3


def spin_until(time_ns: int) -> None:
    """Busy-wait for the last fraction of a millisecond."""
    while monotonic_ns() < time_ns:
        pass


@contextlib.contextmanager
def steady_thread() -> Iterator[None]:
    """Ask for precise timers, and keep the garbage collector from pausing the loop.

    What exists already is frozen out of collections, and full collections are put off until the loop has ended;
    `collect_a_little` takes care of what the loop itself leaves.
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
        _set_timer_slack(0)  # back to the thread's own


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
    """The request of a signal that the loop end.

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

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, the first signal raises `KeyboardInterrupt`: there is no work to lose yet."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """A signal's handler.

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
"""That of the main thread's outermost `between_ticks`."""


@contextlib.contextmanager
def between_ticks() -> Iterator[Interrupt]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a loop between two ticks, where all books are in order.

    The first two signals only ask for the end, so that a second one while the loop ends cleanly loses nothing; the
    third raises `KeyboardInterrupt`. Inside another `between_ticks` it is the same interrupt. A signal that has a
    handler of the user's, or is ignored, is left alone; so are all of them in another thread than the main one.
    """
    global _interrupt
    if current_thread() is not main_thread():
        yield Interrupt()
        return
    if _interrupt is not None:
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
    """Collect the young generations now and then; to be called where a tick has time to spare."""
    if tick % MIDDLE_EVERY == 0:
        gc.collect(1)
    elif tick % YOUNG_EVERY == 0:
        gc.collect(0)


HIGHEST = 99


def check_priority(priority: int) -> None:
    """Refuse a real-time priority that the system does not know."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= HIGHEST:
        raise ConfigurationError(
            f"priority={priority!r} must be an integer in 1 to {HIGHEST}, or 0 for an ordinary thread; try 1"
        )


def missing_priority(asked: int, granted: int) -> str | None:
    """Describe the lack of a real-time priority that was asked for, and how to grant it; None if it was granted."""
    if not asked or granted:
        return None
    return (
        f"the system does not grant real-time priority {asked}, so other threads may make ticks late by milliseconds; "
        f"to grant it, add 'USER - rtprio {asked}' to /etc/security/limits.conf and log in again, or start the "
        "container with --cap-add SYS_NICE; to go without, use priority=0"
    )


@contextlib.contextmanager
def realtime_priority(priority: int) -> Iterator[int]:
    """Give this thread ``SCHED_FIFO`` at ``priority``, 1 to 99, if the system lets it; what it starts does not get it.

    `hocket.run` does so by itself (`Realtime.priority`); this is for loops of your own, such as
    ``with hocket.StaggeredAgent(...) as agent, hocket.realtime_priority(1): ...``.

    Yields the real-time priority that the thread has: 0 if it is an ordinary one (0 was asked for, the user may not, or
    the system has no such thing). One that it had already is left as it is.

    Raises:
        ConfigurationError: if no system knows such a priority.
    """
    check_priority(priority)
    if not priority or not hasattr(os, "sched_setscheduler"):
        yield 0
        return
    try:
        before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    except OSError:  # a sandbox forbids even that
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
        except PermissionError:  # only the privileged may take back that children begin as ordinary ones
            os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)
