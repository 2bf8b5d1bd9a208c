"""The supervisor of worker processes: a thread that starts processes and notices their ends.

Both can take long, and the tick loop waits for neither. The supervisor knows neither inferences nor the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from traceback import format_exc
from typing import Any

CHECK_S = 0.1
"""The interval in seconds at which starting processes and waiting orders are checked."""


class WorkerProcess:
    """The process of a worker and its slot in the mailbox.

    Attributes:
        go: the semaphore that wakes the process to read its slot.
        ready: True once it has reported its policy loaded.
        farewell: the reason why it was killed, or None.
    """

    def __init__(self, slot: int, worker: int, process: BaseProcess, go: Any) -> None:
        self.slot = slot
        self.worker = worker
        self.process = process
        self.go = go
        self.began = monotonic()
        self.ready = False
        self.farewell: str | None = None

    def kill(self, why: str) -> None:
        """Kill the process, for the reason ``why``."""
        self.farewell = f"worker {self.worker} {why}; it was killed"
        self.process.kill()

    def last_words(self, error: str | None) -> str:
        """Return the reason why it has ended; ``error`` is the traceback that it left, if any."""
        if self.farewell is not None:
            return self.farewell
        if error is not None:
            return error
        hint = "" if self.ready else "; if this is a script, guard it with: if __name__ == '__main__':"
        return f"worker {self.worker} (process {self.process.pid}) ended with exit code {self.process.exitcode}{hint}"


class WorkerSupervisor:
    """Starts a process for each order, and kills those that never finish starting.

    Args:
        spawn: makes and starts a worker's process; returns None while no slot is free.
        starting: returns True while a process has neither loaded its policy nor failed to.
        failed: called with the traceback of a ``spawn`` that raised; it is tried again.
        ended: called with each process that has ended.
        start_s: the time that a process may take to start.
    """

    def __init__(
        self,
        *,
        spawn: Callable[[int], WorkerProcess | None],
        starting: Callable[[WorkerProcess], bool],
        failed: Callable[[str], None],
        ended: Callable[[WorkerProcess], None],
        start_s: float,
    ) -> None:
        self._spawn = spawn
        self._starting = starting
        self._failed = failed
        self._ended = ended
        self._start_s = start_s
        self._orders: SimpleQueue[tuple[float, int]] = SimpleQueue()  # (earliest start in seconds, worker)
        self._watched: dict[int, WorkerProcess] = {}  # by sentinel
        self._bell, self._ring = Pipe(duplex=False)
        self._closing = False
        self._thread = Thread(target=self._keep, name="hocket-supervisor", daemon=True)

    def order(self, worker: int, pause_s: float = 0.0) -> None:
        """Start a process for ``worker`` in ``pause_s`` seconds."""
        self._orders.put((monotonic() + pause_s, worker))
        if not self._thread.is_alive():
            self._thread.start()
        self._ring.send_bytes(b"!")

    def close(self) -> None:
        """Stop starting and watching processes; running processes are left running."""
        self._closing = True
        if self._thread.is_alive():
            self._ring.send_bytes(b"!")
            self._thread.join()
        self._watched.clear()
        self._bell.close()
        self._ring.close()

    def _keep(self) -> None:
        while not self._closing:
            self._carry_out_orders()
            starting = [process for process in self._watched.values() if self._starting(process)]
            for process in starting:
                if monotonic() - process.began > self._start_s:
                    process.kill(f"had not loaded its policy after start_s={self._start_s} s")
            patient = not starting and self._orders.empty()
            for rung in wait([self._bell, *self._watched], None if patient else CHECK_S):
                if isinstance(rung, Connection):
                    rung.recv_bytes()
                    continue
                assert isinstance(rung, int)
                process = self._watched.pop(rung)
                process.process.join()
                self._ended(process)

    def _carry_out_orders(self) -> None:
        for _ in range(self._orders.qsize()):
            if self._closing:
                return
            not_before, worker = self._orders.get()
            if monotonic() < not_before:
                self._orders.put((not_before, worker))
                continue
            try:
                process = self._spawn(worker)
            except Exception:
                process = None
                self._failed(f"the process of worker {worker} could not be started:\n{format_exc()}")
            if process is None:
                self._orders.put((not_before, worker))
            else:
                self._watched[process.process.sentinel] = process
