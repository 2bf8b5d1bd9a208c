"""Workers as threads: for policies that release the GIL, wait on an accelerator, or call a server."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, monotonic_ns
from traceback import format_exc
from typing import Any

from hocket.core.cadence import NS_PER_S
from hocket.core.events import (
    InferenceCancelled,
    InferenceFailed,
    InferenceFinished,
    TrunkFinished,
    WorkerJoined,
    WorkerLost,
)
from hocket.drivers.executors.base import ExecutorKind, RealtimeExecutor, Report, WorkerJob, warm_up
from hocket.drivers.executors.learning_thread import LearningThread
from hocket.errors import CancelledError, PolicyError
from hocket.ipc.child_processes import lower_priority
from hocket.policies.base import Stages, built
from hocket.policies.cancellation import watch
from hocket.policies.failures import restart_pause_s
from hocket.spaces.observations import copied, form_of

GOODBYE_S = 0.5

Order = tuple[int, bool, tuple[Any, ...]]
"""An inference, True if its head is to run, and the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads(ExecutorKind):
    """One thread a worker.

    Args:
        nice: the amount by which the workers' priority is lower than the tick loop's, 0 to 19 (Linux; elsewhere threads
            share a priority).
        hang_s: the time without an answer after which a worker is counted as lost and replaced. A thread cannot be
            killed: a later answer is ignored.
        start_s: the time that the first workers may take to load their policies.
    """

    def executor(self, job: WorkerJob, learn: Callable[[], None] | None) -> RealtimeExecutor:
        return ThreadExecutor(self, job, learn)


class _Ticket:
    """The inference that a worker runs, and the one that it was last told to stop."""

    __slots__ = ("cancelled", "running")

    def __init__(self) -> None:
        self.running = self.cancelled = -1

    def void(self) -> bool:
        """Return whether the running inference was told to stop."""
        return 0 <= self.running == self.cancelled

    def stop(self) -> None:
        """Tell the running inference to stop."""
        self.cancelled = self.running


