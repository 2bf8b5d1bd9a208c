"""Workers as processes: for policies that keep a processor busy. Forkserver, shared memory, semaphores."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from time import monotonic, monotonic_ns
from traceback import format_exc
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from hocket.core.events import InferenceFailed, InferenceFinished, WorkerJoined, WorkerLost
from hocket.drivers.executors.base import ExecutorKind, Job, RealtimeExecutor, Report, check_nice, check_seconds
from hocket.drivers.executors.learning import LearningThread
from hocket.drivers.executors.mailbox import BROKEN, NONE, READY, STOP, Mailbox
from hocket.drivers.executors.worker import serve, spin
from hocket.errors import PolicyError

NS_PER_S = 1_000_000_000
DYING_SLOTS = 8
GOODBYE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes(ExecutorKind):
    """One process a worker.

    Args:
        nice: how far workers stand back behind the tick loop, 0 to 19.
        hang_s: a worker that has not answered for this long is killed and replaced.
        start_s: how long the first workers may take to load their policies.
    """

    nice: int = 10
    hang_s: float = 30.0
    start_s: float = 120.0

    def __post_init__(self) -> None:
        check_nice(self.nice)
        check_seconds("hang_s", self.hang_s)
        check_seconds("start_s", self.start_s)

    def executor(self, job: Job, learn: Callable[[], None] | None) -> RealtimeExecutor:
        return ProcessExecutor(self, job, learn)


class _Slot:
    """A worker process and its place in the mailbox."""

    def __init__(self, index: int, worker: int, process: Any, go: Any) -> None:
        self.index = index
        self.worker = worker
        self.process = process
        self.go = go
        self.ready = False
        self.farewell: str | None = None
        """Why we killed it, if we did."""


class ProcessExecutor(RealtimeExecutor):
    """Processes are started and watched by a thread of their own, so that the tick loop never waits for either."""

    def __init__(self, kind: Processes, job: Job, learn: Callable[[], None] | None) -> None:
        self._kind = kind
        self._job = job
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["hocket.drivers.executors.worker", *job.policy.preload])
        self._pickled = cloudpickle.dumps((job.policy, job.codec))
        capacity = job.most_workers + DYING_SLOTS
        self._mailbox = Mailbox(
            capacity,
            job.observation_shape,
            job.observation_dtype,
            job.codec.shape,
            job.codec.dtype,
        )
        self._mailbox.reply[:] = NONE
        self._seen = np.full(capacity, NONE, np.int64)
        self._done = self._context.Semaphore(0)
        self._free_slots: SimpleQueue[int] = SimpleQueue()
        for index in range(capacity):
            self._free_slots.put(index)
        self._slots: dict[int, _Slot] = {}  # by slot index
        self._by_worker: dict[int, _Slot] = {}
        self._busy: dict[int, int] = {}  # worker → when it started, in the order of starting
        self._extra: deque[Report] = deque()  # reports that do not come through the mailbox
        self._dead: deque[_Slot] = deque()
        self._learning = LearningThread(learn, self._deliver)
        self._orders: SimpleQueue[int] = SimpleQueue()
        self._bell, self._ring = self._context.Pipe(duplex=False)
        self._closing = False
        self._next = 0
        self._keeper = Thread(target=self._keep, name="hocket-keeper", daemon=True)

    # -- the keeper thread: starts processes and notices their deaths ---------------------------------------

    def _keep(self) -> None:
        watched: dict[int, _Slot] = {}
        while not self._closing:
            while not self._orders.empty():
                try:
                    slot = self._spawn(self._orders.get())
                except Exception:
                    self._deliver(Report(None, traceback=format_exc()))
                else:
                    watched[slot.process.sentinel] = slot
            for rung in wait([self._bell, *watched]):
                if isinstance(rung, Connection):
                    rung.recv_bytes()
                    continue
                assert isinstance(rung, int)
                slot = watched.pop(rung)
                slot.process.join()
                self._dead.append(slot)
                self._done.release()

    def _spawn(self, worker: int) -> _Slot:
        index = self._free_slots.get(timeout=self._kind.start_s)
        self._mailbox.clear(index)
        self._seen[index] = NONE
        go = self._context.Semaphore(0)
        process = self._context.Process(
            target=serve,
            args=(self._mailbox, index, go, self._done, self._pickled, self._kind.nice),
            name=f"hocket-worker-{worker}",
            daemon=True,
        )
        slot = _Slot(index, worker, process, go)
        self._slots[index] = self._by_worker[worker] = slot
        process.start()
        return slot

    def _deliver(self, report: Report) -> None:
        self._extra.append(report)
        self._done.release()

    # -- the tick loop's side -------------------------------------------------------------------------------

    def launch(self) -> list[Report]:
        self._keeper.start()
        for _ in range(self._job.workers):
            self.add_worker(monotonic_ns())
        joined: list[Report] = []
        give_up = monotonic() + self._kind.start_s
        while len(joined) < self._job.workers:
            self.wait(monotonic_ns() + NS_PER_S // 10)
            for report in self.reports():
                if report.traceback is not None:
                    self.close()
                    raise PolicyError(f"a worker could not build its policy:\n{report.traceback}")
                joined.append(report)
            if monotonic() > give_up:
                self.close()
                raise PolicyError(
                    f"{len(joined)} of {self._job.workers} workers were ready after start_s={self._kind.start_s} s; "
                    "is the policy slow to build? Try Processes(start_s=600)"
                )
        return joined

    def add_worker(self, now_ns: int) -> None:
        worker = self._next
        self._next += 1
        self._orders.put(worker)
        self._ring.send_bytes(b"!")

    def start(self, inference: int, worker: int, observation: NDArray[Any], now_ns: int) -> None:
        slot = self._by_worker.get(worker)
        if slot is None:
            return  # it died this instant; its loss is being reported
        index = slot.index
        np.copyto(self._mailbox.observations[index], observation)
        self._mailbox.request[index] = inference
        self._busy[worker] = monotonic_ns()
        slot.go.release()

    def retire(self, worker: int) -> None:
        slot = self._by_worker.pop(worker, None)
        if slot is not None:
            self._mailbox.request[slot.index] = STOP
            slot.go.release()

    def learn(self, now_ns: int) -> None:
        self._learning.start()

    def wait(self, until_ns: int) -> None:
        if until_ns > monotonic_ns() and not spin(self._done):
            self._done.acquire(True, max(0.0, (until_ns - monotonic_ns()) / NS_PER_S))

    def reports(self) -> list[Report]:
        while self._done.acquire(False):
            pass
        reports: list[Report] = []
        news = np.flatnonzero(self._mailbox.reply != self._seen)
        if len(news):
            for index in news.tolist():
                self._read(self._slots[index], reports)
            if len(reports) > 1:
                reports.sort(key=lambda report: report.event.time_ns if report.event else 0)
        while self._extra:
            reports.append(self._extra.popleft())
        while self._dead:
            self._bury(self._dead.popleft(), reports)
        if self._busy:
            self._kill_hanging()
        return reports

    def _read(self, slot: _Slot, reports: list[Report]) -> None:
        index, mailbox = slot.index, self._mailbox
        reply = int(mailbox.reply[index])
        self._seen[index] = reply
        time_ns = int(mailbox.time_ns[index])
        if reply == READY:
            slot.ready = True
            reports.append(Report(WorkerJoined(time_ns, slot.worker)))
        elif reply >= 0:
            self._busy.pop(slot.worker, None)
            length = int(mailbox.length[index])
            if length < 0:
                reports.append(Report(InferenceFailed(time_ns, reply), traceback=mailbox.read_error(index)))
            else:
                answer = mailbox.answers[index, :length].copy()
                reports.append(Report(InferenceFinished(time_ns, reply, length), answer))
        else:
            assert reply == BROKEN, reply  # it is about to exit; `_bury` reports it

    def _bury(self, slot: _Slot, reports: list[Report]) -> None:
        """A process has ended: report it unless we sent it away, and make its slot free."""
        if self._mailbox.reply[slot.index] != self._seen[slot.index]:
            self._read(slot, reports)
        retired = self._by_worker.pop(slot.worker, None) is None
        self._busy.pop(slot.worker, None)
        if not retired:
            traceback = (
                slot.farewell
                or self._mailbox.read_error(slot.index)
                or (
                    f"worker {slot.worker} (process {slot.process.pid}) ended with exit code {slot.process.exitcode}"
                    + ("" if slot.ready else "; if this is a script, guard it with: if __name__ == '__main__':")
                )
            )
            if slot.ready:
                reports.append(Report(WorkerLost(monotonic_ns(), slot.worker), traceback=traceback))
            else:
                reports.append(Report(None, traceback=traceback))
                self.add_worker(monotonic_ns())
        del self._slots[slot.index]
        slot.process.close()
        self._seen[slot.index] = self._mailbox.reply[slot.index]
        self._free_slots.put(slot.index)

    def _kill_hanging(self) -> None:
        worker, since_ns = next(iter(self._busy.items()))
        if monotonic_ns() - since_ns > self._kind.hang_s * NS_PER_S:
            del self._busy[worker]
            slot = self._by_worker.get(worker)
            if slot is not None:
                slot.farewell = f"worker {worker} hung: no answer within hang_s={self._kind.hang_s} s; it was killed"
                slot.process.kill()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._learning.close()
        self._ring.send_bytes(b"!")
        self._keeper.join()
        processes = []
        for slot in self._slots.values():
            self._mailbox.request[slot.index] = STOP
            slot.go.release()
            processes.append(slot.process)
        give_up = monotonic() + GOODBYE_S
        for process in processes:
            with contextlib.suppress(ValueError):  # closed already
                process.join(max(0.0, give_up - monotonic()))
        for process in processes:
            with contextlib.suppress(ValueError):
                if process.is_alive():
                    process.kill()
                process.join()
                process.close()
        self._bell.close()
        self._ring.close()
        self._mailbox.close()
