"""The signals that end a run, and their delay."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Terminals and schedulers send these to all processes of a run at once."""


@contextmanager
def delayed_signals() -> Iterator[None]:
    """Inside, `GROUP_SIGNALS` have no effect until the end; then they have it.

    Threads and processes that are started inside have them blocked.
    """
    received: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))

    # A blocked signal of the process may still reach another thread, and Python then calls its handler in this one.
    handled = [number for number in GROUP_SIGNALS if current_thread() is main_thread() and _is_handled(number)]
    blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    handlers_before = {number: signal.signal(number, note) for number in handled}
    try:
        yield
    finally:
        for number, handler in handlers_before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
        for number in received:
            signal.raise_signal(number)


def _is_handled(number: signal.Signals) -> bool:
    """True unless the process ignores it, or has a handler that Python did not set."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)
