"""The books of inferences: which worker runs which, what waits for its head, how each has ended.

Every inference is here from its start to the end of its life: it has run to its end *and* has its outcome. What moves
it from one to the other is the scheduler's business.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from heapq import heapify, heappush

from hocket.core import commands as c
from hocket.core.answers import Answers
from hocket.core.cadence import Cadence
from hocket.core.commands import Command, Outcome
from hocket.core.inference import Inference
from hocket.core.rules.base import Schedule
from hocket.errors import ProtocolError


class Ledger:
    """Each inference ends exactly once, and no worker runs two.

    Attributes:
        started: how many inferences there have been.
        outcomes: how many of them ended in each way, indexed by ``Outcome``.
    """

    def __init__(self, schedule: Schedule, cadence: Cadence, head_ns: int) -> None:
        self.schedule = schedule
        self.cadence = cadence
        self.head_ns = head_ns
        self.started = 0
        self.outcomes = [0] * len(Outcome)
        self._running_on: dict[int, Inference | None] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._running: dict[int, Inference] = {}
        self._answers = Answers(self.schedule, self._end)
        self._open: dict[int, int] = {}  # observation → inferences of it that run or may still be executed
        self._answered: set[int] = set()  # those of them that have an answer, or features that wait for their head
        self._waiting: list[tuple[int, int, int, Inference]] = []  # heap of (when to bind, id, to which tick, who)

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._running_on)

    def _stop(self, id: int) -> Inference:
        inference = self._running.pop(id, None)
        if inference is None:
            raise ProtocolError(f"inference {id} is not running")
        return inference

    def _part(self, inference: Inference, now_ns: int) -> None:
        """``inference``, which runs no more, leaves its worker."""
        inference.finished_ns = now_ns
        self._free(inference.worker)
        self.schedule.inference_finished(inference)

    def _free(self, worker: int) -> None:
        self._running_on[worker] = None
        self._idle[worker] = None

    def _useless(self, observation: int) -> Outcome:
        """How an answer to ``observation`` ends that comes after another or after something newer has run."""
        another = observation in self._answered or observation == self._answers.last[0]
        return Outcome.DUPLICATE if another else Outcome.DROPPED

    def _close(self, observation: int) -> None:
        """An inference of ``observation`` has ended and runs no more."""
        left = self._open[observation] - 1
        if left:
            self._open[observation] = left
        else:
            del self._open[observation]
            self._answered.discard(observation)

    def _end(self, inference: Inference, outcome: Outcome, out: list[Command]) -> None:
        inference.outcome = outcome
        self.outcomes[outcome] += 1
        out.append(c.EndInference(inference.id, outcome))
        if inference.id not in self._running:
            self._close(inference.observation)
        self.schedule.inference_ended(inference)

    def _fail(self, inference: Inference, out: list[Command]) -> None:
        if inference.ready_ns >= 0:
            self._unbind(inference)
        if inference.outcome is None:
            self._end(inference, Outcome.FAILED, out)
        else:
            self._close(inference.observation)

    def _settle(self, inference: Inference, outcome: Outcome, now_ns: int, out: list[Command]) -> None:
        """End an inference that needs its worker no more, if it has not ended before."""
        if inference.outcome is None:
            self._end(inference, outcome, out)
        self._part(self._stop(inference.id), now_ns)
        self._close(inference.observation)

    def _leave(self, worker: int, now_ns: int, out: list[Command]) -> None:
        inference = self._running_on.pop(worker)
        if inference is None:
            del self._idle[worker]
        else:
            del self._running[inference.id]
            self._fail(inference, out)
        self.schedule.worker_lost(worker, now_ns)

    def _await_bind(self, inference: Inference, tick: int) -> None:
        heappush(self._waiting, (self.cadence.deadline_ns(tick) - self.head_ns, inference.id, tick, inference))

    def _unbind(self, inference: Inference) -> None:
        """It will not answer; a slower copy of it may."""
        if inference.outcome is None:
            self._answered.discard(inference.observation)
        if inference.bound_tick < 0:
            self._waiting[:] = [waiting for waiting in self._waiting if waiting[3] is not inference]
            heapify(self._waiting)

    def validate(self) -> None:
        """Assert every invariant of these books; for tests, after each event."""
        busy = {worker for worker, inference in self._running_on.items() if inference is not None}
        assert busy.isdisjoint(self._idle) and busy | set(self._idle) == set(self._running_on)
        assert {i.id for i in self._running_on.values() if i is not None} == set(self._running)
        assert all(self._running_on[i.worker] is i for i in self._running.values())
        self._answers.validate()
        ready = list(self._answers)
        assert all(i.id not in self._running for i in ready)
        live = [i for i in [*self._running.values(), *ready] if i.outcome is None]
        assert len({i.id for i in live}) == len(live)
        assert self.started == len(live) + sum(self.outcomes), "every inference ends exactly once"
        running_or_live = {i.id: i.observation for i in [*self._running.values(), *live]}
        assert self._open == Counter(running_or_live.values())
        found = {i.observation for i in live if i.finished_ns >= 0 or i.ready_ns >= 0}
        assert found <= self._answered <= self._open.keys()
        waiting = [i for _, _, _, i in self._waiting]
        assert {i.id for i in waiting} == {i.id for i in self._running.values() if i.ready_ns >= 0 > i.bound_tick}
        assert all(i.outcome is None for i in waiting) and len(set(waiting)) == len(waiting)
