"""Compares restored copies of an environment with the original, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.envs.state import global_states, restore, set_global_states, take_snapshot
from hocket.errors import CheckpointError, ConfigurationError

Env = gym.Env[Any, Any]
SNAPSHOTS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step, or of the reset after it."""

    observation: Any
    reward: Any
    terminated: bool
    truncated: bool


def verify_snapshot(make_env: Callable[[], Env], *, steps: int = 50, seed: int = 0) -> str | None:
    """Checks that environments of ``make_env`` can be saved in the middle of an episode and resumed bit for bit.

    An original is played for ``steps`` random actions and saved. Then it and a new environment in which it was restored
    are stepped with the same actions. Observations, rewards and ends must be equal. This happens four times, each time
    from where the original has come to. All of them are made here and closed, and the process-wide random generators
    are left as they were.

    Args:
        make_env: returns a new environment at each call.
        steps: before each snapshot, and again after it.
        seed: of the first episode and of the actions.

    Returns:
        None if they are equal, else the reason, with what to do: what cannot be saved, or the first difference.

    Raises:
        ConfigurationError: if ``steps`` is below 1.
    """
    if steps < 1:
        raise ConfigurationError(f"steps={steps!r} must be at least 1; try 50")
    chance = global_states()
    made: list[Env] = []
    try:
        for number in range(1 + SNAPSHOTS):
            env = make_env()
            if any(env is other for other in made):
                made.clear()  # it is its owner's to close
                return "make_env returned the same environment twice; try a function that makes a new one at each call"
            made.append(env)
            if number == 0:
                env.reset(seed=seed)
                actions = deepcopy(env.action_space)
                actions.seed(seed)
                continue
            difference = _difference(made[0], env, actions, steps)
            if difference is not None:
                return difference
        return None
    finally:
        for env in made:
            with contextlib.suppress(Exception):  # an environment may fail to close, and its snapshots be right
                env.close()
        set_global_states(chance)


def _difference(original: Env, copy: Env, actions: gym.Space[Any], steps: int) -> str | None:
    before, after = ([actions.sample() for _ in range(steps)] for _ in range(2))
    _play(original, before)
    try:
        state = take_snapshot(original)
        expected = _play(original, after)
        restore(copy, state)
    except CheckpointError as error:
        return str(error)
    try:
        found = _play(copy, after)
    except Exception as error:  # whatever a half-restored environment raises
        return reason(original, f"raises {type(error).__name__} when it is stepped: {error}")
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        for name in ("observation", "reward", "terminated", "truncated"):
            right, wrong = getattr(one, name), getattr(other, name)
            if not equal(right, wrong):
                values = "" if name == "observation" else f" ({wrong}, not {right})"
                return reason(original, f"gives another {name}{values} {number + 1} steps after it was restored")
    return None


def reason(env: Env, difference: str) -> str:
    """The ``difference`` of a restored copy of ``env`` as a sentence, with what to do."""
    return (
        f"a restored copy of {env} {difference}; state in attributes and chance from self.np_random can be saved; try "
        "moving what a step depends on there"
    )


def _play(env: Env, actions: Iterable[Any]) -> list[Step]:
    """Steps ``env``; an episode that ends is followed by the next."""
    played = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(deepcopy(action))
        played.append(Step(deepcopy(observation), reward, bool(terminated), bool(truncated)))
        if terminated or truncated:
            played.append(Step(deepcopy(env.reset()[0]), 0.0, False, False))
    return played


def equal(one: Any, other: Any) -> bool:
    """Compares two observations or rewards, with dtype and shape; NaN equals NaN."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    left, right = np.asarray(one), np.asarray(other)
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return bool(np.array_equal(left, right, equal_nan=left.dtype.kind in "fc"))
