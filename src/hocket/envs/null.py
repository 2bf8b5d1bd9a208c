"""An environment with as little cost as possible, to measure everything else with."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import DTypeLike, NDArray

from hocket.errors import ConfigurationError

_HIGHEST = 255


class NullEnv(gym.Env[NDArray[Any], int]):
    """Counts its own steps.

    The observation's first element is the number of steps of this episode, modulo one more than the space's upper
    bound: the most that an integer ``dtype`` holds, or 255 of a floating one. All other elements are 0, and so is the
    reward.

    Args:
        observation_shape: at least one element.
        dtype: an integer or floating type.
        actions: how many there are.
        episode_ticks: steps until an episode is truncated; None = never.

    Raises:
        ConfigurationError: if an argument is out of range.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's own declaration)

    def __init__(
        self,
        observation_shape: tuple[int, ...] = (1,),
        dtype: DTypeLike = np.uint8,
        actions: int = 2,
        episode_ticks: int | None = None,
    ) -> None:
        shape = tuple(observation_shape)
        kind = np.dtype(dtype)
        if not shape or any(side < 1 for side in shape):
            raise ConfigurationError(
                f"observation_shape={observation_shape!r} must hold an element; try (1,) or (1, 84, 84)"
            )
        if kind.kind not in "iuf":
            raise ConfigurationError(f"dtype={dtype!r} must be an integer or floating type; try numpy.uint8")
        if actions < 1:
            raise ConfigurationError(f"actions={actions!r} must be at least 1; try 2")
        if episode_ticks is not None and episode_ticks < 1:
            raise ConfigurationError(f"episode_ticks={episode_ticks!r} must be None or at least 1; try None")
        highest = _HIGHEST if kind.kind == "f" else int(np.iinfo(kind).max)
        self.observation_space = spaces.Box(0, highest, shape, kind.type)
        self.action_space: spaces.Discrete[Any] = spaces.Discrete(actions)
        self.episode_ticks = episode_ticks
        self._observation: NDArray[Any] = np.zeros(shape, kind)
        self._first = (0,) * len(shape)
        self._modulus = highest + 1
        self._ticks = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """An observation of zeros."""
        super().reset(seed=seed, options=options)
        self._ticks = 0
        self._observation[self._first] = 0
        return self._observation.copy(), {}

    def step(self, action: int) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Counts one step; ``action`` has no effect."""
        ticks = self._ticks = self._ticks + 1
        observation = self._observation
        observation[self._first] = ticks % self._modulus
        return observation.copy(), 0.0, False, ticks == self.episode_ticks, {}