class ThreadExecutor(RealtimeExecutor):
    def __init__(self, kind: Threads, job: WorkerJob, learn: Callable[[], None] | None) -> None:
        self._kind = kind
        self._job = job
        self._threads: list[Thread] = []
        self._inboxes: dict[int, SimpleQueue[Order | None]] = {}
        self._tickets: dict[int, _Ticket] = {}
        self._busy: dict[int, int] = {}  # worker → the start time of its inference, in the order of starting
        self._outbox: SimpleQueue[tuple[int, Report]] = SimpleQueue()
        self._waited: deque[tuple[int, Report]] = deque()  # taken from the outbox by `wait`
        self._learning = LearningThread(learn, lambda report: self._outbox.put((-1, report)))
        self._denied: list[str] = []  # requests that the system denied
        self._next = 0
        self._closed = False
        self._losses = 0  # workers that could not be built or hung, since the last answer

    def launch(self, on_joined: Callable[[int], None] | None = None) -> list[Report]:
        try:
            return self._launch(on_joined)
        except BaseException:
            self.close()
            raise

    def _launch(self, on_joined: Callable[[int], None] | None) -> list[Report]:
        for _ in range(self._job.workers):
            self.add_worker(monotonic_ns())
        joined: list[Report] = []
        give_up = monotonic() + self._kind.start_s
        while len(joined) < self._job.workers:
            try:
                _, report = self._outbox.get(timeout=max(0.0, give_up - monotonic()))
            except Empty:
                raise PolicyError(
                    f"{len(joined)} of {self._job.workers} workers were ready after start_s={self._kind.start_s} s; "
                    "is the policy slow to build? Try Threads(start_s=600)"
                ) from None
            if report.traceback is not None:
                raise PolicyError(f"a worker could not build its policy:\n{report.traceback}")
            joined.append(report)
            if on_joined is not None:
                on_joined(len(joined))
        if self._denied:
            warnings.warn(
                f"workers cannot run at a lower priority than the tick loop: {self._denied[0]}; ticks may be late",
                RuntimeWarning,
                stacklevel=2,
            )
        return joined

    def cancel(self, inference: int, worker: int, now_ns: int) -> None:
        if worker in self._tickets:  # else it was replaced
            self._tickets[worker].cancelled = inference

    def add_worker(self, now_ns: int) -> None:
        worker = self._next
        self._next += 1
        inbox = self._inboxes[worker] = SimpleQueue()
        ticket = self._tickets[worker] = _Ticket()
        pause_s = restart_pause_s(self._losses, self._job.workers)
        thread = Thread(
            target=self._serve, args=(worker, inbox, ticket, pause_s), name=f"hocket-worker-{worker}", daemon=True
        )
        self._threads = [*filter(Thread.is_alive, self._threads), thread]
        thread.start()

    def _serve(self, worker: int, inbox: SimpleQueue[Order | None], ticket: _Ticket, pause_s: float) -> None:
        if pause_s:
            with contextlib.suppress(Empty):
                inbox.get(timeout=pause_s)
                return  # retired before it was ready: the first order would follow the report below
        outbox, encode = self._outbox, self._job.codec.encode

        def unwanted() -> bool:
            return self._closed or ticket.void()

        watch(unwanted)
        if sys.platform == "linux" and (denied := lower_priority(self._kind.nice)):  # of this thread alone
            self._denied.append(denied)
        try:
            policy = built(self._job.policy)
            warm_up(policy, self._job.policy, self._job.codec, form_of(self._job.observation_space))
        except BaseException:
            outbox.put((worker, Report(None, traceback=format_exc())))
            return
        outbox.put((worker, Report(WorkerJoined(monotonic_ns(), worker))))
        features: Any = None
        while (order := inbox.get()) is not None:
            inference, bound, inputs = order
            ticket.running = inference
            try:
                if unwanted():
                    raise CancelledError("this inference was cancelled")
                if not isinstance(policy, Stages):
                    answer = encode(policy(*inputs))
                elif bound:
                    answer = encode(policy.head(features, *inputs))
                else:
                    features = policy.trunk(*inputs)
                    outbox.put((worker, Report(TrunkFinished(monotonic_ns(), inference))))
                    continue
                version = int(getattr(policy, "version", 0))
            except BaseException as error:  # a thread that ends without a report would count as hung
                if isinstance(error, CancelledError) and ticket.void():
                    report = Report(InferenceCancelled(monotonic_ns(), inference))
                else:
                    report = Report(InferenceFailed(monotonic_ns(), inference), traceback=format_exc())
            else:
                report = Report(InferenceFinished(monotonic_ns(), inference, len(answer), version), answer)
            outbox.put((worker, report))

    def start(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        self._busy[worker] = monotonic_ns()
        self._inboxes[worker].put((inference, False, (copied(inputs[0]), *inputs[1:])))

    def bind(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        self._busy[worker] = monotonic_ns()
        self._inboxes[worker].put((inference, True, copied(inputs)))

    def retire(self, worker: int) -> None:
        self._remove(worker).put(None)

    def _remove(self, worker: int) -> SimpleQueue[Order | None]:
        self._tickets.pop(worker).stop()
        return self._inboxes.pop(worker)

    def learn(self, now_ns: int) -> None:
        self._learning.start()

    def wait(self, until_ns: int) -> None:
        left_s = (until_ns - monotonic_ns()) / NS_PER_S
        if left_s > 0:
            with contextlib.suppress(Empty):
                self._waited.append(self._outbox.get(timeout=left_s))

    def reports(self) -> list[Report]:
        outbox, waited = self._outbox, self._waited
        reports: list[Report] = []
        while waited or not outbox.empty():
            try:
                worker, report = waited.popleft() if waited else outbox.get(False)
            except Empty:
                break  # a `wait` in another thread took it
            if worker >= 0 and worker not in self._inboxes:
                continue  # of a worker that was replaced
            if self._busy.pop(worker, None) is not None:
                self._losses = 0
            elif worker >= 0 and report.event is None:  # a replacement could not build its policy
                self._remove(worker)
                self._losses += 1
                self.add_worker(monotonic_ns())
            reports.append(report)
        if self._busy:
            self._give_up_hanging(reports)
        return reports

    def _give_up_hanging(self, reports: list[Report]) -> None:
        now_ns = monotonic_ns()
        worker, since_ns = next(iter(self._busy.items()))
        if now_ns - since_ns > self._kind.hang_s * NS_PER_S:
            del self._busy[worker]
            self._losses += 1
            self._remove(worker).put(None)
            reports.append(
                Report(
                    WorkerLost(now_ns, worker),
                    traceback=f"worker {worker} hung: no answer within hang_s={self._kind.hang_s} s; it was replaced",
                )
            )

    def close(self) -> None:
        self._closed = True  # policies that look for a cancellation end
        self._learning.close()
        for inbox in self._inboxes.values():
            inbox.put(None)
        self._inboxes.clear()
        give_up = monotonic() + GOODBYE_S
        for thread in self._threads:
            thread.join(max(0.0, give_up - monotonic()))
        self._threads.clear()
