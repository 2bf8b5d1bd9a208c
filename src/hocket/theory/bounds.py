"""The paper's lower bounds on regret, as recalled: worst-case orders, not bounds for one instance.

Each is the growth of a term in the *worst* environment of its kind, up to an unknown constant. An instance may lose far
less: `hocket.theory.regret` has its exact values. Source: Riemer et al. 2025, Theorem 1, from
memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hocket.errors import ConfigurationError

LABEL = "recalled worst-case order"
"""The label of these orders in figures."""


def learning_order(ticks: ArrayLike, interval_ticks: float) -> np.ndarray:
    """Δ_learn ∈ Ω(√(τ/τ_I)) after ``ticks`` ticks, decisions ``interval_ticks`` ticks apart. In total, not a tick."""
    _check_from_one(interval_ticks=interval_ticks)
    return np.sqrt(np.asarray(ticks, np.float64) / interval_ticks)


def inaction_order(ticks: ArrayLike, interval_ticks: float) -> np.ndarray:
    """Δ_inaction ∈ Ω((τ/τ_M)·(τ_I − τ_M)/τ_I): the number of ticks left to the default. In total, not a tick."""
    return np.asarray(ticks, np.float64) * inaction_share(interval_ticks)


def delay_order(ticks: ArrayLike, interval_ticks: float, inference_ticks: ArrayLike, p_minimax: float) -> np.ndarray:
    """Δ_delay ∈ Ω((τ/τ_I)·E[1 − p_minimax^(τ_θ/τ_M)]). In total, not a tick.

    Args:
        inference_ticks: τ_θ/τ_M, one number or a sample of its law.
        p_minimax: see `AsyncMDP.p_minimax`.
    """
    _check_from_one(interval_ticks=interval_ticks)
    if not 0 <= p_minimax <= 1:
        raise ConfigurationError(f"p_minimax={p_minimax!r} must lie in [0, 1]; try AsyncMDP.p_minimax")
    lost = float(np.mean(1 - p_minimax ** np.asarray(inference_ticks, np.float64)))
    return np.asarray(ticks, np.float64) / interval_ticks * lost


def inaction_share(interval_ticks: float) -> float:
    """The share of ticks left to the default when one in ``interval_ticks`` is the agent's: 1 − 1/I."""
    _check_from_one(interval_ticks=interval_ticks)
    return 1 - 1 / interval_ticks


def _check_from_one(**values: float) -> None:
    for name, value in values.items():
        if not value >= 1:
            raise ConfigurationError(f"{name}={value!r} must be at least 1 tick; try 1")
