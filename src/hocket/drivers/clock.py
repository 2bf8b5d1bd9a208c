"""The wall clock: absolute deadlines on the monotonic clock."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from threading import current_thread, main_thread
from time import monotonic_ns
from types import FrameType

PR_SET_TIMERSLACK = 29
YOUNG_EVERY, MIDDLE_EVERY = 64, 4096


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


@dataclass(slots=True)
class Interrupt:
    """Whether somebody has asked the loop to end."""

    requested: bool = False


@contextlib.contextmanager
def between_ticks() -> Iterator[Interrupt]:
    """Let Ctrl-C end a loop between two ticks, where all books are in order. A second one interrupts at once.

    Where Ctrl-C does something else already, or in another thread than the main one, nothing is changed.
    """
    interrupt = Interrupt()
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return

    def request(number: int, frame: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, request)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def collect_a_little(tick: int) -> None:
    """Collect the young generations now and then; to be called where a tick has time to spare."""
    if tick % MIDDLE_EVERY == 0:
        gc.collect(1)
    elif tick % YOUNG_EVERY == 0:
        gc.collect(0)
