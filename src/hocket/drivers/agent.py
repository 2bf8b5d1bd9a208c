"""`StaggeredAgent`: the live engine turned inside out, for people who own their loop.

A thread of its own takes in what happens between the user's calls, so that a worker that becomes free early need
not wait for the next cycle. It sleeps almost always, and holds the lock for some microseconds at a time.
"""

from __future__ import annotations

from threading import Lock, Thread
from time import monotonic_ns
from types import TracebackType
from typing import Any, Literal, Self

import gymnasium as gym
import numpy as np

from hocket.core import events as e
from hocket.core.cadence import NS_PER_S, Cadence, exact_hz
from hocket.core.commands import Outcome
from hocket.core.rules import Rule
from hocket.defaults import Default
from hocket.drivers.engine import Decision
from hocket.drivers.executors.base import ExecutorKind, Job
from hocket.drivers.live import LiveEngine
from hocket.drivers.realtime import as_executor_kind
from hocket.errors import ConfigurationError, HocketError
from hocket.policy import Policy, PolicyFactory, as_factory
from hocket.spaces import ActionCodec, check_observation_space

IDLE_NS = NS_PER_S // 20


class StaggeredAgent:
    """Acts on every cycle of a loop that somebody else runs at ``hz``, however slow the policy is.

    Use it as a context manager. Once a cycle, either call `act` when the action is due and `observe` when the new
    observation is there (an inference on it may then be executed one cycle later, delay 1), or, if the loop has one
    call a cycle, ``act(observation)``. Neither ever waits for a worker.

    The tick of a call is the one nearest in time, and always a new one: a loop that runs slower than ``hz`` misses
    ticks, and they are counted.

    Args:
        policy: a function of one observation, or a `PolicyFactory`.
        rule: when to start which worker, such as ``TickDispatch(workers=4)``.
        hz: the cycles per second of the loop.
        default: what `act` answers when no action is due.
        observation_space, action_space: a Box; a Discrete or a Box.
        executor: `Processes` or `Threads`.
        failure_limit: how many failures in a row, with no success between, make `act` raise `PolicyError`.
        seed: of a random default.
    """

    def __init__(
        self,
        policy: PolicyFactory | Policy,
        *,
        rule: Rule,
        hz: float,
        default: Default,
        observation_space: gym.spaces.Box,
        action_space: gym.spaces.Discrete | gym.spaces.Box,
        executor: ExecutorKind | Literal["processes", "threads"] = "processes",
        failure_limit: int = 5,
        seed: int = 0,
    ) -> None:
        check_observation_space(observation_space)
        self._factory = as_factory(policy)
        self._rule = rule
        self._hz = exact_hz(hz)
        self._half_period_ns = int(Cadence(self._hz).period_ns / 2)
        self._codec = ActionCodec(action_space, self._factory.chunk_length)
        self._default = default.bind(action_space, np.random.default_rng(seed))
        self._space = observation_space
        self._failure_limit = failure_limit
        self._executor = as_executor_kind(executor).executor(
            Job(
                policy=self._factory,
                codec=self._codec,
                observation_shape=observation_space.shape,
                observation_dtype=np.dtype(observation_space.dtype),
                workers=rule.initial_workers,
                most_workers=rule.most_workers,
            ),
            None,
        )
        self._joined = self._executor.launch()
        self._engine: LiveEngine | None = None
        self._tick = 0
        self._observed = -1
        self._lock = Lock()
        self._failure: HocketError | None = None
        self._closed = False
        self._servant = Thread(target=self._serve, name="hocket-agent", daemon=True)

    # -- the user's side ------------------------------------------------------------------------------------

    def act(self, observation: Any = None) -> Any:
        """The freshest action due now, or the default.

        With ``observation``, `observe` it first; it can act from the next cycle on.

        Raises:
            PolicyError: if the policy keeps failing, with its traceback.
        """
        if observation is not None:
            if self._engine is None:
                # One call a cycle: the observation of tick k comes when the action of tick k + 1 is due.
                self._begin(monotonic_ns() - 2 * self._half_period_ns)
            self.observe(observation)
        engine = self._engine
        if engine is None or self._observed < self._tick:
            raise ConfigurationError(
                "act() needs a new observation each cycle: call observe(observation) after each step, "
                "or act(observation)"
            )
        with self._lock:
            self._raise_failure()
            now_ns = monotonic_ns()
            engine.service()
            self._tick = max(self._tick + 1, engine.cadence.tick_at(now_ns + self._half_period_ns))
            return engine.deadline(self._tick, now_ns)

    def observe(self, observation: Any, *, episode_ended: bool = False) -> None:
        """Take in the newest observation; the buffer may be reused afterwards.

        Args:
            observation: as the observation space describes it.
            episode_ended: it is the first of a new episode; what is in flight is discarded.
        """
        array = np.asarray(observation)
        if array.shape != self._space.shape:
            raise ConfigurationError(
                f"observation of shape {array.shape} does not fit {self._space}; give shape {self._space.shape}"
            )
        now_ns = monotonic_ns()
        with self._lock:
            self._raise_failure()
            if self._engine is None:
                self._begin(now_ns)
            assert self._engine is not None
            if self._observed == self._tick:
                raise ConfigurationError(f"observe() twice for tick {self._tick}; call act() between")
            self._observed = self._tick
            self._engine.observed(self._tick, now_ns, array, episode_ended=episode_ended)

    @property
    def last(self) -> Decision:
        """What the last `act` executed: the tick, whether it was fresh, and its delay."""
        return self._engine.last if self._engine is not None else Decision(0, -1, 0, 0)

    def counts(self) -> dict[str, int]:
        """Ticks by how they were filled, and inferences by how they ended, so far."""
        scheduler = self._engine.scheduler if self._engine is not None else None
        if scheduler is None:
            return {}
        ended = {outcome.name.lower(): scheduler.outcomes[outcome] for outcome in Outcome}
        return {"fresh": scheduler.fresh, "default": scheduler.default, "missed": scheduler.missed, **ended}

    def close(self) -> None:
        """Stop the workers. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._servant.is_alive():
            self._servant.join()
        if self._engine is not None and self._failure is None:
            self._engine.feed(e.RunEnded(monotonic_ns()))
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- behind it ------------------------------------------------------------------------------------------

    def _begin(self, now_ns: int) -> None:
        self._engine = LiveEngine(
            rule=self._rule,
            cadence=Cadence(self._hz, now_ns),
            executor=self._executor,
            joined=self._joined,
            default=self._default,
            codec=self._codec,
            failure_limit=self._failure_limit,
            keep_trace=False,
        )
        self._servant.start()

    def _serve(self) -> None:
        engine = self._engine
        assert engine is not None
        while not self._closed and self._failure is None:
            until_ns = monotonic_ns() + IDLE_NS
            wake_ns = engine.wake_ns
            self._executor.wait(until_ns if wake_ns is None else min(until_ns, wake_ns))
            with self._lock:
                try:
                    engine.service()
                except HocketError as failure:
                    self._failure = failure

    def _raise_failure(self) -> None:
        if self._closed:
            raise ConfigurationError("the agent is closed; make a new one")
        if self._failure is not None:
            raise self._failure
