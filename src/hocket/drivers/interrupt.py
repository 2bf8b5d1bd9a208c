"""Signals end a loop between two ticks."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from threading import current_thread, main_thread
from types import FrameType

from hocket.ipc.signals import GROUP_SIGNALS

USUAL_HANDLERS = {
    number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL for number in GROUP_SIGNALS
}
THIRD = 3


def interruption(number: signal.Signals | None) -> KeyboardInterrupt:
    """An error for what a signal has ended, which it has as its ``signal``."""
    error = KeyboardInterrupt()
    vars(error)["signal"] = number or signal.SIGINT
    return error


class Interrupt:
    """A signal's request that the loop end.

    Attributes:
        requested: True once the loop is to end.
        signal: the first one; None before.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal: signal.Signals | None = None
        self._received = 0
        self._at_once = False

    def request(self, number: int = signal.SIGINT) -> None:
        """Ask the loop to end, by the signal ``number``."""
        self._received += 1
        if self.signal is None:
            self.signal = signal.Signals(number)
        self.requested = True

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
