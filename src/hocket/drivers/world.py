"""The environment as a driver sees it: one step a tick, and an episode that ends resets within its tick."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.record import RunRecord


class World:
    """Steps ``env`` and writes each tick into ``record``.

    Attributes:
        observation: the newest one. After a tick that ended an episode, the next episode's first.
        episode_ended: whether the last tick ended an episode.
    """

    def __init__(self, env: gym.Env[Any, Any], record: RunRecord) -> None:
        self.env = env
        self.record = record
        self.observation: Any = None
        self.episode_ended = False

    def reset(self, seed: int | None) -> None:
        """Tick 0."""
        self.observation, _ = self.env.reset(seed=seed)

    def step(self, tick: int, action: Any, lateness_ns: int) -> None:
        """Execute ``action`` as tick ``tick``."""
        began = perf_counter_ns()
        observation, reward, terminated, truncated, _ = self.env.step(action)
        record = self.record
        ended = bool(terminated or truncated)
        if ended:
            record.final_observations[tick] = np.array(observation)  # the reset may reuse its buffer
            observation, _ = self.env.reset()
        self.observation = observation
        self.episode_ended = ended
        record.ticks.append(tick)
        record.rewards.append(float(reward))
        record.terminated.append(bool(terminated))
        record.truncated.append(bool(truncated))
        record.lateness_ns.append(lateness_ns)
        record.step_ns.append(perf_counter_ns() - began)
        record.actions.append(action)
