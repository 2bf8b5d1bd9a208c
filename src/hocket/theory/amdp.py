"""Asynchronous Markov decision processes with tables: ⟨S, A, p, r, β, τ_M⟩. Source: Riemer et al. 2025, Definition 1.

A decision process that advances every τ_M seconds. If the agent has no action ready, the default behaviour β acts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError

Array = NDArray[np.float64]
CLOSE = 1e-9
"""The tolerance of the sum of a distribution."""


@dataclass(frozen=True, slots=True, eq=False, init=False)
class AsyncMDP:
    """A world with tables.

    Args:
        p: chances of the next state, ``[state, action, next state]``.
        r: rewards, ``[state, action]`` or ``[state, action, next state]``.
        default: β: an action, or for each state a distribution over the actions, ``[state, action]``.
        start: the state at tick 0, or a distribution over the states.
        tick_s: τ_M, seconds a tick.

    Attributes:
        p, r: as given, ``r`` by (state, action, next state) if it was.
        rewards: expected, ``[state, action]``.
        default: the action, or the distributions.
        start: the distribution of the state at tick 0.
        default_p, default_rewards: one tick of β: ``[state, next state]`` and ``[state]``.

    Raises:
        ConfigurationError: a table of the wrong shape, or one that is no distribution, by its first bad row.
    """

    p: Array
    r: Array
    rewards: Array
    default: int | Array
    start: Array
    tick_s: float
    default_p: Array
    default_rewards: Array

    def __init__(
        self,
        p: ArrayLike,
        r: ArrayLike,
        *,
        default: int | ArrayLike = 0,
        start: int | ArrayLike = 0,
        tick_s: float = 1.0,
    ) -> None:
        chances = _floats(p, "p")
        if chances.ndim != 3 or chances.shape[0] != chances.shape[2] or not chances.size:
            raise ConfigurationError(f"p has shape {chances.shape}; it must be [state, action, next state]")
        states, actions, _ = chances.shape
        _check_distributions(chances, "p")
        rewards = _floats(r, "r")
        if rewards.shape not in ((states, actions), (states, actions, states)):
            raise ConfigurationError(
                f"r has shape {rewards.shape}; with this p it must be {(states, actions)} or {chances.shape}"
            )
        if not (isinstance(tick_s, int | float) and math.isfinite(tick_s) and tick_s > 0):
            raise ConfigurationError(f"tick_s={tick_s!r} must be a finite number of seconds above 0; try 1 / 60")
        if isinstance(default, int | np.integer):
            _check_index(int(default), actions, "default", "actions")
            behaviour: int | Array = int(default)
        else:
            behaviour = _floats(default, "default")
            _check_shape(behaviour, (states, actions), "default")
            _check_distributions(behaviour, "default")
        if isinstance(start, int | np.integer):
            _check_index(int(start), states, "start", "states")
            begin = np.eye(states)[int(start)]
        else:
            begin = _floats(start, "start")
            _check_shape(begin, (states,), "start")
            _check_distributions(begin, "start")
        expected = np.einsum("ijk,ijk->ij", chances, rewards) if rewards.ndim == 3 else rewards
        if isinstance(behaviour, int):
            default_p, default_rewards = chances[:, behaviour], expected[:, behaviour]
        else:
            default_p = np.einsum("ij,ijk->ik", behaviour, chances)
            default_rewards = (behaviour * expected).sum(axis=1)
        for name, value in (
            ("p", chances),
            ("r", rewards),
            ("rewards", expected),
            ("default", behaviour),
            ("start", begin),
            ("tick_s", float(tick_s)),
            ("default_p", default_p),
            ("default_rewards", default_rewards),
        ):
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.p)

    @property
    def actions(self) -> int:
        """The number of actions."""
        return int(self.p.shape[1])

    @property
    def p_minimax(self) -> float:
        """The least, over states and actions, of the likeliest next state's chance: 1 = deterministic.

        The paper's *effective stochasticity*, as recalled.
        """
        return float(self.p.max(axis=2).min())

    def ticks_of(self, duration_s: float) -> int:
        """The delay of an action whose inference takes ``duration_s``: ⌈τ/τ_M⌉, at least 1."""
        if not (math.isfinite(duration_s) and duration_s >= 0):
            raise ConfigurationError(f"duration_s={duration_s!r} must be a finite number of seconds from 0; try 0.2")
        return max(1, math.ceil(round(duration_s / self.tick_s, 9)))

    def __repr__(self) -> str:
        default = self.default if isinstance(self.default, int) else "by state"
        return f"AsyncMDP(states={self.states}, actions={self.actions}, default={default}, tick_s={self.tick_s:g})"


def _floats(values: ArrayLike, name: str) -> Array:
    array = np.array(values, np.float64)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ConfigurationError(f"{name}{list(where)} is {array[where]}; every entry must be a finite number")
    return array


def _check_index(index: int, count: int, name: str, things: str) -> None:
    if not 0 <= index < count:
        raise ConfigurationError(f"{name}={index} is none of the {count} {things}; try 0 to {count - 1}")


def _check_shape(array: Array, shape: Sequence[int], name: str) -> None:
    if array.shape != tuple(shape):
        raise ConfigurationError(f"{name} has shape {array.shape}; it must be {tuple(shape)}")


def _check_distributions(array: Array, name: str) -> None:
    bad = (array < 0).any(axis=-1) | (np.abs(array.sum(axis=-1) - 1) > CLOSE)
    if bad.any():
        where = np.argwhere(bad)[0].tolist()
        row = array[tuple(where)]
        raise ConfigurationError(
            f"{name}{where or ''} sums to {row.sum():.9g} with a least entry of {row.min():.3g}; it must be a "
            "distribution: no entry below 0, sum 1. Try dividing it by its sum"
        )
