"""Workers as processes, for policies that compute in Python: a fork server, shared memory and semaphores."""

from __future__ import annotations

import multiprocessing
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Semaphore
from time import monotonic, monotonic_ns
from typing import Any

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.core.events import (
    InferenceCancelled,
    InferenceFailed,
    InferenceFinished,
    TrunkFinished,
    WorkerJoined,
    WorkerLost,
)
from hocket.drivers.executors.base import ExecutorKind, RealtimeExecutor, Report, WorkerJob
from hocket.drivers.executors.learning_thread import LearningThread
from hocket.drivers.executors.mailbox import BROKEN, FAILED, NONE, READY, STOP, STOPPED, Mailbox, stage
from hocket.drivers.executors.supervisor import WorkerProcess, WorkerSupervisor
from hocket.drivers.executors.worker_process import serve, spin
from hocket.errors import ConfigurationError, PolicyError
from hocket.ipc.child_processes import WithEnvironment, end_children, preload
from hocket.ipc.process_limits import check_room
from hocket.ipc.semaphores import SharedSemaphores
from hocket.ipc.shared_memory import Parcel
from hocket.policies.failures import restart_pause_s
from hocket.spaces.observations import form_of, stored

DYING_SLOTS = 8
GOODBYE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes(ExecutorKind):
    """One process a worker.

    Args:
        nice: the amount by which the workers' priority is lower than the tick loop's, 0 to 19.
        hang_s: the time without an answer after which a worker is killed and replaced.
        start_s: the time that the first workers may take to load their policies; a later worker that takes longer is
            killed and replaced.
    """

    def executor(self, job: WorkerJob, learn: Callable[[], None] | None) -> RealtimeExecutor:
        return ProcessExecutor(self, job, learn)


