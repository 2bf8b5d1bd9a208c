"""Policy iteration on augmented models: average reward for models of any chain structure, and discounted.

Average: Howard's multichain policy iteration (Puterman 1994, section 9.2): of the choices that lead to the highest
gain, the one with the highest bias; one that is as good as any is kept. Each policy is solved exactly, so periodic
models and models with several recurrent classes need no special care, and nothing here iterates without an end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hocket.errors import NotSolvedError
from hocket.theory.amdp import Array
from hocket.theory.augmented import Augmented, Policy
from hocket.theory.chains import discounted_values, gain_and_bias

SWEEPS = 50
"""Of value iteration, for a first policy."""
MOST_POLICIES = 500
TIE = 1e-12
"""Relative to what is compared: choices closer than this are equally good."""
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LongRun:
    """An optimal policy for the average reward, by augmented state.

    Attributes:
        gain, bias: a step; ``[X]``.
        policy: ``[X]``.
        error: the gain of no state is farther from the best one than this (first order where gains differ).
    """

    gain: Array
    bias: Array
    policy: Policy
    error: float


def best_average(model: Augmented) -> LongRun:
    """The most that can be earned a step in the long run, from each state.

    Raises:
        NotSolvedError: if linear equations resist, or rounding keeps the iteration from ending.
    """
    immediate = model.immediate()
    scale = float(np.ptp(immediate)) or 1.0
    values = np.zeros(model.size)
    for _ in range(SWEEPS):
        values = (immediate + model.spread(values)).max(axis=1)
        values -= values[0]
    policy = (immediate + model.spread(values)).argmax(axis=1)
    for _ in range(MOST_POLICIES):
        gain, bias = gain_and_bias(model.chain(policy), model.choose(immediate, policy))
        size = scale + float(np.abs(bias).max())
        merits = immediate + model.spread(bias)
        if np.ptp(gain) > TIE * size:
            reach = model.spread(gain)
            merits = np.where(reach >= reach.max(axis=1)[:, None] - TIE * size, merits, -np.inf)
        better = merits.max(axis=1) > model.choose(merits, policy) + TIE * size
        if not better.any():
            excess = merits.max(axis=1) - bias - gain
            error = float(np.abs(excess).max())
            if error > TOLERANCE * scale:
                raise NotSolvedError(
                    f"rounding leaves the gain uncertain by {error:.1e}; try rewards of one scale, or a world that "
                    "changes more often"
                )
            return LongRun(gain, bias, policy, error)
        policy = np.where(better, merits.argmax(axis=1), policy)
    raise NotSolvedError(f"no best policy among the first {MOST_POLICIES} that were tried; try a smaller model")


def best_discounted(model: Augmented, discount: float) -> tuple[Array, Policy, float]:
    """The most that can be earned from each state with ``discount`` a step, how, and how far off that may be.

    Raises:
        NotSolvedError: see `best_average`.
    """
    immediate = model.immediate()
    policy = np.broadcast_to(immediate, (model.size, model.actions)).argmax(axis=1)
    for _ in range(MOST_POLICIES):
        values = discounted_values(model.chain(policy), model.choose(immediate, policy), discount)
        merits = immediate + discount * model.spread(values)
        better = merits.max(axis=1) > model.choose(merits, policy) + TIE * (1 + np.abs(values).max())
        if not better.any():
            error = float(np.abs(merits.max(axis=1) - values).max()) / (1 - discount)
            return values, policy, error
        policy = np.where(better, merits.argmax(axis=1), policy)
    raise NotSolvedError(f"no best policy among the first {MOST_POLICIES} that were tried; try a smaller model")
