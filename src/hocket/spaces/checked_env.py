"""The edge between environments and hocket: what an environment gives, checked against what it declares.

Harmless differences are converted: lists, other number types, arrays of one number. The rest is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.errors import EnvError

_SHORT = 16
"""Up to this many numbers are added up faster by Python than by numpy."""
_SHOWN = 200
"""Characters of a refused value that a message shows."""


def name_of(env: gym.Env[Any, Any]) -> str:
    """The id of ``env``, or its class."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


class ObservationCheck:
    """Turns observations into finite arrays of the shape and dtype of ``space``.

    An array that fits is returned itself, not copied. Lists, tuples, scalars of a space of one number, CPU tensors and
    arrays of another number type are converted: numbers to floats, and integers to integers that can hold them. Bounds
    are not checked. Picklable.

    Args:
        space: a Box.
        source: named by messages, such as ``"CartPole-v1"``.
    """

    __slots__ = ("_dtype", "_floats", "_shape", "_short", "source", "space")

    def __init__(self, space: spaces.Box, source: str) -> None:
        self.space = space
        self.source = source
        self._shape = tuple(space.shape)
        self._dtype = np.dtype(space.dtype)
        self._floats = self._dtype.kind == "f"
        self._short = len(self._shape) == 1 and self._shape[0] <= _SHORT

    def __call__(self, observation: Any) -> NDArray[Any]:
        """``observation`` as an array of the space.

        Raises:
            EnvError: names the source, the space, the value and what to do.
        """
        if type(observation) is np.ndarray and observation.dtype is self._dtype and observation.shape == self._shape:
            array: NDArray[Any] = observation
        else:
            array = self._converted(observation)
        if not self._floats:
            return array
        # Sums and products overflow to infinity for finite numbers too, so they only say when to look closer.
        if self._short:
            total = sum(array.tolist())
        else:
            flat = array.ravel()
            with np.errstate(over="ignore", invalid="ignore"):
                total = flat.dot(flat)
        if not isfinite(total) and not np.isfinite(array).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            self._refuse(
                observation,
                f"holds NaN or infinity, first at index {where}",
                "look for a division by zero or a sensor without a reading, or try "
                "gymnasium.wrappers.TransformObservation(env, numpy.nan_to_num, env.observation_space)",
            )
        return array

    def _converted(self, observation: Any) -> NDArray[Any]:
        try:
            array = np.asarray(observation)
        except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors on another device
            self._refuse(observation, f"does not turn into an array: {error}", "return one numpy array")
        if array.dtype.kind not in "fiub":
            self._refuse(observation, f"holds {array.dtype}, not numbers", f"return an array of {self._dtype}")
        if array.shape != self._shape:
            if array.ndim or math.prod(self._shape) != 1:
                self._refuse(
                    observation,
                    f"has shape {array.shape}, not {self._shape}",
                    "return that shape, or declare a space of the shape that is returned",
                )
            array = array.reshape(self._shape)
        if array.dtype == self._dtype:  # another object for the same dtype
            return np.asarray(array)
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(self._dtype)
        if not self._floats and (array.dtype.kind == "f" or not np.array_equal(converted, array)):
            self._refuse(
                observation,
                f"holds {array.dtype} values that {self._dtype} cannot hold",
                f"return {self._dtype}, or declare a space of {array.dtype}",
            )
        return converted

    def _refuse(self, observation: Any, fault: str, advice: str) -> NoReturn:
        raise EnvError(
            f"observation {_shown(observation)} of {self.source} {fault}; {self.space} is declared; {advice}"
        )


class CheckedEnv:
    """Resets and steps ``env``, and checks what it gives.

    Observations of a Box space come back as finite arrays of its shape and dtype; of other spaces, as they are. An
    observation may be the environment's own buffer, which the next step may reuse: copy what is to be kept. Rewards
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
        space = env.observation_space
        self._check = ObservationCheck(space, self.name) if isinstance(space, spaces.Box) else None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, and its info.

        Raises:
            EnvError: if the environment gives something else than it declares.
        """
        result: Any = self.env.reset(seed=seed) if options is None else self.env.reset(seed=seed, options=options)
        pair = isinstance(result, tuple | list) and len(result) == 2
        if not pair or not (result[1] is None or isinstance(result[1], Mapping)):
            raise EnvError(
                f"reset() of {self.name} returned {_shown(result)}; an observation and a dict of info are needed; "
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
                f"step() of {self.name} returned {_shown(result)}; 5 values are needed; "
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
                f"reward {_shown(reward)} of {self.name} is not a finite number; step() returns (observation, reward, "
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
            f"{name}={_shown(value)} of {self.name} is not True or False; step() returns (observation, reward, "
            f"terminated, truncated, info); try bool(...) on it"
        )


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
