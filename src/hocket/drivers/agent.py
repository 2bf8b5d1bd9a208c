"""`StaggeredAgent`: the realtime engine for a loop that the user owns.

A service thread handles what happens between the user's calls, so that a worker that becomes free early does not
wait for the next cycle. It sleeps almost always, and holds the lock for some microseconds at a time.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic_ns
from types import TracebackType
from typing import Any, Literal, Self

import gymnasium as gym
import numpy as np

from hocket.core.cadence import NS_PER_S, Cadence, exact_hz
from hocket.core.commands import Outcome
from hocket.core.rules import Rule
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.engine import Decision, EngineSetup
from hocket.drivers.executors.base import ExecutorKind, WorkerJob
from hocket.drivers.handover import SWITCH, Handover, check_handover
from hocket.drivers.lone_head import LoneHead
from hocket.drivers.rate_watch import CycleWatch
from hocket.drivers.readings import Readings
from hocket.drivers.realtime import as_executor_kind
from hocket.drivers.realtime_engine import RealtimeEngine
from hocket.drivers.rehearsal import Rehearsal
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.policies.failures import (
    USUAL_LIMITS,
    FailureLimits,
    OnFailure,
    OnStale,
    check_failure_limits,
    check_on_failure,
    check_on_stale,
)
from hocket.spaces.codec import ActionCodec, OutOfBounds
from hocket.spaces.defaults import Default, bound
from hocket.spaces.observation_check import ObservationCheck
from hocket.spaces.observations import check_observation_space, form_of, mapped, zeros

IDLE_NS = NS_PER_S // 20
MOST_TIMES = 100_000
"""Times of observations that are kept while the policy does not answer."""
REHEARSE_NS = 400_000
"""The time before a cycle at which the rehearsal runs."""
REHEARSAL_HZ = 200
"""Shorter cycles keep the code warm without a rehearsal."""


class StaggeredAgent:
    """Acts on every cycle of a loop that the user owns, at ``hz``, however slow the policy is.

    Use it as a context manager. Once a cycle, either call `act` when the action is due and `observe` when the new
    observation is there (an inference on it may then be executed one cycle later, delay 1), or, if the loop has one
    call a cycle, ``act(observation)``. Neither ever waits for a worker.

    The tick of a call is the one nearest in time, and always a new one: a loop that runs slower than ``hz`` misses
    ticks, and they are counted. If most of its cycles are longer than a period, a RuntimeWarning says so once.

    Sensors with rates of their own call `update`, from any thread; the observation of a cycle takes the newest reading
    of each part that it does not give itself. Observations may be older than the cycle: ``taken_ns``, a time of
    ``time.monotonic_ns()``, is when they were taken, by default the time of the call; see `last_ages_s`.

    Args:
        policy: a function of one observation, or a `PolicyFactory`.
        rule: when to start which worker, such as ``TickDispatch(workers=4)``.
        hz: the cycles per second of the loop.
        default: chooses what `act` returns when no action is due.
        observation_space: a Box, or a Dict or a Tuple of several; see `ObservationCheck`.
        action_space: a Discrete or a Box.
        executor: `Processes` or `Threads`; None: threads if the policy ``waits``, else processes.
        failures: the limits of failures in a row, above which ``on_failure`` is called, and the count starts anew.
        on_failure: called by `act` with a `PolicyError` that holds the last traceback; None warns with it. To let `act`
            raise it, raise it here.
        on_stale: called by `act` at ticks whose last fresh action is too old: puts the robot in a safe state.
        out_of_bounds: the handling of actions of the policy outside a Box.
        handover: the way in which a chunk takes over from an older one.
        seed: of a random default.
        on_worker_up: called with progress while the first workers start, ``on_worker_up(up, all)``.
    """

    def __init__(
        self,
        policy: PolicyFactory | Policy,
        *,
        rule: Rule,
        hz: float,
        default: Default,
        observation_space: gym.Space[Any],
        action_space: gym.spaces.Discrete | gym.spaces.Box,
        executor: ExecutorKind | Literal["processes", "threads"] | None = None,
        failures: FailureLimits = USUAL_LIMITS,
        on_failure: OnFailure | None = None,
        on_stale: OnStale | None = None,
        out_of_bounds: OutOfBounds = OutOfBounds.REFUSE,
        handover: Handover = SWITCH,
        seed: int = 0,
        on_worker_up: Callable[[int, int], None] | None = None,
    ) -> None:
        check_observation_space(observation_space)
        check_failure_limits(failures)
        check_on_failure(on_failure)
        check_on_stale(on_stale)
        if not isinstance(default, Default):
            raise ConfigurationError(f"default={default!r} is not a default behaviour; try hocket.RepeatLast()")
        if not isinstance(rule, Rule):
            raise ConfigurationError(f"rule={rule!r} is not a rule; try hocket.TickDispatch(workers=4)")
        factory = as_factory(policy)
        check_handover(handover, factory, action_space)
        self._setup = EngineSetup(
            policy=factory,
            rule=rule,
            default=bound(default, action_space, np.random.default_rng(seed)),
            codec=ActionCodec(action_space, factory.chunk_length, out_of_bounds),
            handover=handover,
        )
        self._hz = exact_hz(hz)
        self._half_period_ns = int(Cadence(self._hz).period_ns / 2)
        self._readings = Readings(ObservationCheck(observation_space, "the loop"))
        self._taken_ns: dict[int, Any] = {}  # by tick, of the observations that may still act
        self._acted_ns = 0
        self._example = zeros(form_of(observation_space))
        self._failures = failures
        self._on_failure = _warn if on_failure is None else on_failure
        self._on_stale = on_stale
        self._chunk_head = ChunkHead.of(factory, self._setup.codec, failures)
        if on_worker_up is not None:
            on_worker_up(0, rule.initial_workers)
        self._executor = as_executor_kind(executor, factory).executor(
            WorkerJob.under(factory, rule, self._setup.codec, observation_space),
            None,
        )
        self._joined = self._executor.launch(
            None if on_worker_up is None else lambda up: on_worker_up(up, rule.initial_workers)
        )
        self._alone = LoneHead.of(factory, self._setup.codec, self._example, failures)
        self._engine: RealtimeEngine | None = None
        self._tick = 0
        self._observed = -1
        self._lock = Lock()
        self._cycles: CycleWatch | None = None
        self._policy_error: PolicyError | None = None  # for the next `act`
        self._failure: Exception | None = None  # ends the agent
        self._closed = False
        self._servant: Thread | None = None

    # -- called by the user's thread ------------------------------------------------------------------------

    def act(self, observation: Any = None, *, taken_ns: int | None = None) -> Any:
        """Return the freshest action due now, or the default.

        With ``observation``, `observe` it first, with ``taken_ns``; it can act from the next cycle on. The caller may
        keep and change the action. A policy that fails, hangs or is lost never makes this raise: the default acts until
        it works again.

        Warns (`RuntimeWarning`), unless there is an ``on_failure``, if failures have passed the limits.

        Raises:
            EnvError: as `observe`.
        """
        if observation is not None:
            # One call a cycle: the observation of tick k comes when the action of tick k + 1 is due.
            self._observe(observation, taken_ns, since_ns=2 * self._half_period_ns)
        elif taken_ns is not None:
            raise ConfigurationError(f"taken_ns={taken_ns!r} is of no observation; try act(observation, taken_ns=...)")
        self._check_open()
        engine = self._engine
        if engine is None or self._observed < self._tick:
            raise ConfigurationError(
                "act() needs a new observation each cycle: call observe(observation) before the first one and after "
                "each step, or act(observation)"
            )
        with self._lock:
            self._service(engine)
            now_ns = monotonic_ns()
            self._tick = max(self._tick + 1, engine.cadence.tick_at(now_ns + self._half_period_ns))
            action = engine.deadline(self._tick, now_ns)
            self._acted_ns = now_ns
            error, self._policy_error = self._policy_error, None
        if self._cycles is not None:
            self._cycles.acted(self._tick, now_ns)
        if error is not None:
            self._on_failure(error)
        return action

    def observe(self, observation: Any, *, taken_ns: int | None = None, episode_ended: bool = False) -> None:
        """Take in the newest observation; its buffers may be reused afterwards.

        Args:
            observation: as the observation space describes it; lists and other number types are converted. A dict may
                lack parts that `update` was given.
            taken_ns: the time at which it was taken, without the parts that it lacks.
            episode_ended: True if it is the first observation of a new episode; inferences in flight are discarded.

        Raises:
            EnvError: if a part is missing or has another shape, or holds NaN or infinity; the agent keeps the state
                before the call.
        """
        self._observe(observation, taken_ns, since_ns=0, episode_ended=episode_ended)

    def update(self, part: Any, *, taken_ns: int | None = None) -> None:
        """Take in readings of some parts of a dict of observations, at any time and from any thread.

        Args:
            part: a dict with some of the observations' keys; its buffers may be reused afterwards.
            taken_ns: the time at which they were taken.

        Raises:
            EnvError: as `observe`.
        """
        self._readings.update(part, _time(taken_ns))

    @property
    def last_ages_s(self) -> Any:
        """The ages of the observation that the last action came from, in seconds, when `act` returned it.

        In the structure of the observation, a number in the place of each leaf; None if the default acted.
        """
        last = self.last
        if not last.fresh:
            return None
        taken_ns = self._taken_ns[last.tick - last.delay_ticks]
        return mapped(lambda one_ns: (self._acted_ns - one_ns) / NS_PER_S, taken_ns)

    @property
    def last(self) -> Decision:
        """The decision of the last `act`: the tick, the inference or the default, and the delay."""
        return self._engine.last if self._engine is not None else Decision(0, -1, 0, 0)

    def counts(self) -> dict[str, int]:
        """Count the ticks by how they were filled, and the inferences by how they ended, so far.

        ``clipped`` are the fresh ticks whose action was clipped to the action space, and ``uncorrected`` those whose
        head of a chunk failed, of a policy that has one.
        """
        if self._engine is None:
            return {}
        scheduler, head = self._engine.scheduler, self._chunk_head
        filled = {"fresh": scheduler.fresh, "default": scheduler.default, "missed": scheduler.missed}
        uncorrected = {} if head is None else {"uncorrected": head.uncorrected}
        ended = {outcome.name.lower(): scheduler.outcomes[outcome] for outcome in Outcome}
        return {**filled, "clipped": self._engine.clipped, **uncorrected, **ended}

    def close(self) -> None:
        """Stop the workers. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._servant is not None:
            self._servant.join()
        try:
            if self._engine is not None and self._failure is None:
                self._engine.end(monotonic_ns())
        finally:
            self._executor.close()
        if self._cycles is not None:
            self._cycles.ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- the service thread ---------------------------------------------------------------------------------

    def _observe(self, observation: Any, taken_ns: int | None, *, since_ns: int, episode_ended: bool = False) -> None:
        """Take in an observation; the first one is that of tick 0, ``since_ns`` ago."""
        self._check_open()
        whole, taken = self._readings.complete(observation, _time(taken_ns))
        now_ns = monotonic_ns()
        with self._lock:
            if self._engine is None:
                self._engine = self._begin(now_ns - since_ns)
            elif self._observed == self._tick:
                raise ConfigurationError(f"observe() twice for tick {self._tick}; call act() between")
            self._observed = self._tick
            self._note_time(self._engine, taken)
            self._engine.observed(self._tick, now_ns, whole, episode_ended=episode_ended)

    def _note_time(self, engine: RealtimeEngine, taken_ns: Any) -> None:
        """Keep the times of the observation of this tick, and forget those that act no more."""
        times = self._taken_ns
        while times and ((first := next(iter(times))) < engine.scheduler.last[0] or len(times) > MOST_TIMES):
            del times[first]
        times[self._tick] = taken_ns

    def _begin(self, epoch_ns: int) -> RealtimeEngine:
        engine = RealtimeEngine(
            self._setup,
            Cadence(self._hz, epoch_ns),
            self._executor,
            joined=self._joined,
            failures=self._failures,
            alone=self._alone,
            on_stale=self._on_stale,
            chunk_head=self._chunk_head,
            keep_trace=False,
        )
        self._cycles = CycleWatch(engine.cadence)
        self._servant = Thread(target=self._serve, args=(engine,), name="hocket-agent", daemon=True)
        self._servant.start()
        return engine

    def _serve(self, engine: RealtimeEngine) -> None:
        rehearsal = None
        if self._hz <= REHEARSAL_HZ:
            rehearsal = Rehearsal(self._setup.rule, engine.cadence, self._setup.codec, self._example)
        rehearsed = 0
        while not self._closed and self._failure is None:
            now_ns = monotonic_ns()
            until_ns = now_ns + IDLE_NS
            if rehearsal is not None and rehearsed < (upcoming := self._tick + 1):
                rehearse_ns = engine.cadence.deadline_ns(upcoming) - REHEARSE_NS
                if now_ns >= rehearse_ns:
                    rehearsed = upcoming
                    rehearsal.play()
                    continue
                until_ns = min(until_ns, rehearse_ns)
            wake_ns = engine.wake_ns
            self._executor.wait(until_ns if wake_ns is None else min(until_ns, wake_ns))
            with self._lock, contextlib.suppress(Exception):  # the next call raises it, in the user's thread
                self._service(engine)

    def _service(self, engine: RealtimeEngine) -> None:
        """Handle what has happened, up to the first failure that ends the agent."""
        if self._failure is not None:
            raise self._failure
        try:
            engine.service()
        except PolicyError as error:
            self._policy_error = error
        except Exception as failure:
            self._failure = failure
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("the agent is closed; make a new one")
        if self._failure is not None:
            raise self._failure


def _time(taken_ns: int | None) -> int:
    """``taken_ns``, checked; now if None."""
    now_ns = monotonic_ns()
    if taken_ns is None:
        return now_ns
    if not isinstance(taken_ns, int | np.integer) or not 0 <= taken_ns <= now_ns:
        raise ConfigurationError(
            f"taken_ns={taken_ns!r} must be a time of time.monotonic_ns() that has passed, at most {now_ns}; try "
            "time.monotonic_ns() when the sensor is read, or leave it out"
        )
    return int(taken_ns)


def _warn(error: PolicyError) -> None:
    warnings.warn(f"the default acts, because {error}", RuntimeWarning, stacklevel=3)
