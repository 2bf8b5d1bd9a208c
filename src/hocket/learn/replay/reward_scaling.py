"""Rewards as they are learned: scaled, then clipped. Runs, records and evaluations keep the environment's own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardScaling:
    """A tick's reward r is learned as ``scale·r``, limited to [−clip, clip].

    Args:
        scale: above 0. Values and losses are of the size of 1 / (1 − γ) rewards, and an algorithm's learning rate, its
            largest gradient and smooth-L1's kink at 1 suit rewards of about 1.
        clip: above 0, or None for no limit. Mnih et al. 2015 clip to [−1, 1]; it changes which policy is best wherever
            rewards differ in size.

    Raises:
        ConfigurationError: if a number is out of its range.
    """

    scale: float = 1.0
    clip: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("reward_scale", self.scale), ("clip_reward", self.clip)):
            if value is not None and not 0 < value < math.inf:
                raise ConfigurationError(f"{name}={value!r} must be a finite number greater than 0; try 1.0")

    def __call__(self, reward: float) -> float:
        """As it is learned."""
        scaled = self.scale * reward
        return scaled if self.clip is None else min(max(scaled, -self.clip), self.clip)


UNSCALED = RewardScaling()
"""Rewards as they are."""
