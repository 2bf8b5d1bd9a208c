"""Virtual time: an event heap, a latency law, and the policy called inline.

An hour of realtime takes only its computation time. A run can be played in parts, and suspended between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter, process_time

from hocket.core.cadence import Cadence, exact_hz
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.engine import Engine
from hocket.drivers.env_stepper import EnvStepper
from hocket.drivers.executors.virtual import InferenceBatch, VirtualExecutor
from hocket.drivers.interrupt import between_ticks
from hocket.drivers.lone_head import LoneHead
from hocket.drivers.run_setup import RunSetup
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher, told
from hocket.hooks.instrument import RunView
from hocket.hooks.record import RunRecord, on_error_attach
from hocket.latency.laws import Constant, LatencyModel, check_law
from hocket.policies.failures import (
    USUAL_LIMITS,
    FailureLimits,
    FailureLog,
    OnFailure,
    OnStale,
    check_failure_limits,
    check_on_failure,
    check_on_stale,
)
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.observations import form_of, zeros

INSTANT = Constant(0.0)
QUICK = Constant(0.0005)


@dataclass(frozen=True, kw_only=True)
class Virtual:
    """Run in virtual time.

    Args:
        hz: ticks per second, taken exactly.
        latency: the law of the durations of inferences; for a two-stage policy, of their trunks.
        head: the law of the durations of heads.
        learning: the law of the durations of sequential learning.
        failures: the limits of failures in a row, above which the run ends; their ``outage_s`` is virtual.
        on_failure, on_stale: as those of `hocket.Realtime`, in virtual seconds.
    """

    hz: float
    latency: LatencyModel
    head: LatencyModel = QUICK
    learning: LatencyModel = INSTANT
    failures: FailureLimits = USUAL_LIMITS
    on_failure: OnFailure | None = None
    on_stale: OnStale | None = None

    def __post_init__(self) -> None:
        exact_hz(self.hz)
        check_failure_limits(self.failures)
        check_on_failure(self.on_failure)
        check_on_stale(self.on_stale)
        for name in ("latency", "head", "learning"):
            check_law(name, getattr(self, name))

    def check_head(self, head_s: float) -> None:
        """Refuse a law of heads for a policy without one, whose ``head_s`` is 0.

        Raises:
            ConfigurationError: names the law.
        """
        if not head_s and self.head != QUICK:
            raise ConfigurationError(
                f"head={self.head!r} has no effect: the policy has one stage; leave it out, or try hocket.TwoStage"
            )

    def run(
        self,
        setup: RunSetup,
        *,
        ticks: int,
        dispatcher: Dispatcher | None = None,
        until: Callable[[RunRecord], bool] | None = None,
    ) -> RunRecord:
        """Play ``ticks`` ticks. An error that ends the run carries the record up to then."""
        run = self.begin(setup)
        # Signals are deferred until the record is complete.
        with run.kept_on_error(), between_ticks(), run.told(dispatcher, ticks):
            run.play(ticks, until=until)
            return run.end()

    def begin(self, setup: RunSetup) -> VirtualRun:
        """Make a run at tick 0, to be played in parts."""
        return begin_run(self, setup)


def begin_run(clock: Virtual, setup: RunSetup, batch: InferenceBatch | None = None) -> VirtualRun:
    """`Virtual.begin` of a run among copies; ``batch``, as of `VirtualExecutor`, is the caller's to compute."""
    cadence = Cadence(exact_hz(clock.hz))
    executor = VirtualExecutor(
        setup,
        latency=clock.latency,
        head=clock.head,
        learning=clock.learning,
        failures=FailureLog(clock.failures, on_failure=clock.on_failure),
        batch=batch,
    )
    example = zeros(form_of(setup.env.observation_space))
    engine = Engine(
        setup,
        cadence,
        executor,
        alone=LoneHead.of(setup.policy, setup.codec, example, clock.failures, clock.on_failure),
        chunk_head=ChunkHead.of(setup.policy, setup.codec, clock.failures, clock.on_failure),
        on_stale=clock.on_stale,
    )
    record = RunRecord(engine.trace)
    record.jump_bound = setup.handover.jump_bound
    run = VirtualRun(engine, executor, EnvStepper(CheckedEnv(setup.env), record, setup.codec, setup.listener))
    with run.timed():
        for _ in range(setup.rule.initial_workers):
            executor.add_worker(cadence.epoch_ns)
        executor.advance(cadence.epoch_ns, engine)
        run.stepper.reset(setup.seed)
        run.stepper.begin(engine, cadence.epoch_ns)
    return run


