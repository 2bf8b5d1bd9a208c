"""The scheduler: events in, commands out.

It keeps the books that every rule shares. Each tick is fresh, default or missed, exactly once; each inference ends in
exactly one way; no worker runs two inferences; actions never go back in (observation, chunk step). *When* to start and
*what* to hold back is the rule's decision. The states of ticks, inferences and workers, and what takes one to the next,
are the tables of `hocket.core.lifecycle`.

At one instant events come in this order: finished inferences, the deadline, its tick, a timer. Between a deadline and
its tick nothing is started, because a newer observation is on its way.

An answer is held until its rule releases it, is then due, and plays step by step once its rule chooses it. The rule
chooses among the answers that are newer than the last executed action.

Without a horizon an answer's step 0 is for the tick at which it begins to play. With a horizon of H ticks the steps of
an answer to observation k are for ticks k + 1 to k + H at most, whenever it comes: steps whose ticks have passed are
skipped, an answer without a step for a coming tick is dropped, and what still runs by then is cancelled. A held answer
acts before its release at a tick that nothing else has an action for: that costs it nothing, since its steps keep their
ticks.

A two-stage inference keeps its worker from the start of its trunk to the end of its head. Between them it waits until
``head_ns`` before the deadline of the tick that the rule would release it for, and is then bound to that tick.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.claims import ANY_TICK, ENDLESS, Claim
from hocket.core.commands import Command, Outcome
from hocket.core.events import Event
from hocket.core.inference import Inference
from hocket.core.lifecycle import INFERENCES, TICKS, WORKERS, InferenceState, TickPhase, WorkerState
from hocket.core.rules.base import Rule, Schedule
from hocket.errors import ProtocolError

# Quicker to read than attributes of an enumeration.
RUNNING, WAITING, BOUND, HELD, DUE, PLAYING, ABANDONED, OVER = InferenceState
EXECUTED = Outcome.EXECUTED

_by_observation = attrgetter("observation")


def _overridden(method: Callable[..., Any], usual: Callable[..., Any]) -> bool:
    """Return whether ``method`` of an object is another than that of its base class."""
    return getattr(method, "__func__", method) is not usual


class Scheduler:
    """The scheduling state of one run under ``rule`` at ``cadence``.

    Args:
        head_ns: how long before a deadline the head of a two-stage inference is called; 0: inferences have one stage.
        horizon_ticks: so many ticks after its observation an answer may have actions for; 0: an answer's actions are
            for the ticks from its release on.

    Attributes:
        tick: the newest observation, -1 before tick 0.
        fresh, default, missed: how many ticks were filled in each way.
        started: how many inferences have been started.
        outcomes: how many of them ended in each way, indexed by ``Outcome``.
        last: (observation, chunk step) of the last executed action.
    """

    def __init__(self, rule: Rule, cadence: Cadence, head_ns: int = 0, horizon_ticks: int = 0) -> None:
        self.schedule = schedule = rule.schedule(cadence)
        # Of two hooks that few rules override, the usual ones are not called.
        self._chooses = _overridden(schedule.choose, Schedule.choose)
        self._tells_ends = _overridden(schedule.inference_ended, Schedule.inference_ended)
        self.cadence = cadence
        self.head_ns = head_ns
        self.horizon_ticks = horizon_ticks
        self.tick = -1
        self.fresh = self.default = self.missed = 0
        self.started = 0
        self.outcomes = [0] * len(Outcome)
        self.last = (-1, -1)
        self._phase = TickPhase.STARTING
        self._acted = 0  # the last tick whose deadline was handled; tick 0 is the reset and executes nothing
        self._deadline_ns = self._next_deadline_ns = cadence.deadline_ns(0)  # before and after which the newest tick is
        self._joining = 0
        self._wake_ns: int | None = None
        self._learning = False
        self._running_on: dict[int, Inference | None] = {}  # by worker
        self._idle: OrderedDict[int, None] = OrderedDict()  # workers, idle longest first
        self._running: dict[int, Inference] = {}  # by id; those that keep a worker
        self._open: dict[int, int] = {}  # observation → inferences of it that run or may still be executed
        self._answered: set[int] = set()  # those of them that have an answer, or features that wait for their head
        self._waiting: list[tuple[int, int, int, Inference]] = []  # heap of (when to bind, id, to which tick, it)
        self._held: list[tuple[int, int, Inference]] = []  # heap of (release tick, id, it)
        self._due: list[Inference] = []  # by observation, all newer than the last executed
        self._playing: Inference | None = None
        self._handlers: dict[type, Callable[[Any, list[Command]], None]] = {
            e.WorkerJoined: self._worker_joined,
            e.WorkerLost: self._worker_lost,
            e.DeadlineReached: self._deadline_reached,
            e.Ticked: self._ticked,
            e.InferenceFinished: self._head_finished if head_ns else self._inference_finished,
            e.TrunkFinished: self._trunk_finished,
            e.InferenceFailed: self._inference_failed,
            e.InferenceCancelled: self._inference_cancelled,
            e.TimerDue: self._timer_due,
            e.LearningFinished: self._learning_finished,
            e.PredictabilityEstimated: self._predictability_estimated,
            e.RunEnded: self._run_ended,
        }

    @property
    def workers(self) -> int:
        """The number of workers."""
        return len(self._running_on)

    @property
    def oldest_needed(self) -> int:
        """The oldest observation that a later ``StartInference`` may name."""
        return self.schedule.oldest_needed(self.tick)

    def handle(self, event: Event) -> list[Command]:
        """Take in ``event``; return what to do, in order.

        Raises:
            ProtocolError: if the event cannot follow the ones before it.
        """
        out: list[Command] = []
        kind, now_ns = type(event), event.time_ns
        self._handlers[kind](event, out)
        if now_ns < self._next_deadline_ns or kind is e.Ticked:
            self._dispatch(now_ns, out)
        return out

    # -- ticks ---------------------------------------------------------------------------------------------

    def _deadline_reached(self, event: e.DeadlineReached, out: list[Command]) -> None:
        tick = event.tick
        phase = TICKS[self._phase].get(e.DeadlineReached)
        if phase is None or tick <= self._acted:
            raise ProtocolError(
                f"deadline {tick} after deadline {self._acted} and observation {self.tick}: "
                "deadlines ascend, and each is followed by its Ticked"
            )
        self._phase = phase
        self.missed += tick - self._acted - 1
        self._acted = tick
        self._release(tick, out)
        if self.horizon_ticks:
            self._drop_passed(tick, out)
            if self._held and not self._due and self._playing is None:
                self._release_early(tick)
        due = self._due
        choice = self.schedule.choose(tick, due) if self._chooses else due[-1] if due else None
        if choice is not None:
            self._play(choice, tick, out)
        if self._playing is not None and self._execute(self._playing, tick, out):
            self.fresh += 1
            return
        self.default += 1
        out.append(c.ExecuteDefault(tick))

    def _ticked(self, event: e.Ticked, out: list[Command]) -> None:
        tick = event.tick
        phase = TICKS[self._phase].get(e.Ticked)
        if phase is None or tick != self._acted:
            raise ProtocolError(
                f"Ticked {tick} after observation {self.tick} and deadline {self._acted}: "
                "tick 0 comes first and has no deadline event; every later one follows its own"
            )
        self._phase = phase
        self.tick = tick
        self._deadline_ns = self._next_deadline_ns
        self._next_deadline_ns = self.cadence.deadline_ns(tick + 1)
        if event.episode_ended:
            self._discard_all(event.time_ns, out)
            self.last = (tick - 1, 0)
        schedule = self.schedule
        schedule.ticked(tick, event.time_ns, event.episode_ended)
        if schedule.cancels:
            self._cancel(out)
        elif self.horizon_ticks:
            self._cancel_passed(tick, out)
        self._staff(out)

    def _run_ended(self, event: e.RunEnded, out: list[Command]) -> None:
        self._discard_all(event.time_ns, out)
        self._phase = TICKS[self._phase][e.RunEnded]
        self._next_deadline_ns = event.time_ns  # nothing is started any more
        self._handlers = dict.fromkeys(self._handlers, self._refuse)

    def _refuse(self, event: Event, out: list[Command]) -> None:
        raise ProtocolError(f"{event!r} after the run has ended")

    # -- inferences ----------------------------------------------------------------------------------------

    def _inference_finished(self, event: e.InferenceFinished, out: list[Command]) -> None:
        length, now_ns = event.length, event.time_ns
        if length < 1:
            raise ProtocolError(f"{event!r} has no actions; at least 1 is needed")
        if length > 1 and 0 < self.horizon_ticks < length:
            raise ProtocolError(f"{event!r} has actions for more ticks than the horizon of {self.horizon_ticks}")
        inference = self._stop(event.inference)
        inference.length = length
        in_time = self._deadline_ns < now_ns <= self._next_deadline_ns  # for the next tick
        inference.usable_tick = self.tick + 1 if in_time else self.cadence.tick_from(now_ns)
        self._leave_worker(inference, now_ns)
        observation = inference.observation
        if inference.state is ABANDONED:
            self._close(inference)
        elif (
            observation > self.last[0]
            and observation not in self._answered
            and not (self.horizon_ticks and self._passed(inference))
        ):
            self._answered.add(observation)
            self._hold(inference, self.schedule.release_tick(inference))
        else:
            self._end(inference, self._useless(observation), out)

    def _inference_failed(self, event: e.InferenceFailed, out: list[Command]) -> None:
        inference = self._stop(event.inference)
        self._free(inference.worker)
        self.schedule.inference_failed(inference, event.time_ns)
        self._fail(inference, out)

    def _cancel(self, out: list[Command]) -> None:
        """Cancel what the rule says, none of which any tick can lose."""
        running = [inference for inference in self._running.values() if inference.state is RUNNING]
        for inference in self.schedule.cancellations(self.tick, running, self._answered, bool(self._idle)):
            self._abandon(inference, out)

    def _cancel_passed(self, tick: int, out: list[Command]) -> None:
        """Cancel what runs, if an answer would have no action for a tick after ``tick``."""
        for inference in list(self._running.values()):
            if inference.state is RUNNING and inference.last_tick <= tick:
                self._abandon(inference, out)

    def _abandon(self, inference: Inference, out: list[Command]) -> None:
        self._end(inference, Outcome.CANCELLED, out)
        out.append(c.Cancel(inference.id, inference.worker))

    def _inference_cancelled(self, event: e.InferenceCancelled, out: list[Command]) -> None:
        inference = self._running.get(event.inference)
        if inference is None or inference.outcome is not Outcome.CANCELLED:
            raise ProtocolError(f"{event!r}: inference {event.inference} was not told to stop")
        self._stop(inference.id)
        self._free(inference.worker)
        self.schedule.inference_cancelled(inference, event.time_ns)
        self._close(inference)

    def _stop(self, id: int) -> Inference:
        """Take the inference ``id`` off the books of what runs."""
        inference = self._running.pop(id, None)
        if inference is None:
            raise ProtocolError(f"inference {id} is not running")
        return inference

    def _leave_worker(self, inference: Inference, now_ns: int) -> None:
        """Free the worker of ``inference``, which has run to its end."""
        inference.finished_ns = now_ns
        self._free(inference.worker)
        self.schedule.inference_finished(inference)

    def _end(self, inference: Inference, outcome: Outcome, out: list[Command]) -> None:
        """Give ``inference`` its outcome."""
        inference.outcome = outcome
        self.outcomes[outcome] += 1
        out.append(c.EndInference(inference.id, outcome))
        if inference.id in self._running:
            assert ABANDONED in INFERENCES[inference.state], inference
            inference.state = ABANDONED
        else:
            self._close(inference)
        if self._tells_ends:
            self.schedule.inference_ended(inference)

    def _close(self, inference: Inference) -> None:
        """Take ``inference``, which has its outcome and no worker, off the books."""
        assert OVER in INFERENCES[inference.state], inference
        inference.state = OVER
        observation = inference.observation
        left = self._open[observation] - 1
        if left:
            self._open[observation] = left
        else:
            del self._open[observation]
            self._answered.discard(observation)

    def _settle(self, inference: Inference, outcome: Outcome, now_ns: int, out: list[Command]) -> None:
        """End an inference that needs its worker no more, if it has no outcome yet, and free the worker."""
        self._stop(inference.id)
        if inference.outcome is None:
            inference.outcome = outcome
            self.outcomes[outcome] += 1
            out.append(c.EndInference(inference.id, outcome))
            if self._tells_ends:
                self.schedule.inference_ended(inference)
        self._leave_worker(inference, now_ns)
        self._close(inference)

    def _fail(self, inference: Inference, out: list[Command]) -> None:
        """End an inference that has lost its worker or raised."""
        if inference.ready_ns >= 0:
            self._unbind(inference)
        if inference.state is ABANDONED:
            self._close(inference)
        else:
            self._end(inference, Outcome.FAILED, out)

    def _passed(self, inference: Inference) -> bool:
        """Return whether the ticks of all its actions have passed, or will have when the answer counts."""
        return inference.last_tick < max(inference.usable_tick, self._acted + 1)

    def _useless(self, observation: int) -> Outcome:
        """The outcome of an answer to ``observation`` that comes after another, or too late."""
        another = observation in self._answered or observation == self.last[0]
        return Outcome.DUPLICATE if another else Outcome.DROPPED

    def _discard_all(self, now_ns: int, out: list[Command]) -> None:
        """Settle everything: the episode or the run has ended."""
        for inference in list(self._answers()):
            if inference.state is PLAYING:
                outcome = Outcome.EXECUTED
            elif inference.observation <= self.last[0]:
                outcome = Outcome.SUPERSEDED
            else:
                outcome = Outcome.DISCARDED
            self._end(inference, outcome, out)
        self._playing = None
        self._due.clear()
        self._held.clear()
        for inference in list(self._running.values()):
            if inference.state is WAITING:
                self._settle(inference, Outcome.DISCARDED, now_ns, out)
            elif inference.state is not ABANDONED:
                self._end(inference, Outcome.DISCARDED, out)
        self._waiting.clear()

    # -- answers -------------------------------------------------------------------------------------------

    def _answers(self) -> Iterator[Inference]:
        """Everything that may still be executed, the playing chunk first."""
        if self._playing is not None:
            yield self._playing
        yield from self._due
        yield from (held[2] for held in sorted(self._held))

    def _hold(self, inference: Inference, release_tick: int) -> None:
        """Keep an answer until ``release_tick``."""
        assert HELD in INFERENCES[inference.state], inference
        inference.state = HELD
        heappush(self._held, (release_tick, inference.id, inference))

    def _release(self, tick: int, out: list[Command]) -> None:
        """Move what may be used from ``tick`` on to the due list."""
        held, due, schedule = self._held, self._due, self.schedule
        while held and held[0][0] <= tick:
            inference = heappop(held)[2]
            if inference.observation <= self.last[0]:
                self._end(inference, Outcome.SUPERSEDED, out)
                continue
            if schedule.defers and inference.bound_tick < 0 and (later := schedule.release_tick(inference)) > tick:
                heappush(held, (later, inference.id, inference))
                continue
            assert DUE in INFERENCES[inference.state], inference
            inference.state = DUE
            if due:
                insort(due, inference, key=_by_observation)
            else:
                due.append(inference)

    def _drop_passed(self, tick: int, out: list[Command]) -> None:
        """End the answers whose last action is for a tick before ``tick``."""
        if self._playing is not None and self._playing.last_tick < tick:
            self._end(self._playing, EXECUTED, out)
            self._playing = None
        due = self._due
        for inference in [inference for inference in due if inference.last_tick < tick]:
            due.remove(inference)
            self._answered.discard(inference.observation)  # a copy may have more actions
            self._end(inference, Outcome.DROPPED, out)

    def _release_early(self, tick: int) -> None:
        """Release the newest answer that has an action for ``tick``, if any is held."""
        newest: Inference | None = None
        for _, _, inference in self._held:
            in_time = inference.usable_tick <= tick <= inference.last_tick
            if in_time and inference.observation > (self.last[0] if newest is None else newest.observation):
                newest = inference
        if newest is not None:
            self._held[:] = [held for held in self._held if held[2] is not newest]
            heapify(self._held)
            newest.state = DUE
            self._due.append(newest)

    def _play(self, choice: Inference, tick: int, out: list[Command]) -> None:
        """Make ``choice`` the inference whose steps are executed; older ones are superseded."""
        due = self._due
        while (older := due.pop(0)) is not choice:
            self._end(older, Outcome.SUPERSEDED, out)
        if self._playing is not None:
            self._end(self._playing, EXECUTED, out)
        if choice.base_tick < 0:
            target = choice.target
            choice.base_tick = target if 0 <= target < tick else tick
        assert PLAYING in INFERENCES[choice.state], choice
        choice.state = PLAYING
        self._playing = choice

    def _execute(self, playing: Inference, tick: int, out: list[Command]) -> bool:
        """Execute the step of ``playing`` that belongs to ``tick``, if it is newer than what has run."""
        observation, step, last_step = playing.observation, tick - playing.base_tick, playing.length - 1
        if step > last_step:
            step = last_step
        action = (observation, step)
        if action <= self.last:
            return False
        self.last = action
        out.append(c.Execute(tick, playing.id, step, tick - observation))
        if step == last_step:
            self._playing = None
            self._end(playing, EXECUTED, out)
        return True

    def coming(self, tick: int) -> Inference | None:
        """The inference in flight that tick ``tick`` is going to execute, as far as its rule has said; None if none is.

        One whose tick was an earlier one counts, since it may still come; a rule without targets says nothing of an
        inference before it has features or an answer.
        """
        coming: Inference | None = None
        for inference in (*self._running.values(), *self._answers()):
            if inference.outcome is None and inference.observation > self.last[0]:
                expected = self._expected_tick(inference)
                if 0 <= expected <= tick and (coming is None or inference.observation > coming.observation):
                    coming = inference
        return coming

    def _expected_tick(self, inference: Inference) -> int:
        """The tick that is going to execute ``inference``; -1 if that is not known."""
        if inference.bound_tick >= 0:
            return inference.bound_tick
        if inference.state is RUNNING:
            return inference.target
        return self._bind_tick(inference) if inference.state is WAITING else self.schedule.release_tick(inference)

    def claims(self, longest: int) -> list[Claim]:
        """The claims on coming ticks of all that is in flight or has an answer.

        Args:
            longest: the most actions of one answer.
        """
        claims = [self._answer_claim(i) for i in self._answers() if i.state is PLAYING or i.observation > self.last[0]]
        for inference in self._running.values():
            observation = inference.observation
            done = inference.state is RUNNING and observation in self._answered  # by a copy
            if inference.outcome is None and observation > self.last[0] and not done:
                claims.append(self._running_claim(inference, longest))
        return claims

    def _answer_claim(self, inference: Inference) -> Claim:
        coming = self._acted + 1
        if inference.state is PLAYING:
            first = usable = coming
            base = inference.base_tick
        else:
            first = max(coming, inference.bound_tick, self.schedule.release_tick(inference))
            if self._chooses:  # it may wait for what it aims at without holding
                first = max(first, inference.target)
            usable = max(coming, inference.usable_tick) if self.horizon_ticks else first
            base = inference.base_tick
            if base < 0:  # as in `_play`
                base = inference.target if 0 <= inference.target < first else first
        last = base + inference.length - 1
        if not self.horizon_ticks:
            last = max(last, first)  # late, it executes its last step
        return Claim(inference.id, inference.observation, True, first, usable, last, base, inference.length)

    def _running_claim(self, inference: Inference, longest: int) -> Claim:
        first = self._expected_tick(inference)
        last = first + longest - 1
        if first <= self._acted:  # late, or it aims at none
            first, last = ANY_TICK, ENDLESS
        if self.horizon_ticks:
            last = inference.last_tick
        return Claim(inference.id, inference.observation, False, first, first, last)

    # -- two stages ----------------------------------------------------------------------------------------

    def _trunk_finished(self, event: e.TrunkFinished, out: list[Command]) -> None:
        inference = self._running.get(event.inference)
        if inference is None or inference.ready_ns >= 0 or not self.head_ns:
            raise ProtocolError(f"{event!r}: no trunk of inference {event.inference} is running")
        observation = inference.observation
        inference.ready_ns = event.time_ns + self.head_ns
        inference.usable_tick = self.cadence.tick_from(inference.ready_ns)
        if inference.outcome is None and observation > self.last[0] and observation not in self._answered:
            self._answered.add(observation)
            assert WAITING in INFERENCES[inference.state], inference
            inference.state = WAITING
            self._await_bind(inference, self._bind_tick(inference))
            self._bind(event.time_ns, out)
            self._set_timer(None, out)
        else:
            self._settle(inference, self._useless(observation), event.time_ns, out)

    def _bind_tick(self, inference: Inference) -> int:
        """The tick that the head of ``inference`` is to be called for."""
        return max(self.schedule.release_tick(inference), self._acted + 1)

    def _await_bind(self, inference: Inference, tick: int) -> None:
        heappush(self._waiting, (self.cadence.deadline_ns(tick) - self.head_ns, inference.id, tick, inference))

    def _bind(self, now_ns: int, out: list[Command]) -> None:
        """Bind the features whose moment has come."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_ns:
            _, _, tick, inference = heappop(waiting)
            if inference.observation <= self.last[0]:
                self._settle(inference, Outcome.DROPPED, now_ns, out)
            elif (later := self._bind_tick(inference)) > tick:
                self._await_bind(inference, later)
            else:
                assert BOUND in INFERENCES[inference.state], inference
                inference.state = BOUND
                inference.bound_tick = tick
                out.append(c.BindHead(inference.id, inference.worker, tick))

    def _unbind(self, inference: Inference) -> None:
        """Let a slower copy of ``inference``, which will not answer, count as the first answer."""
        if inference.outcome is None:
            self._answered.discard(inference.observation)
        if inference.state is WAITING:
            self._waiting[:] = [waiting for waiting in self._waiting if waiting[3] is not inference]
            heapify(self._waiting)

    def _head_finished(self, event: e.InferenceFinished, out: list[Command]) -> None:
        inference = self._running.get(event.inference)
        if inference is None or inference.bound_tick < 0 or event.length != 1:
            raise ProtocolError(f"{event!r}: no head of inference {event.inference} is running, for one action")
        tick = inference.bound_tick
        in_time = tick > self._acted and event.time_ns <= self.cadence.deadline_ns(tick)
        if inference.outcome is None and in_time and inference.observation > self.last[0]:
            inference.usable_tick = tick
            self._leave_worker(self._stop(inference.id), event.time_ns)
            self._hold(inference, tick)
            return
        self._unbind(inference)
        self._settle(inference, Outcome.DROPPED, event.time_ns, out)

    # -- workers, timers, learning -------------------------------------------------------------------------

    def _state_of(self, worker: int) -> WorkerState:
        if worker not in self._running_on:
            return WorkerState.ABSENT
        return WorkerState.IDLE if worker in self._idle else WorkerState.BUSY

    def _free(self, worker: int) -> None:
        self._running_on[worker] = None
        self._idle[worker] = None

    def _worker_joined(self, event: e.WorkerJoined, out: list[Command]) -> None:
        worker = event.worker
        if e.WorkerJoined not in WORKERS[self._state_of(worker)]:
            raise ProtocolError(f"worker {worker} has joined before")
        self._joining = max(0, self._joining - 1)
        self._free(worker)
        self.schedule.worker_joined(worker, event.time_ns)

    def _worker_lost(self, event: e.WorkerLost, out: list[Command]) -> None:
        worker = event.worker
        if e.WorkerLost not in WORKERS[self._state_of(worker)]:
            raise ProtocolError(f"worker {worker} is not here; the workers are {sorted(self._running_on)}")
        self._remove(worker, event.time_ns, out)

    def _remove(self, worker: int, now_ns: int, out: list[Command]) -> None:
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
        if not surplus:
            return
        while surplus < 0:
            self._joining += 1
            surplus += 1
            out.append(c.AddWorker())
        while surplus > 0 and self._idle:
            worker = next(reversed(self._idle))
            self._remove(worker, self.cadence.deadline_ns(self.tick), out)
            surplus -= 1
            out.append(c.RetireWorker(worker))

    def _timer_due(self, event: e.TimerDue, out: list[Command]) -> None:
        self._wake_ns = None
        if self._waiting:
            self._bind(event.time_ns, out)
            self._set_timer(None, out)

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
        tick, schedule = self.tick, self.schedule
        if tick < 0:
            return
        if self._waiting:
            self._bind(now_ns, out)
        if schedule.learns and schedule.learning_due():
            self._learning = True
            out.append(c.StartLearning())
        if self._idle:
            for worker, observation, target in schedule.starts(now_ns, tick, self._idle):
                id = self.started
                self.started = id + 1
                inference = Inference(id, worker, observation, target, now_ns)
                if self.horizon_ticks:
                    inference.align(self.horizon_ticks)
                del self._idle[worker]
                self._running_on[worker] = inference
                self._running[id] = inference
                self._open[observation] = self._open.get(observation, 0) + 1
                out.append(c.StartInference(id, worker, observation, target))
        if schedule.wakes:
            self._set_timer(schedule.wake_ns(), out)

    def _set_timer(self, wake_ns: int | None, out: list[Command]) -> None:
        """Set the timer to ``wake_ns``, or to when the next head is to be called if that is earlier."""
        if self._waiting and (wake_ns is None or self._waiting[0][0] < wake_ns):
            wake_ns = self._waiting[0][0]
        if wake_ns is not None and wake_ns != self._wake_ns:
            self._wake_ns = wake_ns
            out.append(c.WakeAt(wake_ns))

    def validate(self) -> None:
        """Assert every invariant; for tests, after each event."""
        assert self.fresh + self.default + self.missed == self._acted, "every tick is filled exactly once"
        assert self._joining >= 0
        busy = {worker for worker, inference in self._running_on.items() if inference is not None}
        assert busy.isdisjoint(self._idle) and busy | set(self._idle) == set(self._running_on)
        assert {i.id for i in self._running_on.values() if i is not None} == set(self._running)
        assert all(self._running_on[i.worker] is i for i in self._running.values())
        running, ready = list(self._running.values()), list(self._answers())
        assert all(i.state in (RUNNING, WAITING, BOUND, ABANDONED) for i in running)
        assert all((i.outcome is not None) == (i.state is ABANDONED) for i in running)
        assert all(i.outcome is None and i.finished_ns >= 0 for i in ready)
        assert {i.id for i in running}.isdisjoint(i.id for i in ready)
        assert [i.state for i in ready] == [PLAYING] * (self._playing is not None) + [DUE] * len(self._due) + [
            HELD
        ] * len(self._held)
        observations = [i.observation for i in self._due]
        assert observations == sorted(set(observations)), "one answer an observation, in order"
        assert not observations or observations[0] > self.last[0]
        live = [i for i in [*running, *ready] if i.outcome is None]
        assert self.started == len(live) + sum(self.outcomes), "every inference ends exactly once"
        assert self._open == Counter(i.observation for i in [*running, *ready])
        found = {i.observation for i in live if i.finished_ns >= 0 or i.ready_ns >= 0}
        assert found <= self._answered <= self._open.keys()
        waiting = [i for _, _, _, i in self._waiting]
        assert {i.id for i in waiting} == {i.id for i in running if i.state is WAITING}
        assert len(set(waiting)) == len(waiting)
