"""The scheduler: events in, commands out.

It keeps the books that every rule shares, with `hocket.core.ledger`. Each tick is fresh, default or missed, exactly
once; each inference ends in exactly one way; no worker runs two inferences; actions never go back in (observation,
chunk step).
*When* to start and *what* to hold back is the rule's business.

A two-stage inference keeps its worker from the start of its trunk to the end of its head. Between them it waits for
``head_ns`` before the deadline of the tick that the rule would release it for, and is then bound to that tick.

At one instant events come in this order: finished inferences, the deadline, its tick, a timer. Between a
deadline and its tick nothing is started, because a newer observation is on its way.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Any

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Command, Outcome
from hocket.core.events import Event
from hocket.core.inference import Inference
from hocket.core.ledger import Ledger
from hocket.core.rules.base import Rule
from hocket.errors import ProtocolError


class Scheduler(Ledger):
    """One run's scheduling state under ``rule`` at ``cadence``.

    Inferences have two stages if ``head_ns`` is not 0: how long before a deadline the head is called.

    Attributes:
        tick: the newest observation, -1 before tick 0.
        fresh, default, missed: how many ticks were filled how.
    """

    def __init__(self, rule: Rule, cadence: Cadence, head_ns: int = 0) -> None:
        super().__init__(rule.schedule(cadence), cadence, head_ns)
        self.tick = -1
        self.fresh = self.default = self.missed = 0
        self._acted = 0  # the last tick whose deadline was handled; tick 0 is the reset and executes nothing
        self._next_deadline_ns = cadence.deadline_ns(0)
        self._ended = False
        self._joining = 0
        self._wake_ns: int | None = None
        self._learning = False
        self._handlers: dict[type, Callable[[Any, list[Command]], None]] = {
            e.WorkerJoined: self._worker_joined,
            e.WorkerLost: self._worker_lost,
            e.DeadlineReached: self._deadline_reached,
            e.Ticked: self._ticked,
            e.InferenceFinished: self._head_finished if head_ns else self._inference_finished,
            e.TrunkFinished: self._trunk_finished,
            e.InferenceFailed: self._inference_failed,
            e.TimerDue: self._timer_due,
            e.LearningFinished: self._learning_finished,
            e.PredictabilityEstimated: self._predictability_estimated,
            e.RunEnded: self._run_ended,
        }

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
            self._discard_all(event.time_ns, out)
            self._answers.last = (tick - 1, 0)
        self.schedule.ticked(tick, event.time_ns, event.episode_ended)
        self._staff(out)

    def _run_ended(self, event: e.RunEnded, out: list[Command]) -> None:
        self._discard_all(event.time_ns, out)
        self._ended = True

    # -- inferences ----------------------------------------------------------------------------------------

    def _inference_finished(self, event: e.InferenceFinished, out: list[Command]) -> None:
        if event.length < 1:
            raise ProtocolError(f"{event!r} has no actions; at least 1 is needed")
        inference = self._stop(event.inference)
        inference.length = event.length
        inference.usable_tick = self.cadence.tick_from(event.time_ns)
        self._part(inference, event.time_ns)
        observation = inference.observation
        if inference.outcome is not None:
            self._close(observation)
        elif observation > self._answers.last[0] and observation not in self._answered:
            self._answered.add(observation)
            self._answers.add(inference)
        else:
            self._end(inference, self._useless(observation), out)

    def _inference_failed(self, event: e.InferenceFailed, out: list[Command]) -> None:
        inference = self._stop(event.inference)
        self._free(inference.worker)
        self.schedule.inference_failed(inference, event.time_ns)
        self._fail(inference, out)

    def _discard_all(self, now_ns: int, out: list[Command]) -> None:
        self._answers.discard(out)
        for inference in self._running.values():
            if inference.outcome is None:
                self._end(inference, Outcome.DISCARDED, out)
        for _, _, _, inference in self._waiting:
            self._settle(inference, Outcome.DISCARDED, now_ns, out)
        self._waiting.clear()

    # -- two stages ----------------------------------------------------------------------------------------

    def _trunk_finished(self, event: e.TrunkFinished, out: list[Command]) -> None:
        inference = self._running.get(event.inference)
        if inference is None or inference.ready_ns >= 0 or not self.head_ns:
            raise ProtocolError(f"{event!r}: no trunk of inference {event.inference} is running")
        observation = inference.observation
        inference.ready_ns = event.time_ns + self.head_ns
        inference.usable_tick = self.cadence.tick_from(inference.ready_ns)
        if inference.outcome is None and observation > self._answers.last[0] and observation not in self._answered:
            self._answered.add(observation)
            self._await_bind(inference, self._release_tick(inference))
            self._bind(event.time_ns, out)
        else:
            self._settle(inference, self._useless(observation), event.time_ns, out)

    def _release_tick(self, inference: Inference) -> int:
        return max(self.schedule.release_tick(inference), self._acted + 1)

    def _bind(self, now_ns: int, out: list[Command]) -> None:
        """Bind the features whose moment has come, and be woken for the next."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_ns:
            _, _, tick, inference = heappop(waiting)
            if inference.observation <= self._answers.last[0]:
                self._settle(inference, Outcome.DROPPED, now_ns, out)
            elif (later := self._release_tick(inference)) > tick:
                self._await_bind(inference, later)
            else:
                inference.bound_tick = tick
                out.append(c.BindHead(inference.id, inference.worker, tick))
        self._set_timer(None, out)

    def _head_finished(self, event: e.InferenceFinished, out: list[Command]) -> None:
        inference = self._running.get(event.inference)
        if inference is None or inference.bound_tick < 0 or event.length != 1:
            raise ProtocolError(f"{event!r}: no head of inference {event.inference} is running, for one action")
        tick = inference.bound_tick
        in_time = tick > self._acted and event.time_ns <= self.cadence.deadline_ns(tick)
        if inference.outcome is None and in_time and inference.observation > self._answers.last[0]:
            inference.usable_tick = tick
            self._part(self._stop(inference.id), event.time_ns)
            self._answers.add(inference)
            return
        self._unbind(inference)
        self._settle(inference, Outcome.DROPPED, event.time_ns, out)

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
        if self._waiting:
            self._bind(event.time_ns, out)

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
            self._set_timer(schedule.wake_ns(), out)

    def _set_timer(self, wake_ns: int | None, out: list[Command]) -> None:
        """Be woken at ``wake_ns``, or when the next head is to be called if that is earlier."""
        if self._waiting and (wake_ns is None or self._waiting[0][0] < wake_ns):
            wake_ns = self._waiting[0][0]
        if wake_ns is not None and wake_ns != self._wake_ns:
            self._wake_ns = wake_ns
            out.append(c.WakeAt(wake_ns))

    def validate(self) -> None:
        """Assert every invariant; for tests, after each event."""
        super().validate()
        assert self.fresh + self.default + self.missed == self._acted, "every tick is filled exactly once"
        assert self._joining >= 0
