"""The realtime clock: the tick loop over an environment and the realtime engine. It never waits for a worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from time import monotonic_ns, thread_time
from typing import Literal

from hocket.core.cadence import NS_PER_S, Cadence, exact_hz
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.env_stepper import EnvStepper
from hocket.drivers.executors import Processes, Threads
from hocket.drivers.executors.base import ExecutorKind, WorkerJob
from hocket.drivers.interrupt import Interrupt, between_ticks
from hocket.drivers.lone_head import LoneHead
from hocket.drivers.loop_thread import (
    check_priority,
    collect_a_little,
    missing_priority,
    realtime_priority,
    spin_until,
    steady_thread,
)
from hocket.drivers.rate_watch import RateWatch
from hocket.drivers.realtime_engine import RealtimeEngine
from hocket.drivers.run_setup import RunSetup
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher, told
from hocket.hooks.instrument import RunView
from hocket.hooks.record import RunRecord, on_error_attach
from hocket.policies.base import PolicyFactory
from hocket.policies.failures import (
    USUAL_LIMITS,
    FailureLimits,
    OnFailure,
    OnStale,
    check_failure_limits,
    check_on_failure,
    check_on_stale,
)
from hocket.spaces.checked_env import CheckedEnv


class Overrun(Enum):
    """Handling of a tick whose own work passes the next deadline."""

    CATCH_UP = "catch up"
    """Every tick runs, back to back. For simulators."""
    SKIP = "skip"
    """Executes the newest tick whose deadline has passed; those before it are missed and counted. For robots."""


@dataclass(frozen=True, kw_only=True)
class Realtime:
    """Run on the wall clock.

    Args:
        hz: ticks per second, taken exactly.
        executor: the way to run workers: `Processes` (policies that compute) or `Threads` (policies that wait); or the
            word ``"processes"`` or ``"threads"``. None: threads if the policy ``waits``, else processes.
        overrun: the handling of a tick whose own work passes the next deadline.
        on_overrun: called with the number of passed deadlines before the next action is executed: the place to put a
            robot in a safe state. It runs inside the tick, and again for each tick that is still late when catching up.
        spin_s: the time before a deadline at which the loop stops sleeping and spins.
        priority: the tick loop's real-time priority (``SCHED_FIFO``), 1 to 99, where the system grants it; 0 for an
            ordinary thread. Without it other threads may make ticks late by milliseconds. The record has the priority
            granted.
        failures: the limits of failures in a row, above which the run ends; of the learners of a training, above which
            it continues without learning.
        on_failure: called above those limits with the `PolicyError`, in place of ending the run; the count starts anew.
        on_stale: called at ticks whose last fresh action is too old: the place to put a robot in a safe state.
    """

    hz: float
    executor: ExecutorKind | Literal["processes", "threads"] | None = None
    overrun: Overrun = Overrun.CATCH_UP
    on_overrun: Callable[[int], None] | None = None
    spin_s: float = 0.0002
    priority: int = 1
    failures: FailureLimits = USUAL_LIMITS
    on_failure: OnFailure | None = None
    on_stale: OnStale | None = None

    def __post_init__(self) -> None:
        exact_hz(self.hz)
        if not 0 <= self.spin_s <= 1:
            raise ConfigurationError(f"spin_s={self.spin_s!r} must lie in 0 to 1 second; try 0.0002")
        check_priority(self.priority)
        check_failure_limits(self.failures)
        check_on_failure(self.on_failure)
        check_on_stale(self.on_stale)
        if self.executor is not None:
            object.__setattr__(self, "executor", as_executor_kind(self.executor))

    def run(
        self,
        setup: RunSetup,
        *,
        ticks: int,
        dispatcher: Dispatcher | None = None,
        until: Callable[[RunRecord], bool] | None = None,
    ) -> RunRecord:
        """Play ``ticks`` ticks. An error that ends the run carries the record up to then."""
        kind = self.executor_of(setup.policy)
        env, rule = CheckedEnv(setup.env), setup.rule
        observation, _ = env.reset(seed=setup.seed)
        job = WorkerJob.under(setup.policy, rule, setup.codec, setup.env.observation_space)
        executor = kind.executor(job, setup.learn)
        view = RunView(
            env=setup.env,
            rule=rule,
            hz=exact_hz(self.hz),
            ticks=ticks,
            realtime=True,
            jump_bound=setup.handover.jump_bound,
        )
        # Signals are deferred until the workers have ended, so that a second Ctrl-C loses no record.
        with on_error_attach() as attached, between_ticks() as interrupt, closing(executor):
            with interrupt.at_once():
                if dispatcher is not None:
                    dispatcher.starting(view)
                joined = executor.launch(None if dispatcher is None else dispatcher.joined)
                alone = LoneHead.of(setup.policy, setup.codec, observation, self.failures, self.on_failure)
                chunk_head = ChunkHead.of(setup.policy, setup.codec, self.failures, self.on_failure)
            with told(dispatcher, view), steady_thread():
                cadence = Cadence(exact_hz(self.hz), monotonic_ns())
                engine = RealtimeEngine(
                    setup,
                    cadence,
                    executor,
                    joined=joined,
                    failures=self.failures,
                    on_failure=self.on_failure,
                    alone=alone,
                    chunk_head=chunk_head,
                    on_stale=self.on_stale,
                )
                record = attached.record = RunRecord(engine.trace)
                record.jump_bound = setup.handover.jump_bound
                stepper = EnvStepper(env, record, setup.codec, setup.listener)
                stepper.observation = observation
                if dispatcher is not None:
                    stepper.dispatcher = dispatcher
                    engine.dispatcher = dispatcher if dispatcher.of_inferences else None
                with realtime_priority(self.priority) as record.priority:
                    if (note := missing_priority(self.priority, record.priority)) is not None:
                        record.notes.append(note)
                    self._loop(engine, stepper, ticks, interrupt, until)
        return record

    def executor_of(self, policy: PolicyFactory) -> ExecutorKind:
        """The executor of a run of ``policy``."""
        return as_executor_kind(self.executor, policy)

    def _loop(
        self,
        engine: RealtimeEngine,
        stepper: EnvStepper,
        ticks: int,
        interrupt: Interrupt,
        until: Callable[[RunRecord], bool] | None,
    ) -> None:
        cadence, record = engine.cadence, stepper.record
        spin_ns = int(self.spin_s * NS_PER_S)
        watch = RateWatch(cadence, skips=self.overrun is Overrun.SKIP)
        cpu = thread_time()
        tick = 0
        try:
            stepper.begin(engine, cadence.epoch_ns)
            while tick < ticks and not interrupt.requested:
                tick = self._next_tick(cadence, tick, ticks, watch)
                deadline_ns = cadence.deadline_ns(tick)
                engine.service_until(deadline_ns - spin_ns)
                while (wake_ns := engine.wake_ns) is not None and wake_ns < deadline_ns:
                    spin_until(wake_ns)
                    engine.service()
                spin_until(deadline_ns)
                engine.service()
                action = engine.deadline(tick, deadline_ns)
                stepper.step(tick, action, monotonic_ns() - deadline_ns)
                stepper.show(engine, tick, monotonic_ns())
                collect_a_little(tick)
                if until is not None and until(record):
                    break
        except KeyboardInterrupt:
            interrupt.request()
        except BaseException:
            with suppress(Exception):  # the error may have left the state inconsistent
                self._finish(engine, record, interrupt, thread_time() - cpu)
            raise
        self._finish(engine, record, interrupt, thread_time() - cpu)
        watch.ended(tick, monotonic_ns())
        if not record.interrupted:
            engine.failures.check_end()
            for head in engine.heads:
                head.failures.check_end()

    def _finish(self, engine: RealtimeEngine, record: RunRecord, interrupt: Interrupt, cpu_s: float) -> None:
        """Complete the record of a loop that has ended."""
        now_ns = monotonic_ns()
        record.signal = interrupt.signal
        record.loop_cpu_s = cpu_s
        record.wall_s = (now_ns - engine.cadence.epoch_ns) / NS_PER_S
        record.clipped = engine.clipped
        record.errors = engine.failures.tracebacks
        record.learning_errors = engine.failures.learning_tracebacks
        for head in engine.heads:
            head.note_in(record)
        engine.end(now_ns)

    def _next_tick(self, cadence: Cadence, tick: int, ticks: int, watch: RateWatch) -> int:
        """Return the next tick to execute; the ticks between are missed."""
        now_ns = monotonic_ns()
        passed = min(cadence.tick_at(now_ns), ticks) - tick
        if passed <= 0:
            return tick + 1
        if self.on_overrun is not None:
            self.on_overrun(passed)
        watch.overran(tick, passed, now_ns)
        return tick + 1 if self.overrun is Overrun.CATCH_UP else tick + passed


def as_executor_kind(executor: ExecutorKind | str | None, policy: PolicyFactory | None = None) -> ExecutorKind:
    """Convert an executor kind, its word, or None for the usual one of ``policy``, to an executor kind."""
    if isinstance(executor, ExecutorKind):
        return executor
    if executor is None and policy is not None:
        return Threads() if policy.waits else Processes()
    if executor == "processes":
        return Processes()
    if executor == "threads":
        return Threads()
    raise ConfigurationError(
        f'executor={executor!r} must be "processes", "threads", hocket.Processes() or hocket.Threads()'
    )