class ProcessExecutor(RealtimeExecutor):
    """Runs workers as processes; a supervisor thread starts and watches them, so that the tick loop never waits."""

    def __init__(self, kind: Processes, job: WorkerJob, learn: Callable[[], None] | None) -> None:
        self._kind = kind
        self._job = job
        check_room(job.workers)
        self._context = multiprocessing.get_context("forkserver")
        preload((serve.__module__, *job.policy.preload))
        try:
            self._parcel = Parcel((job.policy, job.codec))
        except Exception as error:
            raise ConfigurationError(
                f"policy {job.policy!r} cannot be sent to a process: {error}; create what cannot "
                "be pickled in PolicyFactory.build, which runs in the worker, or use hocket.Threads()"
            ) from error
        capacity = job.most_workers + DYING_SLOTS
        self._mailbox = Mailbox(capacity, form_of(job.observation_space), job.codec, job.policy)
        self._mailbox.reply[:] = self._mailbox.cancelled[:] = NONE
        self._seen = np.full(capacity, NONE, np.int64)
        self._semaphores = SharedSemaphores(capacity + 1)  # one a slot, and the tick loop's
        self._done: Any = self._semaphores[capacity]
        self._free_slots: SimpleQueue[int] = SimpleQueue()
        for index in range(capacity):
            self._free_slots.put(index)
        self._by_slot: dict[int, WorkerProcess] = {}
        self._by_worker: dict[int, WorkerProcess] = {}
        self._busy: dict[int, int] = {}  # worker → the start time of its inference, in the order of starting
        self._extra: deque[Report] = deque()  # reports that do not come through the mailbox
        self._dead: deque[WorkerProcess] = deque()
        self._learning = LearningThread(learn, self._deliver)
        self._rung = False  # `wait` has taken a token of `_done`, and `reports` has not looked since
        self._warned = False
        self._closed = False
        self._next = 0
        self._losses = 0  # workers lost since the last answer
        self._supervisor = WorkerSupervisor(
            spawn=self._spawn,
            starting=self._starting,
            failed=self._failed,
            ended=self._ended,
            start_s=kind.start_s,
        )

    # -- called by the supervisor's thread ------------------------------------------------------------------

    def _spawn(self, worker: int) -> WorkerProcess | None:
        if self._free_slots.empty():
            return None
        slot = self._free_slots.get()
        self._semaphores.reset(slot)
        self._mailbox.write_error(slot, "")
        process = self._context.Process(
            target=WithEnvironment(serve),
            args=(self._mailbox, slot, self._semaphores, self._parcel, self._kind.nice),
            name=f"hocket-worker-{worker}",
            daemon=True,
        )
        started = WorkerProcess(slot, worker, process, self._semaphores[slot])
        self._by_slot[slot] = self._by_worker[worker] = started  # before its first reply can arrive
        try:
            process.start()
        except BaseException:
            del self._by_slot[slot], self._by_worker[worker]
            self._free_slots.put(slot)
            raise
        return started

    def _starting(self, process: WorkerProcess) -> bool:
        return bool(self._mailbox.reply[process.slot] == NONE)

    def _failed(self, traceback: str) -> None:
        self._deliver(Report(None, traceback=traceback))

    def _ended(self, process: WorkerProcess) -> None:
        self._dead.append(process)
        self._done.release()

    def _deliver(self, report: Report) -> None:
        self._extra.append(report)
        self._done.release()

    # -- called by the tick loop ----------------------------------------------------------------------------

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
            self.wait(monotonic_ns() + NS_PER_S // 10)
            for report in self.reports():
                if report.traceback is not None:
                    raise PolicyError(f"a worker could not build its policy:\n{report.traceback}")
                joined.append(report)
                if on_joined is not None:
                    on_joined(len(joined))
            if monotonic() > give_up:
                raise PolicyError(
                    f"{len(joined)} of {self._job.workers} workers were ready after start_s={self._kind.start_s} s; "
                    "is the policy slow to build? Try Processes(start_s=600)"
                )
        return joined

    def add_worker(self, now_ns: int) -> None:
        worker = self._next
        self._next += 1
        self._supervisor.order(worker, restart_pause_s(self._losses, self._job.workers))

    def start(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        process = self._by_worker.get(worker)
        if process is None:
            return  # it has just died; its loss is being reported
        stored(inputs[0], self._mailbox.observations[process.slot])
        self._write(process, inputs[1:])
        self._request(process, stage(inference, last=self._job.policy.head_s == 0))

    def bind(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        process = self._by_worker.get(worker)
        if process is None:
            return  # it has just died, as in `start`
        self._write(process, inputs)
        self._request(process, stage(inference, last=True))

    def _write(self, process: WorkerProcess, late_inputs: tuple[Any, ...]) -> None:
        """Write what the policy takes beside its observation; nothing for the trunk of two stages."""
        if late_inputs:
            slots = self._mailbox.late_inputs(process.slot, self._job.policy)
            for mine, given in zip(slots, late_inputs, strict=True):
                stored(given, mine)

    def _request(self, process: WorkerProcess, request: int) -> None:
        self._mailbox.request[process.slot] = request
        self._busy[process.worker] = monotonic_ns()
        process.go.release()

    def cancel(self, inference: int, worker: int, now_ns: int) -> None:
        process = self._by_worker.get(worker)
        if process is not None:
            self._mailbox.cancelled[process.slot] = inference

    def retire(self, worker: int) -> None:
        process = self._by_worker.pop(worker, None)
        if process is not None:
            self._mailbox.request[process.slot] = STOP
            process.go.release()

    def learn(self, now_ns: int) -> None:
        self._learning.start()

    def wait(self, until_ns: int) -> None:
        if until_ns > monotonic_ns() and (
            spin(self._done) or self._done.acquire(True, max(0.0, (until_ns - monotonic_ns()) / NS_PER_S))
        ):
            self._rung = True

    def reports(self) -> list[Report]:
        reports: list[Report] = []
        if self._busy:
            self._kill_hanging()
        if not (self._rung or self._done.acquire(False)):
            return reports
        self._rung = False
        while self._done.acquire(False):
            pass
        news = np.flatnonzero(self._mailbox.reply != self._seen)
        if len(news):
            for slot in news.tolist():
                self._read(self._by_slot[slot], reports)
            if len(reports) > 1:
                reports.sort(key=lambda report: report.event.time_ns if report.event else 0)
        while self._extra:
            reports.append(self._extra.popleft())
        while self._dead:
            self._bury(self._dead.popleft(), reports)
        return reports

    def _read(self, process: WorkerProcess, reports: list[Report]) -> None:
        slot, mailbox = process.slot, self._mailbox
        reply = int(mailbox.reply[slot])
        self._seen[slot] = reply
        time_ns = int(mailbox.time_ns[slot])
        if reply == READY:
            process.ready = True
            if (denied := mailbox.read_error(slot)) and not self._warned:
                self._warned = True
                warnings.warn(
                    f"workers cannot run at a lower priority than the tick loop: {denied}; ticks may be late",
                    RuntimeWarning,
                    2,
                )
            reports.append(Report(WorkerJoined(time_ns, process.worker)))
        elif reply >= 0:
            self._busy.pop(process.worker, None)
            self._losses = 0
            length = int(mailbox.length[slot])
            inference, last = divmod(reply, 2)
            if length == STOPPED:
                reports.append(Report(InferenceCancelled(time_ns, inference)))
            elif length == FAILED:
                reports.append(Report(InferenceFailed(time_ns, inference), traceback=mailbox.read_error(slot)))
            elif last:
                answer = mailbox.answers[slot, :length].copy()
                version = int(mailbox.version[slot])
                reports.append(Report(InferenceFinished(time_ns, inference, length, version), answer))
            else:
                reports.append(Report(TrunkFinished(time_ns, inference)))
        else:
            assert reply == BROKEN, reply  # it is about to exit; `_bury` reports it

    def _bury(self, process: WorkerProcess, reports: list[Report]) -> None:
        """Handle the end of a process: report it unless it was stopped on purpose, and free its slot."""
        slot = process.slot
        if self._mailbox.reply[slot] != self._seen[slot]:
            self._read(process, reports)
        retired = self._by_worker.pop(process.worker, None) is None
        self._busy.pop(process.worker, None)
        if not retired:
            self._losses += 1
            broken = self._mailbox.reply[slot] == BROKEN
            traceback = process.last_words(self._mailbox.read_error(slot) if broken else None)
            if process.ready:
                reports.append(Report(WorkerLost(monotonic_ns(), process.worker), traceback=traceback))
            else:
                reports.append(Report(None, traceback=traceback))
                self.add_worker(monotonic_ns())
        process.process.close()
        del self._by_slot[slot]
        self._mailbox.reply[slot] = self._mailbox.cancelled[slot] = self._seen[slot] = NONE
        self._free_slots.put(slot)

    def _kill_hanging(self) -> None:
        worker, since_ns = next(iter(self._busy.items()))
        if monotonic_ns() - since_ns > self._kind.hang_s * NS_PER_S:
            del self._busy[worker]
            process = self._by_worker.get(worker)
            if process is not None:
                process.kill(f"hung: no answer within hang_s={self._kind.hang_s} s")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._learning.close()
        self._supervisor.close()
        processes = [worker.process for worker in self._by_slot.values()]
        for worker in self._by_slot.values():
            self._mailbox.request[worker.slot] = STOP
            worker.go.release()
        end_children(processes, GOODBYE_S)
        self._mailbox.close()
        self._semaphores.close()
        self._by_slot.clear()
        self._by_worker.clear()
        self._done = Semaphore(0)  # releases the shared ones' memory
