"""Asynchronous learners, each a process: started, watched and replaced beside the tick loop, which waits for none.

The method of Mnih et al. 2016, *Asynchronous Methods for Deep Reinforcement Learning*, on a replay: each learner takes
a snapshot of the weights, computes its own gradient and applies it in its turn to the shared weights with the shared
state of Adam. Its price, staleness, is measured.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from heapq import heappop, heappush
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from time import monotonic, monotonic_ns, sleep
from traceback import format_exc
from typing import Any, Self

import cloudpickle
import numpy as np
from numpy.typing import NDArray
from torch import nn

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError, check_whole
from hocket.ipc.child_processes import WithEnvironment, check_nice, end_children, preload
from hocket.ipc.process_limits import check_room
from hocket.learn.algorithms.algorithm import Algorithm
from hocket.learn.learners.board import BROKEN, DIVERGED, READY, STARTING, LearnerBoard
from hocket.learn.learners.pace import Pace
from hocket.learn.learners.process import LearnerJob, learn
from hocket.learn.learners.status import LearningLog, LearningStatus
from hocket.learn.replay.mixed_replay import Samples
from hocket.learn.weights.shared_weights import SharedWeights
from hocket.policies.failures import USUAL_LIMITS, FailureLimits, FailureLog, check_failure_limits, restart_pause_s

GOODBYE_S = 1.0
START_S = 120.0
LOOK_S = 0.01
PRELOAD = learn.__module__, "torch._dynamo"
"""Modules that take seconds to import; Adam imports the latter on its first use."""


class LearnerProcesses:
    """``count`` learner processes. Use as a context manager, or `start` and `close`; `close` says more.

    The tick loop sets the tick of `board` at each tick, and that is all. Acting continues whatever happens to learners:
    one that dies is replaced, and if learning has to stop, `error` has the reason.

    Args:
        count: of learners. For one synchronous batch n times larger take one learner, ``dataclasses.replace(algorithm,
            batch_size=n * algorithm.batch_size)`` and ``threads=n``.
        algorithm: of learning.
        network: of the weights' kind, as the forward and backward passes are to run (`QNetwork.for_learning`). Copied.
        weights: what is learned.
        replay: what is learned from.
        pace: when updates are due. Updates are counted by the weights' version, so that both resume together.
        nice: added to the niceness of learners, 0 to 19, so that the tick loop runs first.
        threads: torch threads of each.
        hang_s: a learner that is at an update for longer is killed and replaced.
        limits: of learners that die in a row, without an update between, before learning stops. Until the first one
            has been up, only ``rounds`` counts. Dead learners are replaced after growing pauses.
        seed: of sampling and noise.

    Attributes:
        log: of the updates.

    Raises:
        ConfigurationError: if an option cannot work, or the network cannot be sent to a process.
    """

    def __init__(
        self,
        count: int,
        *,
        algorithm: Algorithm,
        network: nn.Module,
        weights: SharedWeights,
        replay: Samples,
        pace: Pace,
        nice: int = 10,
        threads: int = 1,
        hang_s: float = 300.0,
        limits: FailureLimits = USUAL_LIMITS,
        seed: int = 0,
    ) -> None:
        if not (math.isfinite(hang_s) and hang_s > 0):
            raise ConfigurationError(f"hang_s={hang_s!r} must be a finite number of seconds above 0; try 300")
        for name, value in (("count", count), ("threads", threads)):
            check_whole(name, value, example=1, numpy=True)
        check_nice(nice)
        check_failure_limits(limits)
        check_room(count, of="learner")
        weights.layout.matching(network)
        try:
            pickled = cloudpickle.dumps((algorithm, network))
        except Exception as error:
            raise ConfigurationError(
                f"{algorithm!r} with this {type(network).__name__} cannot be sent to a process: {error}; try a network "
                "of modules and plain functions"
            ) from error
        self._board = LearnerBoard(count)
        self._weights, self._count, self._hang_s = weights, count, hang_s
        self._job = LearnerJob(
            pickled=pickled,
            weights=weights,
            replay=replay,
            board=self._board,
            pace=pace,
            nice=nice,
            threads=threads,
        )
        self._seeds = np.random.SeedSequence(seed)
        self._version_at_failure = weights.version
        self.log = LearningLog(self._board, weights, pace)
        self._log_of_failures = FailureLog(limits, of="learners")
        self._begun = False  # a learner has been up
        self._context = multiprocessing.get_context("forkserver")
        self._running: dict[int, tuple[int, BaseProcess]] = {}  # by sentinel: the learner's number and its process
        self._wanted = [(0.0, number) for number in range(count)]  # heap of (time to start it in seconds, number)
        self._failures: list[str] = []
        self._error: str | None = None
        self._closing = self._closed = False
        self._bell, self._ring = Pipe(duplex=False)
        self._thread = Thread(target=self._keep, name="hocket-learners", daemon=True)

    # -- anybody's -------------------------------------------------------------------------------------------

    @property
    def board(self) -> LearnerBoard:
        """The board on which the tick loop stores its tick, which is all that learners need of it."""
        return self._board

    @property
    def error(self) -> str | None:
        """The reason why learning has stopped for good: a divergence, or a learner's last traceback. Else None."""
        return self._error

    @property
    def failures(self) -> Sequence[str]:
        """Each learner's that died or failed: its traceback, or how it ended."""
        return tuple(self._failures)

    def history(self) -> NDArray[Any]:
        """See `LearningLog`."""
        return self.log.history()

    def status(self) -> LearningStatus:
        """See `LearningLog`."""
        return self.log.status(failures=len(self._failures), error=self._error)

    def start(self) -> None:
        """Have the processes started; returns at once."""
        preload(PRELOAD)
        self._thread.start()

    def wait(self, seconds: float = START_S) -> None:
        """Block until every learner is up, learning has stopped, or ``seconds`` have passed."""
        give_up = monotonic() + seconds
        while not self._board.stopped and (self._board.states != READY).any() and monotonic() < give_up:
            sleep(LOOK_S)

    def close(self) -> None:
        """End all learners: what is landing lands, a gradient is cut off after a second. Then nothing is left.

        `status`, `history` and `error` stay readable.
        """
        if self._closed:
            return
        self._closed = self._closing = True
        self._board.stop()
        if self._thread.is_alive():
            self._ring.send_bytes(b"!")
            self._thread.join()
        processes = [process for _, process in self._running.values()]
        end_children(processes, GOODBYE_S)
        self._running.clear()
        self._board.states[:] = STARTING
        self._bell.close()
        self._ring.close()
        self._board.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- the supervisor's thread -----------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            self._watch()
        except BaseException:
            self._stop(format_exc())
            raise

    def _watch(self) -> None:
        while not self._closing:
            pause_s = min(1.0, self._hang_s)
            if self._wanted and not self._board.stopped:
                pause_s = min(pause_s, self._wanted[0][0] - monotonic())
                if pause_s <= 0:
                    self._start(heappop(self._wanted)[1])
                    continue
            for rung in wait([self._bell, *self._running], timeout=pause_s):
                if isinstance(rung, Connection):
                    return
                assert isinstance(rung, int)
                self._ended(rung)
            self._kill_hanging()

    def _kill_hanging(self) -> None:
        """The sentinels then say that they have ended."""
        for number, process in self._running.values():
            since_ns = self._board.busy_since_ns(number)
            if since_ns and monotonic_ns() - since_ns > self._hang_s * NS_PER_S:
                self._board.write_error(number, f"learner {number} hung: no update within hang_s={self._hang_s} s")
                self._board.states[number] = BROKEN
                process.kill()

    def _start(self, number: int) -> None:
        self._board.states[number] = STARTING
        process = self._context.Process(
            target=WithEnvironment(learn),
            args=(self._job, number, self._seeds.spawn(1)[0]),
            name=f"hocket-learner-{number}",
            daemon=True,
        )
        try:
            process.start()
        except Exception:
            self._failed(number, format_exc())
        else:
            self._running[process.sentinel] = number, process

    def _ended(self, sentinel: int) -> None:
        number, process = self._running.pop(sentinel)
        process.join()
        state = int(self._board.states[number])
        self._begun = self._begun or state == READY or self._board.busy_since_ns(number) > 0
        pid, exitcode = process.pid, process.exitcode
        process.close()
        self._board.release(number)
        self._board.states[number] = STARTING
        if state == DIVERGED:
            self._failures.append(self._board.read_error(number))
            self._stop(self._failures[-1])
        elif state == BROKEN:
            self._failed(number, self._board.read_error(number))
        elif exitcode or not self._board.stopped:
            hint = "" if state == READY else "; if this is a script, guard it with: if __name__ == '__main__':"
            self._failed(number, f"learner {number} (process {pid}) ended with exit code {exitcode}{hint}")

    def _failed(self, number: int, text: str) -> None:
        self._failures.append(text)
        log, version = self._log_of_failures, self._weights.version
        if version != self._version_at_failure:
            log.success()
        self._version_at_failure = version
        log.failure(text, monotonic_ns(), self._count)
        pause_s = restart_pause_s(log.in_a_row, self._count)
        verdict = log.verdict() if self._begun else log.verdict(outage_s=0.0)
        if verdict is not None:
            self._stop(verdict)
        else:
            heappush(self._wanted, (monotonic() + pause_s, number))

    def _stop(self, error: str) -> None:
        self._board.stop()
        if self._error is None:
            self._error = error
