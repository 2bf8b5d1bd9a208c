"""Sequential learning in realtime: one thread beside the tick loop that learns on request."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic_ns
from traceback import format_exc

from hocket.core.events import LearningFinished
from hocket.drivers.executors.base import Report


class LearningThread:
    """Calls ``learn`` once for each `start` and hands the report to ``deliver``."""

    def __init__(self, learn: Callable[[], None] | None, deliver: Callable[[Report], None]) -> None:
        self._learn = learn
        self._deliver = deliver
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start one learning step, without blocking."""
        if self._learn is None:
            self._deliver(Report(LearningFinished(monotonic_ns())))
            return
        if self._thread is None:
            self._thread = Thread(target=self._run, name="hocket-learning", daemon=True)
            self._thread.start()
        self._orders.put(True)

    def _run(self) -> None:
        assert self._learn is not None
        while self._orders.get():
            failure = None
            try:
                self._learn()
            except BaseException:
                failure = format_exc()
            self._deliver(Report(LearningFinished(monotonic_ns()), traceback=failure))

    def close(self) -> None:
        """End the thread; a running update is not waited for."""
        self._orders.put(False)