class VirtualRun:
    """A run in virtual time between two ticks.

    The result is the same whether it is played at once or in parts, pickled between them or not. A pickle holds the
    whole state; the environment, the policy, the listener and the background must be picklable, or be kept elsewhere.

    Attributes:
        engine, executor, stepper: of this run; the stepper has the record.
        tick: the last tick played.
        whole: True if that tick was played to its end; else the run cannot continue.
    """

    def __init__(self, engine: Engine, executor: VirtualExecutor, stepper: EnvStepper) -> None:
        self.engine, self.executor, self.stepper = engine, executor, stepper
        self.tick = 0
        self.whole = True

    @property
    def runs(self) -> Sequence[VirtualRun]:
        """Itself: the one run, as of a `hocket.drivers.lockstep.Lockstep` all."""
        return (self,)

    @property
    def record(self) -> RunRecord:
        """The record of the ticks played so far."""
        return self.stepper.record

    def play(self, to_tick: int, *, until: Callable[[RunRecord], bool] | None = None) -> None:
        """Play up to tick ``to_tick``, until ``until`` is true of the record, or until a signal (`between_ticks`)."""
        engine, executor, stepper = self.engine, self.executor, self.stepper
        background = executor.background
        self.whole = False
        with self.timed(), between_ticks() as interrupt:
            try:
                for tick in range(self.tick + 1, to_tick + 1):
                    now_ns = engine.cadence.deadline_ns(tick)
                    executor.advance(now_ns, engine)
                    if background is not None:
                        background.advance(now_ns)
                    stepper.step(tick, engine.deadline(tick, now_ns), 0)
                    stepper.show(engine, tick, now_ns)
                    self.tick = tick
                    engine.check_heads()
                    if interrupt.requested or (until is not None and until(stepper.record)):
                        break
                self.whole = True
            except KeyboardInterrupt:
                interrupt.request()
            stepper.record.signal = interrupt.signal

    def end(self) -> RunRecord:
        """End the run and return its record.

        Raises:
            PolicyError: if every inference has failed; see `FailureLimits`.
        """
        # Ctrl-C may have interrupted the next tick.
        now_ns = self.engine.cadence.deadline_ns(self.tick if self.whole else self.tick + 1)
        self.record.clipped = self.engine.clipped
        self.record.errors = self.executor.failures.tracebacks
        self.record.learning_errors = self.executor.failures.learning_tracebacks
        for head in self.engine.heads:
            head.note_in(self.record)
        self.engine.end(now_ns)
        if not self.record.interrupted:
            self.executor.failures.check_end()
            for head in self.engine.heads:
                head.failures.check_end()
        return self.record

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Inside, an error ends the run and carries the record up to then."""
        with on_error_attach() as attached:
            attached.record = self.record
            try:
                yield
            except BaseException:
                with suppress(Exception):  # the error may have left the state inconsistent
                    self.end()
                raise

    @contextmanager
    def told(self, dispatcher: Dispatcher | None, ticks: int) -> Iterator[None]:
        """Inside, ``dispatcher`` dispatches the events of the run, which has at most ``ticks`` ticks."""
        stepper, engine = self.stepper, self.engine
        hz, rule = engine.cadence.hz, engine.trace.rule
        view = RunView(
            env=stepper.env,
            rule=rule,
            hz=hz,
            ticks=ticks,
            realtime=False,
            jump_bound=stepper.record.jump_bound,
            first_tick=self.tick,
        )
        with told(dispatcher, view):
            if dispatcher is not None:
                stepper.dispatcher = dispatcher
                engine.dispatcher = dispatcher if dispatcher.of_inferences else None
                if engine.dispatcher and not self.tick:  # the consequences of tick 0 have been handled by now
                    for event, commands in engine.trace.steps():
                        dispatcher.handled(event, commands)
            yield

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time spent inside as the run's own."""
        began, cpu = perf_counter(), process_time()
        try:
            yield
        finally:
            self.record.wall_s += perf_counter() - began
            self.record.loop_cpu_s += process_time() - cpu
