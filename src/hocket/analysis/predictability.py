"""Estimates the predictability ρ of an environment, the input of ``quantile="auto"`` and of J_ρ, from data.

Two copies of the environment continue from the same state, with the same actions and different random numbers. Their
distance n ticks later, relative to the distance of unrelated states, measures how little the state predicts:

    1 − E|x_n − x'_n|² / E|x_n − y_n|² = ρ^(2n)

The left side is the intraclass correlation of outcomes with a common past: each retains a share ρ^n of the predictable
part. The equation is exact on the ring of `hocket.theory.ring`, and for any environment that on each tick continues as
expected with probability ρ and otherwise forgets its state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.envs.state import reseed
from hocket.errors import ConfigurationError
from hocket.policies.base import Policy, PolicyFactory, as_factory, built
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.codec import ActionCodec, check_array_spaces

HORIZONS = (1, 2, 4, 8, 16, 32)
RESAMPLES = 1000
FEWEST = 10
"""The least number of states, whatever ``limit_s``."""
CONFIDENCE = 0.95
_GRID = np.concatenate([[1.0], 1 - np.geomspace(1e-6, 1, 2000)])
MakeEnv = Callable[[], gym.Env[Any, Any]]
Reading = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictability:
    """An estimate of ρ.

    Attributes:
        value: ρ per tick.
        low, high: a 95 % interval, by bootstrap over the states.
        horizons, correlations: each n in ticks, and the correlation that is fitted by ρ^(2n).
        sources: the number of random generators that were found and reseeded. With 0 the environment is deterministic,
            or its generators are out of reach.
        states: the number of states that were continued from.
    """

    value: float
    low: float
    high: float
    horizons: tuple[int, ...]
    correlations: tuple[float, ...]
    sources: int
    states: int

    def __str__(self) -> str:
        text = f"ρ = {self.value:.4g} a tick, 95 % between {self.low:.4g} and {self.high:.4g}"
        if not self.sources:
            text += "; no random generator was found: deterministic, or its generators are out of reach"
        return text


def estimate_predictability(
    make_env: MakeEnv,
    *,
    policy: PolicyFactory | Policy | None = None,
    states: int = 100,
    before_ticks: int = 50,
    horizons: Sequence[int] = HORIZONS,
    outcome: Reading | None = None,
    limit_s: float = float("inf"),
    seed: int = 0,
) -> Predictability:
    """Estimate ρ of the environment that ``make_env()`` makes.

    Args:
        make_env: makes equal environments; two of them are played side by side and closed.
        policy: chooses the actions, from the observations of the first environment; random actions if None.
        states: the number of states to continue from, each reached with another seed.
        before_ticks: the most ticks before such a state.
        horizons: the values of n, in ticks.
        outcome: computes the numbers to compare from an observation; all of it if None. Each number is weighted by the
            inverse of its variance.
        limit_s: seconds after which the estimate ends with fewer states, but at least 10.
        seed: of all random numbers.

    Raises:
        ConfigurationError: if an argument is invalid, or the environment differs for the same seed and actions.
        ActionError: if the policy's action is not in the action space.
        EnvError: if the environment gives something else than it declares.
    """
    steps = tuple(sorted(set(horizons)))
    if not steps or steps[0] < 1:
        raise ConfigurationError(f"horizons={horizons!r} must be numbers of ticks of at least 1; try {HORIZONS}")
    if states < 2 or before_ticks < 0:
        raise ConfigurationError(
            f"states={states}, before_ticks={before_ticks}: at least 2 and at least 0 are needed; try 100 and 50"
        )
    until = perf_counter() + limit_s
    ours, theirs = make_env(), make_env()
    try:
        check_array_spaces(ours, "an estimate of predictability")
        pair = _Pair(ours, theirs, policy, outcome)
        first, second = [], []
        sources = 0
        for number in range(states):
            rng = np.random.default_rng((seed, number))
            pair.begin(rng, before_ticks)
            sources = max(sources, pair.reseed(rng))
            one, other = pair.play(steps)
            first.append(one)
            second.append(other)
            if perf_counter() > until and len(first) >= FEWEST:
                break
    finally:
        ours.close()
        theirs.close()
    states = len(first)
    apart, unrelated = _distances(np.array(first), np.array(second))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(states, size=(RESAMPLES, states))
    weights = np.stack([np.bincount(row, minlength=states) for row in drawn]).astype(np.float64)
    whole = _correlations(apart.sum(axis=0), unrelated.sum(axis=0))
    resampled = _correlations(weights @ apart, weights @ unrelated)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(_fit(resampled, steps), (tail, 1 - tail))
    return Predictability(
        value=float(_fit(whole[None], steps)[0]),
        low=float(low),
        high=float(high),
        horizons=steps,
        correlations=tuple(whole.tolist()),
        sources=sources,
        states=states,
    )


class _Pair:
    """Plays two environments with the same actions."""

    def __init__(
        self,
        ours: gym.Env[Any, Any],
        theirs: gym.Env[Any, Any],
        policy: PolicyFactory | Policy | None,
        outcome: Reading | None,
    ) -> None:
        self._envs = (CheckedEnv(ours), CheckedEnv(theirs))
        self._space = deepcopy(ours.action_space)
        self._codec = ActionCodec(self._space)
        self._policy: Policy | None = None
        if policy is not None:
            factory = as_factory(policy)
            if factory.pending or factory.head_s or factory.chunk_length > 1:
                raise ConfigurationError(
                    f"policy={policy!r} must map one observation to one action; try one without pending actions, head "
                    "and chunks, or none"
                )
            self._policy = built(factory)
        self._outcome = outcome
        self._seen: list[Any] = [None, None]
        self._over = [False, False]

    def begin(self, rng: np.random.Generator, before: int) -> None:
        """Bring both into the same state, at most ``before`` ticks after a reset."""
        self._space.seed(int(rng.integers(2**31)))
        seed = int(rng.integers(2**31))
        for side in range(2):
            self._reset(side, seed)
        for tick in range(int(rng.integers(before + 1))):
            action = self._action()
            ended = [self._step(side, action) for side in range(2)]
            if any(ended):
                for side in range(2):
                    self._reset(side, seed + tick + 1)
        if not np.array_equal(self._seen[0], self._seen[1]):
            raise ConfigurationError(
                "the environment gives different observations for the same seed and actions; "
                "try one whose random numbers all follow from reset(seed=)"
            )
        self._over = [False, False]

    def reseed(self, rng: np.random.Generator) -> int:
        """Give each its own random numbers; return the number of generators."""
        return max(reseed(checked.env, int(rng.integers(2**31))) for checked in self._envs)

    def play(self, steps: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Outcomes of both after each of ``steps``: ``[steps, numbers]``. A side whose episode has ended stops."""
        outcomes: tuple[list[Any], list[Any]] = ([], [])
        for tick in range(1, steps[-1] + 1):
            action = self._action()
            for side in range(2):
                if not self._over[side]:
                    self._over[side] = self._step(side, action)
                if tick in steps:
                    outcomes[side].append(self._numbers(self._seen[side]))
        return np.array(outcomes[0]), np.array(outcomes[1])

    def _reset(self, side: int, seed: int) -> None:
        observation, _ = self._envs[side].reset(seed=seed)
        self._seen[side] = np.array(observation)  # the environment may reuse its buffer

    def _step(self, side: int, action: Any) -> bool:
        """Step one side; True if its episode has ended."""
        observation, _, terminated, truncated, _ = self._envs[side].step(self._codec.copied(action))
        self._seen[side] = np.array(observation)
        return terminated or truncated

    def _action(self) -> Any:
        if self._policy is None:
            return self._space.sample()
        return self._codec.decode(self._codec.encode(self._policy(self._seen[0].copy()))[0])

    def _numbers(self, observation: NDArray[Any]) -> NDArray[np.float64]:
        seen = observation if self._outcome is None else self._outcome(observation.copy())
        return np.asarray(seen, np.float64).reshape(-1).copy()


