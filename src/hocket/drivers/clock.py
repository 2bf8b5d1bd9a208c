"""The wall clock: absolute deadlines on the monotonic clock."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator
from time import monotonic_ns

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
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0)
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def collect_a_little(tick: int) -> None:
    """Collect the young generations now and then; to be called where a tick has time to spare."""
    if tick % MIDDLE_EVERY == 0:
        gc.collect(1)
    elif tick % YOUNG_EVERY == 0:
        gc.collect(0)
