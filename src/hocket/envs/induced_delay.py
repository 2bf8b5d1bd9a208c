"""The induced delayed semi-MDP as a Gymnasium wrapper, for learners of other libraries.

Actions take effect late and the default behaviour acts between them. The wrapper has no clock, no workers and no
scheduler: it executes, tick for tick, the same actions as the virtual driver with enough workers. Source: Riemer et al.
2025, Definition 1.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import fields, is_dataclass
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs

from hocket.core.cadence import Cadence, exact_hz
from hocket.envs.delayed_views import LateView, PendingView
from hocket.errors import ConfigurationError, check_whole
from hocket.latency.laws import LatencyModel, PerWorker, check_law
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.codec import ActionCodec
from hocket.spaces.defaults import BoundDefault, Default, Fixed, Timed, bound, neutral

INFO_KEY = "induced_delay"


class InducedDelay(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """``env`` as an agent sees it that decides at ticks 0, I, 2I, ... and whose decisions take effect late.

    ``step(action)`` takes the decision for the observation returned last, at tick o, and advances ``interval``
    ticks, each exactly one ``env.step``. A decision executes at tick o + ``delay_ticks``; every tick with none due
    executes the default behaviour. With interval and delay 1 this is ``env`` itself.

    **Reward.** The step from o returns Σ γ^i·r over ticks o+1, o+2, ..., o+``interval_ticks``: rewards as they come,
    though the decision just taken may execute later. That is the reward of the semi-MDP on observation *and* pending
    actions: those settle ticks up to o + ``delay_ticks`` - 1, and what the decision earns arrives in later steps, as
    any delayed consequence does. No reward is lost or moved between episodes, so returns are the environment's own.
    A learner discounts by γ^``interval_ticks`` from step to step.

    **Ends.** The tick that ends an episode ends the step; the rest of the interval is not run. Decisions not yet
    executed are discarded by ``reset``.

    **Info.** ``info["induced_delay"]`` holds four lists with one entry a tick: ``actions`` executed, ``rewards``,
    ``fresh`` (a decision rather than the default) and ``delays`` (tick − tick of the observation decided on, 0
    where the default acted, and with ``newest`` where there were no features). The rest is the last tick's own info.

    **Late binding.** With ``newest`` the decision is that of a head that runs just before its tick: it executes in the
    next tick, and the observation shows what the head is told: the observation of ``delay_ticks`` before that tick,
    whose features a slow trunk has by then, the newest one, and whether there are features at all. In the first
    ``delay_ticks`` − 1 ticks of an episode there are none; the episode's first observation fills the place. That is
    ``TwoStage(trunk, head, newest=True, tells_delay=True)`` under ``TickDispatch(delay_ticks)`` in the virtual driver.

    **Learners.** Without pending actions or ``newest``, no observation shows an action before ``least_n_step`` steps
    have passed: a learner must bootstrap from that one or a later one, with n-step returns of as many steps. A one-step
    learner sees an action's own reward at most, never what it led to. A warning says so unless ``pending_actions`` is
    given.

    **Random delay.** With a ``latency`` every decision's inference takes a drawn duration. It executes at the
    first tick whose deadline it makes, at the earliest o + 1, unless a newer decision has executed or is ready as
    well: then it is dropped. That is ``TickDispatch(hold=False)`` under ``Virtual(hz=hz, latency=latency)``.

    **Seeds.** ``reset(seed=s)`` starts the environment, the default and the durations as ``hocket.run(seed=s)``
    does, and the tick count at 0. ``reset()`` continues as a driver does after an episode: same streams, the new
    episode's first observation takes the index of the tick that ended the last one, and `RepeatLast` still
    repeats what was executed last.

    Args:
        env: Discrete or Box actions; any observations.
        interval_ticks: I, at least 1.
        delay_ticks: at least 1 (1 = the ordinary MDP); 1 where a ``latency`` is given.
        latency: a law of inference times, for random delays; needs ``hz``.
        default: what fills the other ticks; the first action of a Discrete, zeros in a Box, if None.
        pending_actions: add to each observation what ticks o+1 ... o+``delay_ticks``-1 will execute, as far as it is
            known at tick o, or with ``newest`` what has executed since the late observation; this makes the problem
            Markov again. One row a tick. Discrete actions: one-hot over the actions and, last, ``unknown``: a decision
            whose inference is still running, or a default that cannot be foreseen (random, or a function of later
            observations). Box actions: their elements and, last, 1; all 0 if unknown. Fixed delays only. A
            one-dimensional Box becomes a longer one of the same dtype, rows appended (any MLP takes it); other
            observations, and integers beside Box actions, become ``Dict(observation=..., pending=Box(...,
            (delay_ticks - 1, n + 1)))``. With delay 1 nothing is pending and the observation is unchanged. None is
            False.
        newest: decide by late binding on the newest observation as well; see above. A one-dimensional Box is followed
            by the rows of pending actions, if there are any, a number that is 1 if there are features and else 0, and
            the newest observation; other observations become a ``Dict`` with ``ready=Box(0, 1, (1,))`` and ``newest``.
            Fixed delays only.
        inference_ticks: how long an inference lasts, for ``pending_actions`` only: 1 to ``delay_ticks``; 1 if None.
            With 1 (quick, then held, or late in the actuators; also what a late-binding head gets to know) every
            pending decision is known. With ``delay_ticks`` it is never: nothing of it exists yet at tick o.
        gamma: γ in (0, 1], within a step.
        hz: ticks per second, to turn a law's seconds into ticks; for a law only.

    Raises:
        ConfigurationError: naming the option that cannot work.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        interval_ticks: int = 1,
        delay_ticks: int = 1,
        latency: LatencyModel | None = None,
        default: Default | None = None,
        pending_actions: bool | None = None,
        newest: bool = False,
        inference_ticks: int | None = None,
        gamma: float = 1.0,
        hz: float | str | Fraction | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self,
            interval_ticks=interval_ticks,
            delay_ticks=delay_ticks,
            latency=latency,
            default=default,
            pending_actions=pending_actions,
            newest=newest,
            inference_ticks=inference_ticks,
            gamma=gamma,
            hz=hz,
        )
        gym.Wrapper.__init__(self, env)
        self._interval = _ticks("interval_ticks", interval_ticks)
        self._delay = _ticks("delay_ticks", delay_ticks) if latency is None else 0
        self._cadence = _cadence(delay_ticks, latency, hz)
        self._law = latency
        if not (isinstance(gamma, int | float | np.number) and 0 < gamma <= 1):
            raise ConfigurationError(f"gamma={gamma!r} must lie in (0, 1]; try 0.99, or 1.0 to add rewards up")
        self._gamma = float(gamma)
        if default is not None and not isinstance(default, Default):
            raise ConfigurationError(f"default={default!r} is no default behaviour; try hocket.Fixed({default!r})")
        if default is not None and isinstance(bound(default, env.action_space, np.random.default_rng(0)), Timed):
            raise ConfigurationError(f"default={default!r} counts seconds, and here are none; try hocket.RepeatLast()")
        self._codec = ActionCodec(env.action_space)
        self._checked = CheckedEnv(env)
        self._behaviour = Fixed(neutral(env.action_space)) if default is None else default
        wanted = bool(pending_actions)
        self._pending = _pending(env, self._behaviour, self._delay, inference_ticks, wanted=wanted)
        self._late: LateView | None = None
        if newest:
            self._late = _late_view(env, self._delay, inference_ticks, rows=self._delay - 1 if wanted else 0)
            self.observation_space = self._late.space
        elif self._pending is not None:
            self.observation_space = self._pending.space
        self.least_n_step = 1 if wanted or newest else -(-self._delay // self._interval)
        """The steps after which an observation shows an action, or its successors do: what an n-step learner needs at
        least. 0 where delays are random."""
        if pending_actions is None and self.least_n_step > 1:
            warnings.warn(
                f"delay_ticks={self._delay} without pending actions: the next {self.least_n_step - 1} observations "
                "cannot depend on an action, so a one-step learner learns nothing of what it led to; try "
                f"pending_actions=True, newest=True, or n-step returns of at least {self.least_n_step} steps and "
                "pending_actions=False",
                RuntimeWarning,
                stacklevel=2,
            )
        self._default: BoundDefault
        self._begin(None)
        self._between_episodes = True

    def _begin(self, seed: int | None) -> None:
        """Tick 0, and every stream of draws at its start, as `hocket.run` starts them."""
        root = np.random.SeedSequence(seed)
        inference, _learning = root.spawn(2)
        self._default = bound(self._behaviour, self.env.action_space, np.random.default_rng(root))
        if self._law is not None:
            self._duration = self._law.checked_sampler(np.random.default_rng(inference))
        self._tick = 0
        self._newest: Any = None
        self._executed: Any = None
        self._decided_on = -1  # the observation of the last executed decision
        self._in_flight: list[tuple[int, int, Any]] = []  # heap of (usable tick, observation, action)
        # Of late binding: this episode's newest observations, at most as many as the delay, and the actions between.
        self._history: list[Any] = []
        self._acted: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; decisions in flight are discarded."""
        if seed is not None:
            self._begin(seed)
        self._in_flight.clear()
        observation, info = self._checked.reset(seed=seed, options=options)
        self._newest = deepcopy(observation)  # the environment may reuse its buffer
        self._history, self._acted = [self._newest], []
        self._between_episodes = False
        return self._seen(), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide on the observation returned last, then let ``interval_ticks`` ticks pass.

        Raises:
            ActionError: if ``action`` is not in the action space.
            EnvError: if the environment gives something else than it declares.
            gymnasium.error.ResetNeeded: before the first ``reset``, and after an episode has ended.
        """
        if self._between_episodes:
            raise ResetNeeded("no episode is running; call reset() before step()")
        decided = self._codec.decode(self._codec.encode(action)[0])
        heappush(self._in_flight, (self._usable_from(self._tick), self._tick, decided))
        actions: list[Any] = []
        rewards: list[float] = []
        fresh: list[bool] = []
        delays: list[int] = []
        total, discount, ended = 0.0, 1.0, False
        delay_told = self._delay if len(self._history) >= self._delay else 0  # of a head
        while len(rewards) < self._interval and not ended:
            self._tick += 1
            delay = self._act()
            observation, reward, terminated, truncated, info = self._checked.step(self._codec.copied(self._executed))
            self._newest = deepcopy(observation)
            if self._late is not None:
                self._history = [*self._history, self._newest][-self._delay :]
                self._acted = [*self._acted, self._executed][-self._delay :]
            total += discount * reward
            discount *= self._gamma
            ended = terminated or truncated
            actions.append(self._codec.copied(self._executed))
            rewards.append(reward)
            fresh.append(delay > 0)
            delays.append(delay if self._late is None or not delay else delay_told)
        self._between_episodes = ended
        report = {"actions": actions, "rewards": rewards, "fresh": fresh, "delays": delays}
        return self._seen(), total, terminated, truncated, {**info, INFO_KEY: report}

    def _usable_from(self, tick: int) -> int:
        """The first tick that a decision on observation ``tick`` can execute at."""
        if self._late is not None:
            return tick + 1
        if self._cadence is None:
            return tick + self._delay
        now_ns = self._cadence.deadline_ns(tick)
        return max(tick + 1, self._cadence.tick_from(now_ns + self._duration(0, now_ns)))

    def _act(self) -> int:
        """Sets the action that this tick executes; returns its delay, or 0 for the default."""
        action: Any = None
        chosen = -1
        while self._in_flight and self._in_flight[0][0] <= self._tick:
            _, observation, ready = heappop(self._in_flight)  # of one tick's the newest comes last
            if observation > self._decided_on:
                action, chosen = ready, observation
        if chosen < 0:
            self._executed = self._default(self._newest, self._executed)
            return 0
        self._executed, self._decided_on = action, chosen
        return self._tick - chosen

    def _seen(self) -> Any:
        """The newest observation as the agent sees it; the agent may keep and change it."""
        if self._late is not None:
            return self._late.view(self._history, self._acted)
        if self._pending is None:
            return deepcopy(self._newest)
        last = self._default(None, self._executed) if self._pending.foreseeable else None
        return self._pending.view(self._newest, self._tick, self._in_flight, last)


def _ticks(name: str, value: Any) -> int:
    law = ", or for a law of times latency=hocket.LogNormal(0.05, 0.3)" if name == "delay_ticks" else ""
    check_whole(name, value, example=f"1{law}", numpy=True)
    return int(value)


def _cadence(delay_ticks: int, latency: LatencyModel | None, hz: float | str | Fraction | None) -> Cadence | None:
    """The cadence that turns a law's durations into ticks; None for a fixed delay."""
    if latency is None:
        if hz is not None:
            raise ConfigurationError(f"hz={hz!r} has no effect with delay_ticks={delay_ticks!r}; leave hz out")
        return None
    check_law("latency", latency)
    if delay_ticks != 1:
        raise ConfigurationError(
            f"delay_ticks={delay_ticks!r} has no effect with latency={latency!r}; give one of the two"
        )
    if hz is None:
        raise ConfigurationError(f"latency={latency!r} is in seconds; give ticks per second as well, such as hz=50")
    if _asks_for_worker(latency):
        raise ConfigurationError(
            f"latency={latency!r} asks which worker infers, and here none is limited; try hocket.run, or a plain law"
        )
    return Cadence(exact_hz(hz))


def _asks_for_worker(law: LatencyModel) -> bool:
    parts: list[Any] = [getattr(law, field.name) for field in fields(law)] if is_dataclass(law) else []
    return isinstance(law, PerWorker) or any(_asks_for_worker(p) for p in parts if isinstance(p, LatencyModel))


def _pending(
    env: gym.Env[Any, Any], default: Default, delay: int, inference_ticks: int | None, *, wanted: bool
) -> PendingView | None:
    if not wanted:
        if inference_ticks is not None:
            raise ConfigurationError(
                f"inference_ticks={inference_ticks!r} matters to pending_actions=True only; add that or leave it out"
            )
        return None
    if delay == 0:
        raise ConfigurationError(
            "pending_actions=True needs a fixed delay: under a law an answer executes as soon as it is ready, so "
            "none is known ahead; try delay_ticks=4, or pending_actions=False"
        )
    lasts = 1 if inference_ticks is None else _ticks("inference_ticks", inference_ticks)
    if lasts > delay:
        raise ConfigurationError(f"inference_ticks={lasts} exceeds delay_ticks={delay}; at most that many are allowed")
    return PendingView(env, default, delay - 1, lasts) if delay > 1 else None


def _late_view(env: gym.Env[Any, Any], delay: int, inference_ticks: int | None, *, rows: int) -> LateView:
    if delay == 0:
        raise ConfigurationError(
            "newest=True needs a fixed delay, so that it is known which observation has features; try delay_ticks=4"
        )
    if inference_ticks is not None:
        raise ConfigurationError(
            f"inference_ticks={inference_ticks!r} has no effect with newest=True: a head knows the executed actions; "
            "leave it out"
        )
    return LateView(env, delay, rows)
