"""The executor of virtual time: an event heap. A policy runs at once; its answer is posted after a drawn duration.

No decision may use what a realtime run could not know yet: an answer is computed when its inference starts and
released only when it ends.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hocket.core import events as e
from hocket.core.events import Event
from hocket.drivers.engine import Engine
from hocket.drivers.executors.base import Executor
from hocket.drivers.run_setup import RunSetup
from hocket.errors import PolicyError
from hocket.latency.laws import LatencyModel
from hocket.latency.sharing import ProcessorSharing, SharedProcessors
from hocket.policies.base import Batching, Stages, built
from hocket.policies.failures import FailureLog
from hocket.spaces.observations import copied

End = e.InferenceFinished | e.TrunkFinished | e.InferenceFailed


class SharedEnd(NamedTuple):
    """The next end of an inference on shared processors, unless one starts or stops before: then it is void."""

    inference: int


Posted = tuple[int, int, Event | SharedEnd, NDArray[Any] | str | None]
"""A time, a number that orders what happens then, the event, and an answer or a traceback."""


@dataclass(slots=True)
class _Started:
    """An inference, or a stage of one, that has started and is not computed yet."""

    stage: Batching
    prepared: Any
    take: Callable[[Any, str | None], None]
    """Called with its result, or with the traceback of what it raised."""


@dataclass(slots=True)
class InferenceBatch:
    """Collects the inferences of several runs that start at one instant, and computes them together.

    Each is prepared when it starts, with the weights of that moment: `compute` must be called before anything else
    happens. Stages of one kind must be of the same network.
    """

    _started: list[_Started] = field(default_factory=list)

    def add(self, stage: Batching, inputs: tuple[Any, ...], take: Callable[[Any, str | None], None]) -> None:
        """Prepare an inference; its result is passed to ``take``, or the traceback of what it raised."""
        try:
            prepared = stage.prepare(*inputs)
        except Exception:
            take(None, traceback.format_exc())
        else:
            self._started.append(_Started(stage, prepared, take))

    def compute(self) -> None:
        """Compute all that have been added, the stages of each kind in one call."""
        if not self._started:
            return
        kinds: dict[type, list[_Started]] = {}
        for each in self._started:
            kinds.setdefault(type(each.stage), []).append(each)
        self._started.clear()
        for group in kinds.values():
            try:
                results = group[0].stage.answer([each.prepared for each in group])
            except Exception:
                self._compute_singly(group)
            else:
                for each, result in zip(group, results, strict=True):
                    each.take(result, None)

    def _compute_singly(self, group: list[_Started]) -> None:
        """One at a time, to find those that raise."""
        for each in group:
            try:
                (result,) = each.stage.answer((each.prepared,))
            except Exception:
                each.take(None, traceback.format_exc())
            else:
                each.take(result, None)


class VirtualExecutor(Executor):
    """Runs the policy at once and reports its answer after a drawn duration.

    Args:
        setup: of the run.
        latency, head, learning: the laws of the durations of inferences (or trunks), heads and sequential learning.
        failures: counts successes and failures of inferences, and keeps those of learning.
        batch: of a run among copies whose policy is `Batching`: computes its inferences with theirs.
    """

    def __init__(
        self,
        setup: RunSetup,
        *,
        latency: LatencyModel,
        head: LatencyModel,
        learning: LatencyModel,
        failures: FailureLog,
        batch: InferenceBatch | None = None,
    ) -> None:
        seeds = np.random.SeedSequence(setup.seed).spawn(3)
        inference_rng, learning_rng, head_rng = (np.random.default_rng(s) for s in seeds)
        self.failures = failures
        try:
            self._policy = built(setup.policy)
        except Exception as error:
            raise PolicyError(f"the policy could not be built:\n{traceback.format_exc()}") from error
        self._batch = batch
        self._encode = setup.codec.encode
        self._features: dict[int, Any] = {}  # by worker, of the trunk that it ran last
        self._duration = latency.checked_sampler(inference_rng)
        self._head_duration = head.checked_sampler(head_rng)
        self._learning_duration = learning.checked_sampler(learning_rng)
        self._learn = setup.learn
        self.background = setup.background
        self._workers = 0
        self._cancelled: set[int] = set()  # their ends are still in the heap
        self._shared = SharedProcessors(latency.capacity) if isinstance(latency, ProcessorSharing) else None
        self._shared_ends: dict[int, tuple[End, NDArray[Any] | str | None]] = {}  # by inference on shared processors
        self._next_shared: SharedEnd | None = None
        self._sequence = 0
        self._heap: list[Posted] = []

    def post(self, event: Event, extra: NDArray[Any] | str | None = None) -> None:
        """Schedule ``event`` at its own time."""
        self._sequence += 1
        heappush(self._heap, (event.time_ns, self._sequence, event, extra))

    def start(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        if self.background is not None:
            self.background.advance(now_ns)
        done_ns = now_ns + self._duration(worker, now_ns)
        policy = self._policy
        if self._batch is not None:
            if isinstance(policy, Stages):
                self._add(policy.trunk, inputs, inference, now_ns, done_ns, worker)
            else:
                self._add(policy, inputs, inference, now_ns, done_ns, -1)
            return
        try:
            if isinstance(policy, Stages):
                self._features[worker] = policy.trunk(copied(inputs[0]))
                self._post_end(e.TrunkFinished(done_ns, inference), None, now_ns)
                return
            observation = copied(inputs[0])  # the policy may keep or change its inputs
            answer = self._encode(policy(observation, *inputs[1:]) if len(inputs) > 1 else policy(observation))
            version = int(getattr(policy, "version", 0))
        except Exception:
            self._post_end(e.InferenceFailed(done_ns, inference), traceback.format_exc(), now_ns)
            return
        finished = e.InferenceFinished(done_ns, inference, len(answer), version)
        if self._shared is None:
            self._sequence += 1
            heappush(self._heap, (done_ns, self._sequence, finished, answer))
        else:
            self._post_end(finished, answer, now_ns)

    def _post_end(self, event: End, extra: NDArray[Any] | str | None, now_ns: int) -> None:
        """Schedule the end of an inference: at its own time, or when the shared processors have done its work."""
        if self._shared is None:
            self.post(event, extra)
            return
        self._shared_ends[event.inference] = event, extra
        self._shared.start(event.inference, event.time_ns - now_ns, now_ns)
        self._post_shared_end(self._shared)

    def _post_shared_end(self, shared: SharedProcessors) -> None:
        self._next_shared = None
        following = shared.next_end()
        if following is not None:
            time_ns, inference = following
            self._next_shared = SharedEnd(inference)
            self._sequence += 1
            heappush(self._heap, (time_ns, self._sequence, self._next_shared, None))

    def _take_shared_end(self, end: SharedEnd, now_ns: int) -> None:
        """Post the end of an inference on shared processors, which has come, unless it is void."""
        if end is self._next_shared:
            assert self._shared is not None
            self._shared.stop(end.inference, now_ns)
            event, extra = self._shared_ends.pop(end.inference)
            self.post(replace(event, time_ns=now_ns), extra)
            self._post_shared_end(self._shared)

    def cancel(self, inference: int, worker: int, now_ns: int) -> None:
        if inference in self._shared_ends and self._shared is not None:
            self._shared.stop(inference, now_ns)
            del self._shared_ends[inference]
            self._post_shared_end(self._shared)
        else:
            self._cancelled.add(inference)
        self._features.pop(worker, None)
        self.post(e.InferenceCancelled(now_ns, inference))

    def bind(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        done_ns = now_ns + self._head_duration(worker, now_ns)
        policy = self._policy
        assert isinstance(policy, Stages)
        if self._batch is not None:
            self._add(policy.head, (self._features.pop(worker), *inputs), inference, -1, done_ns, -1)
            return
        try:
            answer = self._encode(policy.head(self._features.pop(worker), *copied(inputs)))
            version = int(getattr(policy, "version", 0))
        except Exception:
            self.post(e.InferenceFailed(done_ns, inference), traceback.format_exc())
        else:
            self.post(e.InferenceFinished(done_ns, inference, len(answer), version), answer)

    def _add(
        self, stage: Any, inputs: tuple[Any, ...], inference: int, now_ns: int, done_ns: int, trunk_of: int
    ) -> None:
        """Compute an inference with those of other copies.

        ``now_ns`` is -1 for a head, which shares no processors; ``trunk_of`` is the worker whose trunk it is, or -1.
        """
        assert self._batch is not None
        # What happens at one time happens in the order of starts, whenever the results come.
        self._sequence += 1
        sequence, version = self._sequence, 0

        def take(result: Any, failure: str | None) -> None:
            event: End
            extra: NDArray[Any] | str | None = failure
            if failure is None and trunk_of >= 0:
                self._features[trunk_of] = result
                event = e.TrunkFinished(done_ns, inference)
            elif failure is None:
                try:
                    extra = self._encode(result)
                    event = e.InferenceFinished(done_ns, inference, len(extra), version)
                except Exception:
                    extra = traceback.format_exc()
                    event = e.InferenceFailed(done_ns, inference)
            else:
                event = e.InferenceFailed(done_ns, inference)
            if now_ns < 0 or self._shared is None:
                heappush(self._heap, (done_ns, sequence, event, extra))
            else:
                self._post_end(event, extra, now_ns)

        self._batch.add(stage, inputs, take)
        version = int(getattr(self._policy, "version", 0))

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

    def _is_void(self, event: Event | SharedEnd) -> bool:
        """Return whether ``event`` is the end of an inference that was stopped before; each is asked about once."""
        if isinstance(event, End) and event.inference in self._cancelled:
            self._cancelled.remove(event.inference)
            return True
        return False

    def advance(self, until_ns: int, engine: Engine) -> None:
        """Process all events up to ``until_ns``; a timer at that exact time is left to its tick."""
        heap = self._heap
        while True:
            wake_ns = engine.wake_ns
            if heap and heap[0][0] <= until_ns and (wake_ns is None or heap[0][0] <= wake_ns):
                self._process(heappop(heap), engine)
            elif wake_ns is not None and wake_ns < until_ns:
                engine.timer_due()
            else:
                return

    def next_ns(self, until_ns: int, engine: Engine) -> int | None:
        """The time of the next event or timer, or None if there is none up to ``until_ns``."""
        heap, wake_ns = self._heap, engine.wake_ns
        if heap and heap[0][0] <= until_ns and (wake_ns is None or heap[0][0] <= wake_ns):
            return heap[0][0]
        return wake_ns if wake_ns is not None and wake_ns < until_ns else None

    def step(self, engine: Engine) -> None:
        """Process the event or timer that `next_ns` has found."""
        heap, wake_ns = self._heap, engine.wake_ns
        if wake_ns is not None and not (heap and heap[0][0] <= wake_ns):
            engine.timer_due()
        else:
            self._process(heappop(heap), engine)

    def _process(self, posted: Posted, engine: Engine) -> None:
        time_ns, _, event, extra = posted
        if self._cancelled and self._is_void(event):
            return
        if type(event) is e.InferenceFinished:
            assert isinstance(extra, np.ndarray)
            self.failures.success()
            engine.finished(event, extra)
            return
        if isinstance(event, SharedEnd):
            self._take_shared_end(event, time_ns)
            return
        engine.feed(event)
        if isinstance(extra, str):
            self.failures.failure(extra, event.time_ns, engine.scheduler.workers)
            self.failures.check()
