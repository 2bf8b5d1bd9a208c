"""The engine on the wall clock: it takes in what workers report and fires the scheduler's timers.

The realtime driver is a clock, an environment and this; `StaggeredAgent` is this for a loop that the user owns.
"""

from __future__ import annotations

from time import monotonic_ns

from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.drivers.engine import Engine, EngineSetup
from hocket.drivers.executors.base import RealtimeExecutor, Report
from hocket.drivers.failures import FailureLimits, FailureLog


class RealtimeEngine(Engine):
    """An engine whose executor runs beside it.

    Args:
        setup, cadence, keep_trace: see `Engine`.
        executor: launched.
        joined: what its `launch` reported.
        failures: which failures in a row are too many.
    """

    def __init__(
        self,
        setup: EngineSetup,
        cadence: Cadence,
        executor: RealtimeExecutor,
        *,
        joined: list[Report],
        failures: FailureLimits,
        keep_trace: bool = True,
    ) -> None:
        super().__init__(setup, cadence, executor, keep_trace=keep_trace)
        self.failures = FailureLog(failures)
        self._live = executor
        self._take_in(joined)

    def service(self) -> None:
        """Take in everything that has happened by now. Never blocks.

        Raises:
            PolicyError: if too many inferences in a row have failed, once everything else is taken in. The engine can
                be serviced again; it then counts anew.
        """
        reports = self._live.reports()
        if reports:
            self._take_in(reports)
        if self.wake_ns is not None and self.wake_ns <= monotonic_ns():
            self.timer_due()
        if reports:
            self.failures.check()

    def service_until(self, until_ns: int) -> None:
        """Do so until ``until_ns``, sleeping between."""
        while True:
            self.service()
            if monotonic_ns() >= until_ns:
                return
            wake_ns = self.wake_ns
            self._live.wait(until_ns if wake_ns is None else min(until_ns, wake_ns))

    def _take_in(self, reports: list[Report]) -> None:
        for report in reports:
            event, workers = report.event, self.scheduler.workers
            if type(event) is e.InferenceFinished:
                assert report.answer is not None
                self.failures.success()
                self.finished(event, report.answer)
            elif event is not None:
                self.feed(event)
            if report.traceback is not None:
                now_ns = monotonic_ns() if event is None else event.time_ns
                self.failures.failure(report.traceback, now_ns, workers)
