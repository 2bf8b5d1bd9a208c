"""Virtual time: an event heap, a latency law, and the policy run inline.

An hour of realtime takes as long as its arithmetic. Nothing here may depend on what a realtime run could not yet
know: an answer computed when its inference starts is shown to nobody before its inference has ended.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from time import perf_counter, process_time
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core import events as e
from hocket.core.cadence import Cadence, exact_hz
from hocket.core.events import Event
from hocket.core.rules import Rule
from hocket.defaults import BoundDefault
from hocket.drivers.clock import between_ticks
from hocket.drivers.engine import Engine, Executor
from hocket.drivers.failures import FailureLog, check_failure_limit
from hocket.drivers.world import World
from hocket.errors import ConfigurationError, PolicyError
from hocket.latency import Constant, LatencyModel
from hocket.policy import PolicyFactory, Stages, built
from hocket.record import Background, Listener, RunRecord
from hocket.spaces import ActionCodec

INSTANT = Constant(0.0)
QUICK = Constant(0.0005)


@dataclass(frozen=True, kw_only=True)
class Virtual:
    """Run in virtual time.

    Args:
        hz: ticks per second, taken exactly.
        latency: the law that each inference's duration is drawn from; of a policy in two stages, its trunk's.
        head: the law of the durations of heads.
        learning: the law of the durations of sequential learning.
        failure_limit: how many failures in a row, with no success between, end the run.
    """

    hz: float
    latency: LatencyModel
    head: LatencyModel = QUICK
    learning: LatencyModel = INSTANT
    failure_limit: int = 5

    def __post_init__(self) -> None:
        exact_hz(self.hz)
        check_failure_limit(self.failure_limit)
        for name in ("latency", "head", "learning"):
            if not isinstance(getattr(self, name), LatencyModel):
                raise ConfigurationError(
                    f"{name}={getattr(self, name)!r} is not a latency model; try hocket.Constant(0.05)"
                )

    def run(
        self,
        *,
        env: gym.Env[Any, Any],
        policy: PolicyFactory,
        rule: Rule,
        default: BoundDefault,
        codec: ActionCodec,
        ticks: int,
        seed: int,
        learn: Callable[[], None] | None = None,
        watch: Callable[[Engine], None] | None = None,
        listener: Listener | None = None,
        until: Callable[[RunRecord], bool] | None = None,
        background: Background | None = None,
    ) -> RunRecord:
        """Play ``ticks`` ticks."""
        run = self.begin(
            env=env,
            policy=policy,
            rule=rule,
            default=default,
            codec=codec,
            seed=seed,
            learn=learn,
            listener=listener,
            background=background,
        )
        if watch is not None:
            watch(run.engine)
        run.play(ticks, until=until)
        return run.end()

    def begin(
        self,
        *,
        env: gym.Env[Any, Any],
        policy: PolicyFactory,
        rule: Rule,
        default: BoundDefault,
        codec: ActionCodec,
        seed: int,
        learn: Callable[[], None] | None = None,
        listener: Listener | None = None,
        background: Background | None = None,
    ) -> VirtualRun:
        """A run at tick 0, to be played in stretches."""
        cadence = Cadence(exact_hz(self.hz))
        executor = VirtualExecutor(
            policy=policy,
            codec=codec,
            latency=self.latency,
            head=self.head,
            learning=self.learning,
            seed=seed,
            failures=FailureLog(self.failure_limit),
            learn=learn,
            background=background,
        )
        engine = Engine(
            rule=rule,
            cadence=cadence,
            executor=executor,
            default=default,
            codec=codec,
            pending=policy.pending,
            head_ns=policy.head_ns,
            newest=policy.newest,
        )
        run = VirtualRun(engine, executor, World(env, RunRecord(engine.trace), listener))
        with run.timed():
            for _ in range(rule.initial_workers):
                executor.add_worker(cadence.epoch_ns)
            executor.advance(cadence.epoch_ns, engine)
            run.world.reset(seed)
            run.world.begin(engine, cadence.epoch_ns)
        return run


class VirtualRun:
    """A run in virtual time between two ticks.

    Played in one go or in stretches, pickled between them or not, it comes out the same. A pickle holds all of it; the
    environment, the policy, the listener and the background must be picklable for that, or be kept apart.

    Attributes:
        engine, executor, world: of this run; the world has the record.
        tick: the last one that was played.
        whole: whether that tick was played to its end; else the run cannot go on.
    """

    def __init__(self, engine: Engine, executor: VirtualExecutor, world: World) -> None:
        self.engine, self.executor, self.world = engine, executor, world
        self.tick = 0
        self.whole = True

    @property
    def record(self) -> RunRecord:
        """Of what was played so far."""
        return self.world.record

    def play(self, to_tick: int, *, until: Callable[[RunRecord], bool] | None = None) -> None:
        """Play up to tick ``to_tick``, or until ``until`` says so of the record, or Ctrl-C."""
        engine, executor, world = self.engine, self.executor, self.world
        background = executor.background
        self.whole = False
        with self.timed(), between_ticks() as interrupt:
            try:
                for tick in range(self.tick + 1, to_tick + 1):
                    now_ns = engine.cadence.deadline_ns(tick)
                    executor.advance(now_ns, engine)
                    if background is not None:
                        background.advance(now_ns)
                    world.step(tick, engine.deadline(tick, now_ns), 0)
                    world.show(engine, tick, now_ns)
                    self.tick = tick
                    if interrupt.requested or (until is not None and until(world.record)):
                        break
                self.whole = True
            except KeyboardInterrupt:
                interrupt.requested = True
        world.record.interrupted = interrupt.requested

    def end(self) -> RunRecord:
        """Let nothing more happen; the record of it all."""
        # Ctrl-C may have come in the middle of the next tick.
        now_ns = self.engine.cadence.deadline_ns(self.tick if self.whole else self.tick + 1)
        self.engine.feed(e.RunEnded(now_ns))
        self.record.errors = self.executor.failures.tracebacks
        return self.record

    @contextmanager
    def timed(self) -> Iterator[None]:
        """What happens inside is the run's own time."""
        began, cpu = perf_counter(), process_time()
        try:
            yield
        finally:
            self.record.wall_s += perf_counter() - began
            self.record.loop_cpu_s += process_time() - cpu


