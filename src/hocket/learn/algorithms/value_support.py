"""The returns that a categorical distribution can express: C51's support, fitted to the environment.

Bellemare et al. 2017 fix it at [−10, 10], for rewards clipped to [−1, 1]. hocket clips no rewards. So the first
support covers the returns seen before learning begins, and it grows when a target comes near an end: the number of
atoms stays, their spacing widens, and the head's last layer is remapped
(`hocket.models.heads.DistributionalHead.grow`). Growth ends by itself: no return exceeds the largest reward / (1 − γ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Support:
    """``atoms`` values, evenly spaced from ``v_min`` to ``v_max``."""

    v_min: float
    v_max: float
    atoms: int = 51

    def __post_init__(self) -> None:
        if not (math.isfinite(self.v_min) and math.isfinite(self.v_max) and self.v_min < self.v_max):
            raise ConfigurationError(
                f"a support from {self.v_min!r} to {self.v_max!r} holds no return; finite ends with v_min < v_max are "
                "allowed; try Support.fit(returns)"
            )
        if self.atoms < 2:
            raise ConfigurationError(f"atoms={self.atoms!r} must be at least 2; try 51")

    @property
    def spacing(self) -> float:
        """Between two atoms."""
        return (self.v_max - self.v_min) / (self.atoms - 1)

    @staticmethod
    def fit(returns: ArrayLike, *, atoms: int = 51) -> Support:
        """The support that covers ``returns`` and 0 with a tenth of the range to spare at either end.

        Args:
            returns: discounted returns, for example from `discounted_returns`; not finite ones are refused. Without
                any that differ from 0 the support is [−1, 1].
            atoms: how many.

        Raises:
            ConfigurationError: if a return is not finite.
        """
        seen = np.asarray(returns, np.float64).reshape(-1)
        if not np.isfinite(seen).all():
            raise ConfigurationError(
                f"a return of {seen[~np.isfinite(seen)][0]} fits no support; finite returns are allowed; look at the "
                "environment's rewards"
            )
        low, high = min(0.0, seen.min(initial=0)), max(0.0, seen.max(initial=0))
        if low == high:
            return Support(-1.0, 1.0, atoms)
        spare = (high - low) / 10
        return Support(float(low - spare), float(high + spare), atoms)

    def grown(self, low: float, high: float) -> Support:
        """This support if it holds ``low`` and ``high``, else one that does.

        An end that is passed moves out by the whole present range, as often as it takes; so growth is rare.
        """
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ConfigurationError(f"returns from {low} to {high} fit no support; finite ones are allowed")
        v_min, v_max = self.v_min, self.v_max
        while low < v_min or high > v_max:
            span = v_max - v_min
            v_min = v_min - span if low < v_min else v_min
            v_max = v_max + span if high > v_max else v_max
        return Support(v_min, v_max, self.atoms)


def discounted_returns(rewards: ArrayLike, discounts: ArrayLike) -> NDArray[np.float64]:
    """``G[t] = rewards[t] + discounts[t] · G[t + 1]``, with 0 after the last.

    Args:
        rewards: (T,), in the order of time, of one or more episodes.
        discounts: (T,), γ (or γ^n), 0 where an episode ends.
    """
    gains = np.array(rewards, np.float64)
    for t in range(len(gains) - 2, -1, -1):
        gains[t] += np.asarray(discounts)[t] * gains[t + 1]
    return gains
