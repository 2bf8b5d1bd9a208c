"""The environment side of a driver: one step a tick; an episode that ends is reset within its tick."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.drivers.engine import Engine
from hocket.errors import EnvError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.record import Listener, Moment, RunRecord
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.codec import NOTHING_PENDING, ActionCodec
from hocket.spaces.observations import copied, leaves

AGE_KEY = "observation_age_s"
"""The key of an environment's info for the age of the observation: a number of seconds, or a dict of them by part."""


class EnvStepper:
    """Steps ``env``, writes each tick into ``record`` and calls ``listener``.

    The environment, the listener and the dispatcher get copies of what the record and the engine keep.

    Attributes:
        observation: the newest one; its arrays may be the environment's own buffers. After a tick that ended an
            episode, the next episode's first.
        episode_ended: True if the last tick ended an episode.
        listener: called for every tick, or None.
        dispatcher: calls instruments for every tick, after the listener; None without any.
        next_seed: of the next episode's reset; None continues the environment's own random stream.
        episode_seed: the seed of the current episode's reset, or None.
    """

    def __init__(
        self, env: CheckedEnv, record: RunRecord, codec: ActionCodec, listener: Listener | None = None
    ) -> None:
        self._env = env
        self._codec = codec
        self.listener = listener
        self.dispatcher: Dispatcher | None = None
        self.record = record
        self.observation: Any = None
        self.episode_ended = False
        self.next_seed: int | None = None
        self.episode_seed: int | None = None
        self._counted = tuple(env.env.metadata.get("counts", ()))  # keys of info that count an episode's achievements
        self._counts_before = dict.fromkeys(self._counted, 0)  # those of the episodes that have ended

    @property
    def env(self) -> gym.Env[Any, Any]:
        """The environment."""
        return self._env.env

    def reset(self, seed: int | None) -> None:
        """Reset the environment: tick 0."""
        self.episode_seed = seed
        self.observation, _ = self._env.reset(seed=seed)

    def step(self, tick: int, action: Any, lateness_ns: int) -> None:
        """Execute ``action`` as tick ``tick``; the record keeps it."""
        began = perf_counter_ns()
        given = self._codec.copied(action) if self._codec.copies else action
        observation, reward, terminated, truncated, info = self._env.step(given)
        record = self.record
        ended = terminated or truncated
        if self._counted:
            self._count(info, ended)
        if ended:
            record.final_observations[tick] = copied(observation)  # the reset may reuse its buffers
            self.episode_seed, self.next_seed = self.next_seed, None
            observation, info = self._env.reset(seed=self.episode_seed)
        self.observation = observation
        self.episode_ended = ended
        record.ticks.append(tick)
        record.rewards.append(reward)
        record.terminated.append(terminated)
        record.truncated.append(truncated)
        record.lateness_ns.append(lateness_ns)
        record.step_ns.append(perf_counter_ns() - began)
        if info and AGE_KEY in info:
            record.ages_ns[tick] = self._age_ns(info[AGE_KEY])
        record.actions.append(action)

    def _age_ns(self, age_s: Any) -> int:
        """The age of an observation in seconds, or those of its parts: of the oldest one, in nanoseconds."""
        ages = list(leaves(age_s))
        for age in ages or [age_s]:
            if not (isinstance(age, int | float | np.number) and 0 <= age < math.inf):
                raise EnvError(
                    f"info[{AGE_KEY!r}]={age_s!r} of {self._env.name} must be a number of seconds of at least 0, or a "
                    "dict of them; try (time.monotonic_ns() - taken_ns) / 1e9"
                )
        return int(max(ages) * NS_PER_S)

    def _count(self, info: Mapping[str, Any], ended: bool) -> None:
        counts = self.record.counts
        for key in self._counted:
            counts[key] = self._counts_before[key] + int(info.get(key, 0))
        if ended:
            self._counts_before = dict(counts)

    def begin(self, engine: Engine, now_ns: int) -> None:
        """Give ``engine`` observation 0."""
        engine.observed(0, now_ns, self.observation)
        if self.listener is not None:
            self.listener.began(copied(self.observation))

    def show(self, engine: Engine, tick: int, now_ns: int) -> None:
        """Give ``engine`` the observation of tick ``tick``, and tell of the tick."""
        if self.listener is None and self.dispatcher is None:
            engine.observed(tick, now_ns, self.observation, episode_ended=self.episode_ended)
            return
        moment = self.observe(engine, tick, now_ns)
        if moment is not None:
            self.tell(moment)

    def observe(self, engine: Engine, tick: int, now_ns: int) -> Moment | None:
        """Give ``engine`` the observation of tick ``tick``; return what `tell` needs, if there is anything to call."""
        if self.listener is None and self.dispatcher is None:
            engine.observed(tick, now_ns, self.observation, episode_ended=self.episode_ended)
            return None
        decision, final = engine.last, None
        if self.episode_ended:
            final = engine.next_inputs(tick)
        engine.observed(tick, now_ns, self.observation, episode_ended=self.episode_ended)
        record = self.record
        shows_pending = engine.pending > 0 and (decision.fresh or decision.newest >= 0)
        return Moment(
            tick=tick,
            deadline_ns=engine.cadence.deadline_ns(tick),
            lateness_ns=record.lateness_ns[-1],
            inference=decision.inference,
            step=decision.step,
            decided_on=tick - decision.delay_ticks if decision.fresh else -1,
            version=decision.version,
            action=self._codec.copied(record.actions[-1]),
            pending_actions=engine.last_pending_actions.copy() if shows_pending else NOTHING_PENDING,
            reward=record.rewards[-1],
            terminated=bool(record.terminated[-1]),
            truncated=bool(record.truncated[-1]),
            observation=copied(self.observation),
            final_observation=copied(record.final_observations[tick]) if self.episode_ended else None,
            final_pending_actions=NOTHING_PENDING if final is None else final.pending_actions,
            newest=decision.newest,
            final_decided_on=None if final is None else final.observation,
            final_newest=-1 if final is None else final.newest,
        )

    def tell(self, moment: Moment) -> None:
        """Call the listener and the dispatcher."""
        if self.listener is not None:
            self.listener.ticked(moment)
        if self.dispatcher is not None:
            self.dispatcher.ticked(moment)

    def __getstate__(self) -> dict[str, Any]:
        """The state of a suspended run: without the dispatcher."""
        return {**self.__dict__, "dispatcher": None}