class VirtualExecutor(Executor):
    """Runs the policy at once and reports its answer when its drawn duration has passed."""

    def __init__(
        self,
        *,
        policy: PolicyFactory,
        codec: ActionCodec,
        latency: LatencyModel,
        head: LatencyModel,
        learning: LatencyModel,
        seed: int,
        failures: FailureLog,
        learn: Callable[[], None] | None = None,
        background: Background | None = None,
    ) -> None:
        seeds = np.random.SeedSequence(seed).spawn(3)
        inference_rng, learning_rng, head_rng = (np.random.default_rng(s) for s in seeds)
        self.failures = failures
        try:
            self._policy = built(policy)
        except Exception as error:
            raise PolicyError(f"the policy could not be built:\n{traceback.format_exc()}") from error
        self._encode = codec.encode
        self._features: dict[int, Any] = {}  # by worker, of the trunk that it ran last
        self._duration = latency.sampler(inference_rng)
        self._head_duration = head.sampler(head_rng)
        self._learning_duration = learning.sampler(learning_rng)
        self._learn = learn
        self.background = background
        self._workers = 0
        self._sequence = 0
        self._heap: list[tuple[int, int, Event, NDArray[Any] | str | None]] = []

    def post(self, event: Event, extra: NDArray[Any] | str | None = None) -> None:
        """Let ``event`` happen at its time."""
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
            answer = self._encode(policy(inputs[0].copy(), *inputs[1:]))  # it may keep or change what it is given
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
        self.post(e.LearningFinished(ended_ns), failure)

    def advance(self, until_ns: int, engine: Engine) -> None:
        """Let everything happen that happens by ``until_ns``; a timer of that very instant waits for its tick."""
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
                        self.failures.failure(extra)
            elif wake_ns is not None and wake_ns < until_ns:
                engine.timer_due()
            else:
                return
