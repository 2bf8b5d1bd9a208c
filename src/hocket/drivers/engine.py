"""The engine of both drivers: the scheduler, the observations and answers that it names by number, and the executor.

The engine carries out commands. It reads no clock: every call is given the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import NS_PER_S, Cadence
from hocket.core.events import Event
from hocket.core.rules import Rule
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.executors.base import Executor
from hocket.drivers.handover import SWITCH, ChunkBlender, Handover
from hocket.drivers.lone_head import LoneHead
from hocket.drivers.pending_actions import PendingTracker
from hocket.hooks.dispatcher import Dispatcher
from hocket.policies.base import PolicyFactory
from hocket.policies.failures import OnStale
from hocket.spaces.codec import NOTHING_PENDING, ActionCodec, PendingActions
from hocket.spaces.defaults import BoundDefault, Timed
from hocket.spaces.observations import copied, stored

KEPT = 4
"""So many observations are kept before those that no start can name are looked for."""
RUNNING = np.empty(0)
"""The answer of an inference that still runs."""


class Decision(NamedTuple):
    """The action source of a tick; ``version`` is that of the weights that computed the action.

    ``inference`` and ``version`` are -1 and ``delay_ticks`` is 0 where the default acted. ``newest`` is the tick of the
    newest observation that a head was given, else -1. Where a head acted alone, before any inference of its episode, it
    is not -1, and ``inference`` and ``delay_ticks`` are as for the default.
    """

    tick: int
    inference: int
    step: int
    delay_ticks: int
    version: int = -1
    newest: int = -1

    @property
    def fresh(self) -> bool:
        """True if an inference's action was executed, False if the default acted."""
        return self.inference >= 0


class NextInputs(NamedTuple):
    """The inputs that a decision would have: observations by tick, -1 where it gets none."""

    observation: int
    newest: int
    pending_actions: PendingActions


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """The parts that configure an engine.

    Args:
        policy: its pending actions, its stages and its horizon are read here.
        rule: when to start which worker.
        default: fills every tick without a fresh action; bound to the action space.
        codec: of the action space, for the policy's chunks.
        handover: the way in which a chunk takes over from an older one.
    """

    policy: PolicyFactory
    rule: Rule
    default: BoundDefault
    codec: ActionCodec
    handover: Handover = SWITCH


