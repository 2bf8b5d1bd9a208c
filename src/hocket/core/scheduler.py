"""The scheduler: events in, commands out.

It keeps the books that every rule shares. Each tick is fresh, default or missed, exactly once; each inference
ends in exactly one way; no worker runs two inferences; actions never go back in (observation, chunk step).
*When* to start and *what* to hold back is the rule's business.

At one instant events come in this order: finished inferences, the deadline, its tick, a timer. Between a
deadline and its tick nothing is started, because a newer observation is on its way.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.answers import Answers
from hocket.core.cadence import Cadence
from hocket.core.commands import Command, Outcome
from hocket.core.events import Event
from hocket.core.inference import Inference
from hocket.core.rules.base import Rule
from hocket.errors import ProtocolError


class Scheduler:
    """One run's scheduling state under ``rule`` at ``cadence``.

    Attributes:
        tick: the newest observation, -1 before tick 0.
        fresh, default, missed: how many ticks were filled how.
        outcomes: how many inferences ended in each way, indexed by ``Outcome``.
    """

    def __init__(self, rule: Rule, cadence: Cadence) -> None:
        self.cadence = cadence
        self.schedule = rule.schedule(cadence)
        self.tick = -1
        self.fresh = self.default = self.missed = self.started = 0
        self.outcomes = [0] * len(Outcome)
        self._acted = 0  # the last tick whose deadline was handled; tick 0 is the reset and executes nothing
        self._next_deadline_ns = cadence.deadline_ns(0)
        self._ended = False
        self._running_on: dict[int, Inference | None] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._joining = 0
        self._running: dict[int, Inference] = {}
        self._answers = Answers(self.schedule, self._end)
        self._open: dict[int, int] = {}  # observation → inferences of it that run or may still be executed
        self._answered: set[int] = set()  # those of them that have an answer
        self._wake_ns: int | None = None
        self._learning = False
        self._handlers: dict[type, Callable[[Any, list[Command]], None]] = {
            e.WorkerJoined: self._worker_joined,
            e.WorkerLost: self._worker_lost,
            e.DeadlineReached: self._deadline_reached,
            e.Ticked: self._ticked,
            e.InferenceFinished: self._inference_finished,
            e.InferenceFailed: self._inference_failed,
            e.TimerDue: self._timer_due,
            e.LearningFinished: self._learning_finished,
            e.PredictabilityEstimated: self._predictability_estimated,
            e.RunEnded: self._run_ended,
        }

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._running_on)

    @property
    def oldest_needed(self) -> int:
        """The oldest observation that a later ``StartInference`` may name."""
        return self.schedule.oldest_needed(self.tick)

    def handle(self, event: Event) -> list[Command]:
        """Take in what happened; return what to do, in order.

        Raises:
            ProtocolError: if the event cannot follow the ones before it.
        """
        out: list[Command] = []
        if self._ended:
            raise ProtocolError(f"{event!r} after the run has ended")
        self._handlers[type(event)](event, out)
        if (event.time_ns < self._next_deadline_ns or type(event) is e.Ticked) and not self._ended:
            self._dispatch(event.time_ns, out)
        return out

    # -- ticks ---------------------------------------------------------------------------------------------

    def _deadline_reached(self, event: e.DeadlineReached, out: list[Command]) -> None:
        tick = event.tick
        if tick <= self._acted or self.tick != self._acted:
            raise ProtocolError(
                f"deadline {tick} after deadline {self._acted} and observation {self.tick}: "
                "deadlines ascend, and each is followed by its Ticked"
            )
        self.missed += tick - self._acted - 1
        self._acted = tick
        if event.overrun:
            self._answers.release(tick, out)
        elif (action := self._answers.act(tick, out)) is not None:
            inference, step = action
            self.fresh += 1
            out.append(c.Execute(tick, inference.id, step, tick - inference.observation))
            if step == inference.length - 1:
                self._end(inference, Outcome.EXECUTED, out)
            return
        self.default += 1
        out.append(c.ExecuteDefault(tick))

    def _ticked(self, event: e.Ticked, out: list[Command]) -> None:
        tick = event.tick
        if tick != self._acted or tick == self.tick:
            raise ProtocolError(
                f"Ticked {tick} after observation {self.tick} and deadline {self._acted}: "
                "tick 0 comes first and has no deadline event; every later one follows its own"
            )
        self.tick = tick
        self._next_deadline_ns = self.cadence.deadline_ns(tick + 1)
        if event.episode_ended:
            self._discard_all(out)
            self._answers.last = (tick - 1, 0)
        self.schedule.ticked(tick, event.time_ns, event.episode_ended)
        self._staff(out)

    def _run_ended(self, event: e.RunEnded, out: list[Command]) -> None:
        self._discard_all(out)
        self._ended = True

    # -- inferences ----------------------------------------------------------------------------------------

    def _inference_finished(self, event: e.InferenceFinished, out: list[Command]) -> None:
        if event.length < 1:
            raise ProtocolError(f"{event!r} has no actions; at least 1 is needed")
        inference = self._stop(event.inference)
        inference.finished_ns = event.time_ns
        inference.length = event.length
        inference.usable_tick = self.cadence.tick_from(event.time_ns)
        self._free(inference.worker)
        self.schedule.inference_finished(inference)
        observation = inference.observation
        if inference.outcome is not None:
            self._close(observation)
        elif observation in self._answered or observation == self._answers.last[0]:
            self._end(inference, Outcome.DUPLICATE, out)
        elif observation < self._answers.last[0]:
            self._end(inference, Outcome.DROPPED, out)
        else:
            self._answered.add(observation)
            self._answers.add(inference)

    def _inference_failed(self, event: e.InferenceFailed, out: list[Command]) -> None:
        inference = self._stop(event.inference)
        self._free(inference.worker)
        self.schedule.inference_failed(inference, event.time_ns)
        self._fail(inference, out)

    def _stop(self, id: int) -> Inference:
        inference = self._running.pop(id, None)
        if inference is None:
            raise ProtocolError(f"inference {id} is not running")
        return inference

    def _free(self, worker: int) -> None:
        self._running_on[worker] = None
        self._idle[worker] = None

    def _fail(self, inference: Inference, out: list[Command]) -> None:
        if inference.outcome is None:
            self._end(inference, Outcome.FAILED, out)
        else:
            self._close(inference.observation)

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

    def _discard_all(self, out: list[Command]) -> None:
        self._answers.discard(out)
        for inference in self._running.values():
            if inference.outcome is None:
                self._end(inference, Outcome.DISCARDED, out)

    # -- workers, timers, learning -------------------------------------------------------------------------

    def _worker_joined(self, event: e.WorkerJoined, out: list[Command]) -> None:
        worker = event.worker
        if worker in self._running_on:
            raise ProtocolError(f"worker {worker} has joined before")
        self._joining = max(0, self._joining - 1)
        self._free(worker)
        self.schedule.worker_joined(worker, event.time_ns)

    def _worker_lost(self, event: e.WorkerLost, out: list[Command]) -> None:
        worker = event.worker
        if worker not in self._running_on:
            raise ProtocolError(f"worker {worker} is not here; the workers are {sorted(self._running_on)}")
        self._leave(worker, event.time_ns, out)

    def _leave(self, worker: int, now_ns: int, out: list[Command]) -> None:
        inference = self._running_on.pop(worker)
        if inference is None:
            del self._idle[worker]
        else:
            del self._running[inference.id]
            self._fail(inference, out)
        self.schedule.worker_lost(worker, now_ns)

    def _staff(self, out: list[Command]) -> None:
        """Ask for missing workers; let idle ones go where there are too many."""
        surplus = len(self._running_on) + self._joining - self.schedule.workers_wanted()
        while surplus < 0:
            self._joining += 1
            surplus += 1
            out.append(c.AddWorker())
        while surplus > 0 and self._idle:
            worker = next(reversed(self._idle))
            self._leave(worker, self.cadence.deadline_ns(self.tick), out)
            surplus -= 1
            out.append(c.RetireWorker(worker))

    def _timer_due(self, event: e.TimerDue, out: list[Command]) -> None:
        self._wake_ns = None

    def _learning_finished(self, event: e.LearningFinished, out: list[Command]) -> None:
        if not self._learning:
            raise ProtocolError(f"{event!r} without a StartLearning before it")
        self._learning = False
        self.schedule.learning_finished(event.time_ns)

    def _predictability_estimated(self, event: e.PredictabilityEstimated, out: list[Command]) -> None:
        if not 0 < event.predictability <= 1:
            raise ProtocolError(f"predictability={event.predictability} must lie in (0, 1]")
        self.schedule.predictability_estimated(event.predictability)

    def _dispatch(self, now_ns: int, out: list[Command]) -> None:
        """Start what the rule wants started now, and set its timer."""
        if self.tick < 0:
            return
        schedule = self.schedule
        if schedule.learns and schedule.learning_due():
            self._learning = True
            out.append(c.StartLearning())
        if self._idle:
            for worker, observation, target in schedule.starts(now_ns, self.tick, self._idle):
                id = self.started
                self.started = id + 1
                inference = Inference(id, worker, observation, target, now_ns)
                del self._idle[worker]
                self._running_on[worker] = inference
                self._running[id] = inference
                self._open[observation] = self._open.get(observation, 0) + 1
                out.append(c.StartInference(id, worker, observation, target))
        if schedule.wakes:
            wake_ns = schedule.wake_ns()
            if wake_ns is not None and wake_ns != self._wake_ns:
                self._wake_ns = wake_ns
                out.append(c.WakeAt(wake_ns))

    # -- invariants ----------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Assert every invariant; for tests, after each event."""
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
        assert self.fresh + self.default + self.missed == self._acted, "every tick is filled exactly once"
        running_or_live = {i.id: i.observation for i in [*self._running.values(), *live]}
        assert self._open == Counter(running_or_live.values())
        assert {i.observation for i in live if i.finished_ns >= 0} <= self._answered <= self._open.keys()
        assert self._joining >= 0
