"""Small tabular worlds: random ones, a ring of given predictability, and a fixed example."""

from __future__ import annotations

import numpy as np

from hocket.errors import ConfigurationError, check_whole
from hocket.theory.amdp import AsyncMDP


def random_mdp(
    states: int, actions: int, seed: int, *, default: int = 0, concentration: float = 0.5, tick_s: float = 1.0
) -> AsyncMDP:
    """Transitions from a Dirichlet law, rewards uniform in [0, 1), start state 0.

    Every transition has some chance, so the model is unichain and aperiodic under every policy.

    Args:
        concentration: of the Dirichlet law; the smaller, the more predictable.
    """
    _check_count(states=states, actions=actions)
    if not concentration > 0:
        raise ConfigurationError(f"concentration={concentration!r} must be above 0; try 0.5")
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(states, concentration), (states, actions)) + 1e-6
    r = rng.uniform(0, 1, (states, actions))
    return AsyncMDP(p / p.sum(axis=2, keepdims=True), r, default=default, tick_s=tick_s)


def ring(states: int, predictability: float, *, default: int = 0, tick_s: float = 1.0) -> AsyncMDP:
    """The state moves one step along the ring with chance ρ, else jumps to any state with equal chance.

    An action pays 1 if it names the state that it is executed in, and changes nothing. The start is uniform.
    Deciding at every tick with delay d costs (1 − ρ^(d−1))(1 − 1/S) a tick, exactly (see `ring_delay_regret`).

    Args:
        states: S, and as many actions.
        predictability: ρ in [0, 1].
    """
    _check_count(states=states)
    _check_predictability(predictability)
    p = np.full((states, states), (1 - predictability) / states)
    p[np.arange(states), (np.arange(states) + 1) % states] += predictability
    return AsyncMDP(
        np.repeat(p[:, None, :], states, axis=1),
        np.eye(states),
        default=default,
        start=np.full(states, 1 / states),
        tick_s=tick_s,
    )


def ring_delay_regret(states: int, predictability: float, delay_ticks: int) -> float:
    """Δ_delay a tick of `ring` at interval 1: (1 − ρ^(d−1))(1 − 1/S).

    The best guess is the state d − 1 steps round. It is right if no jump came between, or else with chance 1/S.
    """
    _check_count(states=states, delay_ticks=delay_ticks)
    _check_predictability(predictability)
    return float((1 - predictability ** (delay_ticks - 1)) * (1 - 1 / states))


def recharge() -> AsyncMDP:
    """Fire (1) or wait (0, the default). Firing when ready (state 0) pays 1 and takes two more ticks to be ready again.

    The example of a longer interval that loses less: every third tick is as good as every tick, 1/3 a tick, while
    every second tick comes just too early after each shot and gets 1/4.
    """
    p = np.zeros((3, 2, 3))
    p[0, 0, 0] = p[0, 1, 1] = p[1, :, 2] = p[2, :, 0] = 1
    r = np.zeros((3, 2))
    r[0, 1] = 1
    return AsyncMDP(p, r)


def _check_count(**counts: int) -> None:
    for name, count in counts.items():
        check_whole(name, count, example=3, numpy=True)


def _check_predictability(predictability: float) -> None:
    if not 0 <= predictability <= 1:
        raise ConfigurationError(f"predictability={predictability!r} must lie in [0, 1]; try 0.9")
