"""The executor of virtual time: an event heap. A policy runs at once; its answer is posted after a drawn duration.

No decision may use what a realtime run could not know yet: an answer is computed when its inference starts and
released only when it ends.
"""

from __future__ import annotations

import traceback
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core import events as e
from hocket.core.events import Event
from hocket.drivers.engine import Engine
from hocket.drivers.executors.base import Executor
from hocket.drivers.run_setup import RunSetup
from hocket.errors import PolicyError
from hocket.latency.laws import LatencyModel
from hocket.policies.base import Stages, built
from hocket.policies.failures import FailureLog


class VirtualExecutor(Executor):
    """Runs the policy at once and reports its answer after a drawn duration.

    Args:
        setup: of the run.
        latency, head, learning: the laws of the durations of inferences (or trunks), heads and sequential learning.
        failures: counts successes and failures of inferences, and keeps those of learning.
    """

    def __init__(
        self,
        setup: RunSetup,
        *,
        latency: LatencyModel,
        head: LatencyModel,
        learning: LatencyModel,
        failures: FailureLog,
    ) -> None:
        seeds = np.random.SeedSequence(setup.seed).spawn(3)
        inference_rng, learning_rng, head_rng = (np.random.default_rng(s) for s in seeds)
        self.failures = failures
        try:
            self._policy = built(setup.policy)
        except Exception as error:
            raise PolicyError(f"the policy could not be built:\n{traceback.format_exc()}") from error
        self._encode = setup.codec.encode
        self._features: dict[int, Any] = {}  # by worker, of the trunk that it ran last
        self._duration = latency.checked_sampler(inference_rng)
        self._head_duration = head.checked_sampler(head_rng)
        self._learning_duration = learning.checked_sampler(learning_rng)
        self._learn = setup.learn
        self.background = setup.background
        self._workers = 0
        self._sequence = 0
        self._heap: list[tuple[int, int, Event, NDArray[Any] | str | None]] = []

    def post(self, event: Event, extra: NDArray[Any] | str | None = None) -> None:
        """Schedule ``event`` at its own time."""
        self._sequence += 1
        heappush(self._heap, (event.time_ns, self._sequence, event, extra))

    def start(self, inference: int, worker: int, inputs: tuple[NDArray[Any], ...], now_ns: int) -> None:
        if self.background is not None:
            self.background.advance(now_ns)
        done_ns = now_ns + self._duration(worker, now_ns)
        policy = self._policy
        try:
            if isinstance(policy, Stages):
                self._features[worker] = policy.trunk(inputs[0].copy())
                self.post(e.TrunkFinished(done_ns, inference))
                return
            answer = self._encode(policy(inputs[0].copy(), *inputs[1:]))  # the policy may keep or change its inputs
            version = int(getattr(policy, "version", 0))
        except Exception:
            self.post(e.InferenceFailed(done_ns, inference), traceback.format_exc())
        else:
            self.post(e.InferenceFinished(done_ns, inference, len(answer), version), answer)

    def bind(self, inference: int, worker: int, inputs: tuple[NDArray[Any], ...], now_ns: int) -> None:
        done_ns = now_ns + self._head_duration(worker, now_ns)
        policy = self._policy
        assert isinstance(policy, Stages)
        try:
            answer = self._encode(policy.head(self._features.pop(worker), *(array.copy() for array in inputs)))
            version = int(getattr(policy, "version", 0))
        except Exception:
            self.post(e.InferenceFailed(done_ns, inference), traceback.format_exc())
        else:
            self.post(e.InferenceFinished(done_ns, inference, len(answer), version), answer)

    def add_worker(self, now_ns: int) -> None:
        self.post(e.WorkerJoined(now_ns, self._workers))
        self._workers += 1

    def retire(self, worker: int) -> None:
        self._features.pop(worker, None)

    def learn(self, now_ns: int) -> None:
        failure = None
        ended_ns = now_ns + self._learning_duration(-1, now_ns)
        if self.background is not None:
            self.background.learn(now_ns, ended_ns)
        if self._learn is not None:
            try:
                self._learn()
            except Exception:
                failure = traceback.format_exc()
        if failure is not None:
            self.failures.learning_failure(failure)
        self.post(e.LearningFinished(ended_ns))

    def advance(self, until_ns: int, engine: Engine) -> None:
        """Process all events up to ``until_ns``; a timer at that exact time is left to its tick."""
        heap = self._heap
        while True:
            wake_ns = engine.wake_ns
            if heap and heap[0][0] <= until_ns and (wake_ns is None or heap[0][0] <= wake_ns):
                _, _, event, extra = heappop(heap)
                if type(event) is e.InferenceFinished:
                    assert isinstance(extra, np.ndarray)
                    self.failures.success()
                    engine.finished(event, extra)
                else:
                    engine.feed(event)
                    if isinstance(extra, str):
                        self.failures.failure(extra, event.time_ns, engine.scheduler.workers)
                        self.failures.check()
            elif wake_ns is not None and wake_ns < until_ns:
                engine.timer_due()
            else:
                return