def _distances(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By state and step, the squared distances of the two outcomes and of unrelated ones, scaled by variance."""
    both = np.concatenate([first, second])
    centre, variance = both.mean(axis=0), both.var(axis=0, ddof=1)
    kept = variance > 1e-12 * (1 + centre**2)
    weight = np.where(kept, 1 / np.where(kept, variance, 1), 0) / np.maximum(1, kept.sum(axis=-1, keepdims=True))
    apart = ((first - second) ** 2 * weight).sum(axis=-1)
    unrelated = (((first - centre) ** 2 + (second - centre) ** 2) * weight).sum(axis=-1)
    return apart, unrelated * len(first) / (len(first) - 1)


def _correlations(apart: NDArray[np.float64], unrelated: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − the ratio of the distances; 1 where nothing varies, since a constant is predictable."""
    varies = unrelated > 0
    return np.where(varies, 1 - apart / np.where(varies, unrelated, 1), 1.0)


def _fit(correlations: NDArray[np.float64], steps: tuple[int, ...]) -> NDArray[np.float64]:
    """By row, the ρ that fits ``correlations`` by ρ^(2n) with least squares."""
    curves = _GRID[:, None] ** (2.0 * np.array(steps))
    misfit = (curves**2).sum(axis=1) - 2 * correlations @ curves.T
    best: NDArray[np.float64] = _GRID[misfit.argmin(axis=1)]
    return best
