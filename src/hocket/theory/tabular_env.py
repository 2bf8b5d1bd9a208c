"""An `AsyncMDP` as a Gymnasium environment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.spaces.defaults import Default, Fallback, Fixed
from hocket.theory.amdp import AsyncMDP

BATCH = 4096


class TabularEnv(gym.Env[NDArray[np.int64], np.int64]):
    """An environment without episodes; observations are the state, an array of one integer."""

    def __init__(self, mdp: AsyncMDP) -> None:
        self.mdp = mdp
        self.observation_space = spaces.Box(0, mdp.states - 1, (1,), np.int64)
        self.action_space = spaces.Discrete(mdp.actions)
        self._steps = _cumulated(mdp.p).tolist()
        self._rewards = mdp.r.tolist()
        self._pays_by_arrival = mdp.r.ndim == 3
        self._state = 0
        self._draws: Iterator[float] = iter(())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        super().reset(seed=seed)
        self._draws = iter(())
        self._state = bisect_right(_cumulated(self.mdp.start).tolist(), self._draw())
        return np.array([self._state]), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.int64], float, bool, bool, dict[str, Any]]:
        after = bisect_right(self._steps[self._state][action], self._draw())
        reward = self._rewards[self._state][action]
        if self._pays_by_arrival:
            reward = reward[after]
        self._state = after
        return np.array([after]), reward, False, False, {}

    def reseed(self, seed: int) -> None:
        """Replaces the chance of the next steps."""
        self.np_random = np.random.default_rng(seed)
        self._draws = iter(())

    def _draw(self) -> float:
        draw = next(self._draws, None)
        if draw is None:
            self._draws = iter(self.np_random.random(BATCH).tolist())
            draw = next(self._draws)
        return draw


def default_of(mdp: AsyncMDP, seed: int = 0) -> Default:
    """β as `hocket.run` takes it: `Fixed`, or a `Fallback` that draws from the distributions with ``seed``."""
    if isinstance(mdp.default, int):
        return Fixed(mdp.default)
    rng = np.random.default_rng(seed)
    chances = _cumulated(mdp.default).tolist()
    return Fallback(lambda observation: bisect_right(chances[int(observation[0])], rng.random()))


def _cumulated(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper ends of the intervals that outcomes take of [0, 1); the last ones that can happen end at 1 exactly."""
    ends = np.cumsum(chances, axis=-1)
    return np.where(ends >= ends[..., -1:], 1.0, ends)