class Engine:
    """Feeds events to the scheduler and carries out its commands.

    Args:
        setup: the parts that configure it.
        cadence: of its ticks.
        executor: runs its inferences.
        alone: the policy's head where it acts alone; see `PolicyFactory.delay_told`.
        on_stale: called at ticks whose last fresh action is too old.
        chunk_head: the policy's head if it corrects chunks; see `PolicyFactory.build_chunk_head`.
        keep_trace: True to keep every event and command.

    Attributes:
        heads: those of ``alone`` and ``chunk_head`` that there are: what the policy computes in the tick loop.
        pending: the number of pending actions that the policy takes.
        head_ns: the time before its tick at which the head of a two-stage policy is called; 0 with one stage.
        wake_ns: when to call `timer_due`, or None.
        dispatcher: collects handled events for instruments; None without any.
        clipped: the number of ticks that executed an action of the policy that was clipped to the action space.
    """

    def __init__(
        self,
        setup: EngineSetup,
        cadence: Cadence,
        executor: Executor,
        *,
        alone: LoneHead | None = None,
        on_stale: OnStale | None = None,
        chunk_head: ChunkHead | None = None,
        keep_trace: bool = True,
    ) -> None:
        rule, policy = setup.rule, setup.policy
        pending, head_ns = policy.pending, policy.head_ns
        self.scheduler = Scheduler(rule, cadence, head_ns, policy.horizon_ticks)
        self.trace = Trace(rule, cadence, head_ns, policy.horizon_ticks)
        self._keep_trace = keep_trace
        self._interrupted = False  # the handling of an event, by an exception
        self.cadence = cadence
        self._executed: c.Execute | c.ExecuteDefault = c.ExecuteDefault(0)
        self._version = -1  # of the executed action's weights
        self._seen_newest = -1  # the newest observation that its head was given, by its tick
        self.wake_ns: int | None = None
        self.dispatcher: Dispatcher | None = None
        self._executor = executor
        self._default = setup.default
        self._timed = isinstance(setup.default, Timed)
        self._on_stale = on_stale
        self._fresh_tick = 0  # the last one
        self._blender = ChunkBlender(setup.handover, setup.codec) if setup.handover.blends else None
        self._codec = setup.codec
        self._observations: dict[int, Any] = {}
        self._spare: list[Any] = []
        self._newest: Any = None
        self._answers: dict[int, NDArray[Any]] = {}  # by inference, from its start to its end
        self.clipped = 0
        self._clipped: dict[int, NDArray[np.bool_]] = {}  # by inference with clipped actions, which of them are
        self._versions: dict[int, int] = {}  # by inference with an answer, where that is not 0
        self._action: Any = None
        self.pending = pending
        self.head_ns = head_ns
        self._tell_newest, self._tell_delay = policy.newest, policy.delay_told
        self._alone = alone
        self._chunk_head = chunk_head
        self.heads = tuple(head for head in (alone, chunk_head) if head is not None)
        self._has_head = bool(head_ns) or chunk_head is not None
        self._late = pending > 0 or policy.delay_told  # inferences of one stage take more than an observation
        self._newest_tick = -1
        self._first_tick = 0  # of the episode's first observation
        self._bound_newest: dict[int, int] = {}  # by inference whose head was given one: the newest observation's tick
        self._unbound: dict[int, int] = {}  # by inference whose head may still be called: its observation
        self._pending = (
            PendingTracker(pending, setup.codec, setup.default if alone is None else None) if pending else None
        )
        self._told: dict[int, PendingActions] = {}  # by inference: its pending actions
        self.last_pending_actions: PendingActions = NOTHING_PENDING
        """The pending actions of the inference whose action was executed last."""

    @property
    def last(self) -> Decision:
        """The decision of the last tick."""
        did = self._executed
        if isinstance(did, c.ExecuteDefault):
            version = self._version if self._seen_newest >= 0 else -1
            return Decision(did.tick, -1, 0, 0, version, self._seen_newest)
        return Decision(did.tick, did.inference, did.step, did.delay_ticks, self._version, self._seen_newest)

    def deadline(self, tick: int, now_ns: int) -> Any:
        """Return the action that tick ``tick`` executes; the caller may keep and change it."""
        self.feed(e.DeadlineReached(now_ns, tick))
        if self._on_stale is not None and self._fresh_tick < tick:
            idle_s = self._idle_s(tick)
            if idle_s > self._on_stale.older_than_s:
                self._on_stale.call(idle_s)
        return self._codec.copied(self._action) if self._codec.copies else self._action

    def observed(self, tick: int, now_ns: int, observation: Any, *, episode_ended: bool = False) -> None:
        """Take in observation ``tick``; its buffers may be reused afterwards."""
        kept = stored(observation, self._spare.pop()) if self._spare else copied(observation)
        observations = self._observations
        observations[tick] = self._newest = kept
        self._newest_tick = tick
        if episode_ended:
            self._first_tick = tick
            if self._blender is not None:
                self._blender.forget()
        self.feed(e.Ticked(now_ns, tick, episode_ended))
        if len(observations) < KEPT and self._pending is None:
            return
        oldest = self.scheduler.oldest_needed
        while (first := next(iter(observations))) < oldest:
            self._spare.append(observations.pop(first))
        if self._pending is not None:
            self._pending.forget(min(oldest, *self._unbound.values()) if self._unbound else oldest)

    def pending_actions(self, observation: int, target: int, inference: int = -1) -> PendingActions:
        """Return the pending actions of an inference on ``observation`` that aims at tick ``target`` (-1: at none).

        ``inference`` is its number if it starts now: later ones, which may start at the same time, have no claims.
        """
        assert self._pending is not None
        claims = self.scheduler.claims(self._codec.chunk_length)
        if inference >= 0:
            claims = [claim for claim in claims if claim.inference < inference]
        return self._pending.pending_actions(observation, target, self._action, self._answers, claims)

    def next_inputs(self, tick: int) -> NextInputs:
        """The inputs that the action of tick ``tick`` + 1 would have, had ``tick`` not ended the episode.

        Called after the deadline of ``tick``, before its observation. Of one stage: an inference that starts on that
        observation. Of two: the head for the next tick, given what has been executed; if nothing is aimed at that tick
        all is -1, as it cannot be known.
        """
        unknown = NOTHING_PENDING if self._pending is None else self.pending_actions(tick, tick)
        if not self.head_ns:
            pending_actions = unknown if self._pending is None else self.pending_actions(tick, -1)
            return NextInputs(tick, -1, pending_actions)
        newest = tick if self._tell_newest else -1
        coming = self.scheduler.coming(tick + 1)
        if coming is None:
            return NextInputs(-1, newest if self._acts_alone else -1, unknown)
        if coming.bound_tick >= 0:
            newest = self._bound_newest.get(coming.id, -1)
            return NextInputs(coming.observation, newest, self._told.get(coming.id, unknown))
        if self._pending is None:
            return NextInputs(coming.observation, newest, unknown)
        return NextInputs(coming.observation, newest, self.pending_actions(coming.observation, tick + 1))

    def check_heads(self) -> None:
        """Raise, or call ``on_failure``, if heads that run in the tick loop have failed too often in a row.

        Raises:
            PolicyError: as `FailureLog.check`.
        """
        for head in self.heads:
            head.failures.check()

    @property
    def _acts_alone(self) -> bool:
        """True if the head acts alone where no inference does: none has acted in this episode."""
        return self._alone is not None and self.scheduler.last[0] < self._first_tick

    def finished(self, event: e.InferenceFinished, answer: NDArray[Any]) -> None:
        """Take in the encoded answer of an inference: an array of ``event.length`` actions."""
        if event.inference in self._answers:  # else it ended with its episode
            if self._codec.clips:
                answer, outside = self._codec.clip(answer)
                if outside.any():
                    self._clipped[event.inference] = outside
            self._answers[event.inference] = answer
            if event.version:
                self._versions[event.inference] = event.version
        self.feed(event)

    def timer_due(self) -> None:
        """Handle the timer; called when the time `wake_ns` has come."""
        assert self.wake_ns is not None
        due_ns, self.wake_ns = self.wake_ns, None
        self.feed(e.TimerDue(due_ns))

    def end(self, now_ns: int) -> None:
        """End the run: the scheduler settles what is in flight, and the trace keeps the outcomes.

        If an exception, such as that of a signal, interrupted the handling of an event, the scheduler is made anew from
        the trace; without a trace nothing is settled.
        """
        if self._interrupted:
            if not self._keep_trace:
                return
            self.scheduler = Scheduler(self.trace.rule, self.cadence, self.head_ns, self.trace.horizon_ticks)
            for handled, _ in self.trace.steps():
                self.scheduler.handle(handled)
        event = e.RunEnded(now_ns)
        # Its commands are not carried out: after an error, some of those before may not have been either.
        commands = self.scheduler.handle(event)
        if self._keep_trace:
            self.trace.add(event, commands)
        if self.dispatcher is not None:
            self.dispatcher.handled(event, commands)
        for kept in (self._answers, self._clipped, self._versions, self._told, self._unbound, self._bound_newest):
            kept.clear()

    def feed(self, event: Event) -> None:
        """Feed the scheduler, append to the trace, carry out the commands."""
        try:
            commands = self.scheduler.handle(event)
            if self._keep_trace:
                self.trace.add(event, commands)
            if self.dispatcher is not None:
                self.dispatcher.handled(event, commands)
            for command in commands:
                if type(command) is c.StartInference:
                    self._answers[command.inference] = RUNNING
                    inputs: tuple[Any, ...] = (self._observations[command.observation],)
                    if self._has_head:
                        self._unbound[command.inference] = command.observation
                    elif self._late:
                        inputs = (*inputs, *self._late_inputs(command))
                    self._executor.start(command.inference, command.worker, inputs, event.time_ns)
                elif type(command) is c.Execute:
                    self._executed = command
                    self._version = self._versions.get(command.inference, 0) if self._versions else 0
                    self._fresh_tick = command.tick
                    plan = self._answers[command.inference][command.step :]
                    if self._blender is not None:
                        plan = self._blender.plan(command.tick, command.inference, plan)
                    if self._chunk_head is not None:
                        corrected = self._corrected(command, self._chunk_head, plan, event.time_ns)
                        self._action = self._planned(command, plan) if corrected is None else self._within(corrected)
                    else:
                        self._action = self._planned(command, plan)
                        if self._tell_newest:
                            self._seen_newest = self._bound_newest.get(command.inference, -1)
                        if self._pending is not None:
                            self.last_pending_actions = self._told[command.inference]
                    if self._pending is not None:
                        self._pending.executed(command.tick, self._action)
                elif type(command) is c.EndInference:
                    del self._answers[command.inference]
                    if self._versions:
                        self._versions.pop(command.inference, None)
                    if self._clipped:
                        self._clipped.pop(command.inference, None)
                    if self._pending is not None:
                        self._told.pop(command.inference, None)
                    if self._has_head:
                        self._unbound.pop(command.inference, None)
                        self._bound_newest.pop(command.inference, None)
                elif type(command) is c.BindHead:
                    self._bind(command, event.time_ns)
                elif type(command) is c.ExecuteDefault:
                    self._executed = command
                    if self._tell_newest:
                        self._act_unbound(command.tick, event.time_ns)
                    else:
                        self._action = self._act_by_default(command.tick)
                    if self._pending is not None:
                        self._pending.executed(command.tick, self._action)
                elif type(command) is c.Cancel:
                    self._executor.cancel(command.inference, command.worker, event.time_ns)
                elif type(command) is c.WakeAt:
                    self.wake_ns = command.time_ns
                elif type(command) is c.StartLearning:
                    self._executor.learn(event.time_ns)
                elif type(command) is c.AddWorker:
                    self._executor.add_worker(event.time_ns)
                elif type(command) is c.RetireWorker:
                    self._executor.retire(command.worker)
        except BaseException:
            self._interrupted = True
            raise

    def _idle_s(self, tick: int) -> float:
        """The seconds from the last fresh action to the deadline of ``tick``."""
        return (self.cadence.deadline_ns(tick) - self.cadence.deadline_ns(self._fresh_tick)) / NS_PER_S

    def _act_by_default(self, tick: int) -> Any:
        if self._timed:
            assert isinstance(self._default, Timed)
            return self._default(self._newest, self._action, self._idle_s(tick))
        return self._default(self._newest, self._action)

    def _act_unbound(self, tick: int, now_ns: int) -> None:
        """Choose the action of a tick without an inference's: by the head alone if none has acted, else by default."""
        alone = self._alone
        if alone is not None and self._acts_alone:
            assert self._newest is not None
            action = alone(now_ns, self._newest)
            if action is not None:
                self._action, self._seen_newest = self._within(action), self._newest_tick
                self._version, self.last_pending_actions = alone.version, alone.pending_actions
                return
        self._action, self._seen_newest = self._act_by_default(tick), -1

    def __getstate__(self) -> dict[str, Any]:
        """The state of a suspended run: without the dispatcher."""
        return {**self.__dict__, "dispatcher": None}

    def _late_inputs(self, command: c.StartInference) -> tuple[NDArray[Any], ...]:
        """The inputs of an inference of one stage beside its observation: pending actions and its expected delay."""
        inputs: tuple[NDArray[Any], ...] = ()
        if self._pending is not None:
            told = self.pending_actions(command.observation, command.target, command.inference)
            self._told[command.inference] = told
            inputs = (told.copy(),)
        if self._tell_delay:
            inputs = (*inputs, np.array([max(0, command.target - command.observation)]))
        return inputs

    def _planned(self, command: c.Execute, plan: NDArray[Any]) -> Any:
        """The first action of ``plan``, counted if that of its chunk was clipped."""
        if self._clipped and command.inference in self._clipped:
            self.clipped += int(self._clipped[command.inference][command.step])
        return self._codec.decode(plan[0])

    def _within(self, action: Any) -> Any:
        """The action of a head, clipped and counted if that is asked for."""
        if not self._codec.clips:
            return action
        (within,), (outside,) = self._codec.clip(action[np.newaxis])
        self.clipped += int(outside)
        return within

    def _corrected(self, command: c.Execute, head: ChunkHead, plan: NDArray[Any], now_ns: int) -> Any:
        """The first action of ``plan`` as the head corrects it, on all that is known by now; None if the head fails."""
        observation = command.tick - command.delay_ticks
        inputs: tuple[NDArray[Any], ...] = ()
        if self._pending is not None:
            self.last_pending_actions = self.pending_actions(observation, command.tick)
            inputs = (self.last_pending_actions.copy(),)
        if self._tell_newest:
            assert self._newest is not None
            inputs = (*inputs, copied(self._newest))
            self._seen_newest = self._newest_tick
        if self._tell_delay:
            inputs = (*inputs, np.array([command.delay_ticks]))
        return head(now_ns, plan, *inputs)

    def _bind(self, command: c.BindHead, now_ns: int) -> None:
        """Run a head on the actions executed by now."""
        observation = self._unbound.pop(command.inference)
        inputs: tuple[Any, ...] = ()
        if self._pending is not None:
            pending_actions = self._told[command.inference] = self.pending_actions(observation, command.tick)
            inputs = (pending_actions.copy(),)
        if self._tell_newest:
            assert self._newest is not None
            inputs = (*inputs, self._newest)
            self._bound_newest[command.inference] = self._newest_tick
        if self._tell_delay:
            inputs = (*inputs, np.array([self._newest_tick + 1 - observation]))
        self._executor.bind(command.inference, command.worker, inputs, now_ns)
