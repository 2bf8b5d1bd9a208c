"""The edge between environments and hocket: what an environment gives, checked against what it declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.errors import ConfigurationError, EnvError
from hocket.spaces.observation_check import ObservationCheck, shown
from hocket.spaces.observations import check_observation_space


def name_of(env: gym.Env[Any, Any]) -> str:
    """The id of ``env``, or its class."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


class CheckedEnv:
    """Resets and steps ``env``, and checks what it gives.

    Observations come back as `ObservationCheck` returns them; those of spaces that `hocket.run` refuses, as they are.
    Their arrays may be the environment's own buffers, which the next step may reuse: copy what is to be kept. Rewards
    come back as finite floats, ends as bools. Picklable if ``env`` is.

    Args:
        env: reset and stepped by the methods of this object; never closed.

    Attributes:
        env: the environment.
        name: its id, or its class.
    """

    __slots__ = ("_check", "env", "name")

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env
        self.name = name_of(env)
        self._check: ObservationCheck | None = None
        with suppress(ConfigurationError):
            check_observation_space(env.observation_space)
            self._check = ObservationCheck(env.observation_space, self.name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, and its info.

        Raises:
            EnvError: if the environment gives something else than it declares.
        """
        result: Any = self.env.reset(seed=seed) if options is None else self.env.reset(seed=seed, options=options)
        pair = isinstance(result, tuple | list) and len(result) == 2
        if not pair or not (result[1] is None or isinstance(result[1], Mapping)):
            raise EnvError(
                f"reset() of {self.name} returned {shown(result)}; an observation and a dict of info are needed; "
                "try return observation, {}"
            )
        observation, info = result
        check = self._check
        return observation if check is None else check(observation), {} if info is None else dict(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step: observation, reward, terminated, truncated, info.

        Raises:
            EnvError: if the environment gives something else than it declares.
        """
        result: Any = self.env.step(action)
        if (type(result) is not tuple and not isinstance(result, tuple | list)) or len(result) != 5:
            raise EnvError(
                f"step() of {self.name} returned {shown(result)}; 5 values are needed; "
                "try return observation, reward, terminated, truncated, {}"
            )
        observation, reward, terminated, truncated, info = result
        check = self._check
        if check is not None:
            observation = check(observation)
        if type(reward) is not float or not isfinite(reward):
            reward = self._reward(reward)
        if terminated is not False and terminated is not True:
            terminated = self._end("terminated", terminated)
        if truncated is not False and truncated is not True:
            truncated = self._end("truncated", truncated)
        return observation, reward, terminated, truncated, info

    def _reward(self, reward: Any) -> float:
        try:
            array = np.asarray(reward)
            number = float(array.item()) if array.size == 1 and array.dtype.kind in "fiub" else math.nan
        except (ValueError, TypeError, RuntimeError):
            number = math.nan
        if not isfinite(number):
            raise EnvError(
                f"reward {shown(reward)} of {self.name} is not a finite number; step() returns (observation, reward, "
                "terminated, truncated, info); look for a division by zero, or try float(...) on it"
            )
        return number

    def _end(self, name: str, value: Any) -> bool:
        if isinstance(value, np.bool_ | int | np.integer) and value in (0, 1):
            return bool(value)
        array = np.asarray(value) if isinstance(value, np.ndarray) else None
        if array is not None and array.size == 1 and array.dtype.kind == "b":
            return bool(array.item())
        raise EnvError(
            f"{name}={shown(value)} of {self.name} is not True or False; step() returns (observation, reward, "
            f"terminated, truncated, info); try bool(...) on it"
        )
