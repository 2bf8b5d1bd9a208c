"""The engine on the wall clock: handles the reports of workers and the scheduler's timers.

Used by the realtime driver, which adds a clock and an environment, and by `StaggeredAgent`, for the user's loop.
"""

from __future__ import annotations

from time import monotonic_ns

from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.engine import Engine, EngineSetup
from hocket.drivers.executors.base import RealtimeExecutor, Report
from hocket.drivers.lone_head import LoneHead
from hocket.policies.failures import FailureLimits, FailureLog, OnFailure, OnStale


class RealtimeEngine(Engine):
    """An engine whose executor runs beside the tick loop.

    Args:
        setup, cadence, alone, chunk_head, on_stale, keep_trace: see `Engine`.
        executor: already launched.
        joined: the reports that its `launch` returned.
        failures: the limits of failures in a row.
        on_failure: called by `service` beyond them, in place of raising.
    """

    def __init__(
        self,
        setup: EngineSetup,
        cadence: Cadence,
        executor: RealtimeExecutor,
        *,
        joined: list[Report],
        failures: FailureLimits,
        on_failure: OnFailure | None = None,
        alone: LoneHead | None = None,
        chunk_head: ChunkHead | None = None,
        on_stale: OnStale | None = None,
        keep_trace: bool = True,
    ) -> None:
        super().__init__(
            setup, cadence, executor, alone=alone, chunk_head=chunk_head, on_stale=on_stale, keep_trace=keep_trace
        )
        self.failures = FailureLog(failures, on_failure=on_failure)
        self._live = executor
        self._take_in(joined)

    def service(self) -> None:
        """Handle everything that has happened by now. Never blocks.

        Raises:
            PolicyError: if too many inferences in a row have failed, or heads in the tick loop; raised after all else
                has been handled. The engine can be serviced again; it then counts anew.
        """
        reports = self._live.reports()
        if reports:
            self._take_in(reports)
        if self.wake_ns is not None and self.wake_ns <= monotonic_ns():
            self.timer_due()
        if reports and self.failures.in_a_row:
            self.failures.check()
        self.check_heads()

    def service_until(self, until_ns: int) -> None:
        """Call `service` until ``until_ns``, with sleeps between."""
        while True:
            self.service()
            if monotonic_ns() >= until_ns:
                return
            wake_ns = self.wake_ns
            self._live.wait(until_ns if wake_ns is None else min(until_ns, wake_ns))

    def _take_in(self, reports: list[Report]) -> None:
        for report in reports:
            event = report.event
            workers = 0 if report.traceback is None else self.scheduler.workers  # before the event takes one away
            if type(event) is e.InferenceFinished:
                assert report.answer is not None
                self.failures.success()
                self.finished(event, report.answer)
            elif event is not None:
                self.feed(event)
            if report.traceback is None:
                continue
            if type(event) is e.LearningFinished:
                self.failures.learning_failure(report.traceback)
            else:
                now_ns = monotonic_ns() if event is None else event.time_ns
                self.failures.failure(report.traceback, now_ns, workers)
