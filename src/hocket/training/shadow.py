"""A restored copy of a run's environment that follows the original for a few ticks.

Before a training begins, `verify_snapshot` has compared restored copies of new environments. A shadow compares one of
the environment that a checkpoint holds, at the tick of the checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium as gym

from hocket.drivers.env_stepper import EnvStepper
from hocket.envs.state import global_states, restore, set_global_states, take_snapshot
from hocket.envs.verification import equal, reason
from hocket.errors import CheckpointError
from hocket.spaces.checked_env import CheckedEnv

FOLLOWED_TICKS = 50
"""At most so many ticks after a checkpoint are compared."""


class Shadow:
    """Takes the same steps as the environment of ``stepper``, and compares what they give.

    The original is never touched. The process-wide random generators are left as they were, and are what the original
    had when the shadow steps. State that environments of one process share, such as a generator of a module, is stepped
    by both: it shows as a difference.

    Args:
        stepper: of the run, between two ticks.
        make_env: makes an environment like its own.

    Attributes:
        difference: the first one, with what to do; None without.
    """

    def __init__(self, stepper: EnvStepper, make_env: Callable[[], gym.Env[Any, Any]]) -> None:
        self._stepper = stepper
        self._env = CheckedEnv(make_env())
        self.difference: str | None = None
        chance = global_states()
        try:
            restore(self._env.env, take_snapshot(stepper.env))
        except CheckpointError as error:
            self.difference = str(error)
        finally:
            set_global_states(chance)

    def follow(self, chance: dict[str, Any]) -> None:
        """Take the step that the original took last, with the `global_states` before it, ``chance``; compare."""
        after = global_states()
        set_global_states(chance)
        try:
            difference = self._step()
        except Exception as error:  # whatever a half-restored environment raises
            difference = f"raises {type(error).__name__} when it is stepped: {error}"
        finally:
            set_global_states(after)
        if difference is not None:
            self.difference = reason(self._stepper.env, difference)

    def _step(self) -> str | None:
        stepper, record = self._stepper, self._stepper.record
        tick = record.ticks[-1]
        observation, reward, terminated, truncated, _ = self._env.step(deepcopy(record.actions[-1]))
        seen = record.final_observations[tick] if stepper.episode_ended else stepper.observation
        pairs = [
            ("observation", observation, seen),
            ("reward", reward, record.rewards[-1]),
            ("terminated", terminated, bool(record.terminated[-1])),
            ("truncated", truncated, bool(record.truncated[-1])),
        ]
        if stepper.episode_ended:
            first, _ = self._env.reset(seed=stepper.episode_seed)
            pairs.append(("first observation of the next episode", first, stepper.observation))
        for name, found, right in pairs:
            if not equal(found, right):
                values = "" if "observation" in name else f" ({found}, not {right})"
                return f"gives another {name}{values} at tick {tick}"
        return None

    def close(self) -> None:
        """Close the copy."""
        with contextlib.suppress(Exception):
            self._env.env.close()
