"""Lets a policy notice, while it computes, that its answer is not wanted any more.

A worker that runs a policy says how to ask (`watch`); elsewhere nothing is ever cancelled. Each thread has its own
answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, sleep

from hocket.errors import CancelledError

LOOKS, LONGEST_PART_S = 8, 0.01
"""A cancelled sleep ends after at most an eighth of its time, and at most 10 ms."""


class _Watch(threading.local):
    asks: Callable[[], bool] | None = None


_watch = _Watch()


def watch(asks: Callable[[], bool]) -> None:
    """Let ``asks()`` say from now on, in this thread, whether the inference that runs is cancelled."""
    _watch.asks = asks


def cancelled() -> bool:
    """Return whether the inference that runs in this thread was cancelled: its answer will not be executed.

    A policy that takes long may look from time to time, and then raise `CancelledError`, or answer whatever it has.
    """
    asks = _watch.asks
    return asks is not None and asks()


def stop_if_cancelled(*_: object) -> None:
    """Raise `CancelledError` if the inference that runs in this thread was cancelled; takes any arguments, as a hook.

    Raises:
        CancelledError: if so.
    """
    if cancelled():
        raise CancelledError("this inference was cancelled")


def sleep_until_cancelled(duration_s: float) -> None:
    """Sleep for ``duration_s``, in parts.

    Raises:
        CancelledError: if the inference that runs in this thread is cancelled meanwhile.
    """
    if _watch.asks is None:
        sleep(duration_s)
        return
    until, part = monotonic() + duration_s, max(min(duration_s / LOOKS, LONGEST_PART_S), 0.001)
    while (left := until - monotonic()) > 0:
        stop_if_cancelled()
        sleep(min(left, part))
