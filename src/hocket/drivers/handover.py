"""The seams of chunks: the ticks at which one chunk hands over to another.

The scheduler decides which chunk is executed from which tick on, and each of its steps has its tick. What it hands over
from is kept here: the values of the steps that the older chunk had for the same ticks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, check_whole
from hocket.policies.base import PolicyFactory
from hocket.spaces.codec import ActionCodec


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover(ABC):
    """The way in which a chunk takes over from an older one that has actions for the same ticks.

    Args:
        jump_bound: the largest acceptable jump of an action's element at a seam, for figures only: summary, report and
            live page give the share of larger ones.
    """

    jump_bound: float | None = None

    def __post_init__(self) -> None:
        bound = self.jump_bound
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float) or not bound >= 0):
            raise ConfigurationError(f"jump_bound={bound!r} must be a number of at least 0, or None; try 0.05")

    @property
    def blends(self) -> bool:
        """True if actions depend on the older chunk."""
        return True

    @abstractmethod
    def weights(self, ticks: int) -> NDArray[np.float64]:
        """The weights of the newer chunk, in [0, 1], at the ``ticks`` ticks from the seam on that both cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Handover):
    """The newer chunk replaces the older one at once."""

    @property
    def blends(self) -> bool:
        return False

    def weights(self, ticks: int) -> NDArray[np.float64]:
        return np.ones(ticks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend(Handover):
    """The weighted mean of both chunks where they overlap; actions must be a Box.

    The older chunk counts as it was to be executed, which may be a blend itself. A chunk that the rule never executes
    has no weight. With the defaults this is what LeRobot's asynchronous client does (``weighted_average``; 0.5 is its
    ``average``, 0.3 its ``conservative``). Such a blend leaves ``newest`` of each jump and delays what the newer chunk
    knows; a ramp leaves 1 / (``ramp_ticks`` + 1) of it.

    Args:
        newest: the weight of the newer chunk, in (0, 1].
        ramp_ticks: the number of ticks over which this weight rises evenly; 0: from the seam on.
    """

    newest: float = 0.7
    ramp_ticks: int = 0

    def __post_init__(self) -> None:
        Handover.__post_init__(self)
        newest = self.newest
        if isinstance(newest, bool) or not isinstance(newest, int | float) or not 0 < newest <= 1:
            raise ConfigurationError(f"newest={newest!r} must lie in (0, 1]; try 0.7")
        check_whole("ramp_ticks", self.ramp_ticks, least=0, example=4)

    def weights(self, ticks: int) -> NDArray[np.float64]:
        return self.newest * np.minimum(np.arange(1, ticks + 1) / (self.ramp_ticks + 1), 1.0)


SWITCH = Switch()


def check_handover(handover: object, policy: PolicyFactory, space: spaces.Space[Any]) -> None:
    """Refuse what is no handover, and one that blends where that is not possible.

    Raises:
        ConfigurationError: names it, the space or the policy.
    """
    if not isinstance(handover, Handover):
        raise ConfigurationError(f"handover={handover!r} must be a Handover; try hocket.drivers.Blend()")
    if not handover.blends:
        return
    if not isinstance(space, spaces.Box):
        raise ConfigurationError(
            f"handover={handover!r} cannot blend actions of {space}; a Box is needed; try Switch()"
        )
    if policy.pending and not policy.corrects:
        raise ConfigurationError(
            f"handover={handover!r} would execute other actions than those that this policy is told as pending; try "
            "pending=0 on the policy, or hocket.drivers.Switch()"
        )
    if policy.chunk_length == 1:
        raise ConfigurationError(
            f"handover={handover!r} has no effect on single actions, which never overlap; try chunk_length=8 on the "
            "policy, or hocket.drivers.Switch()"
        )


class ChunkBlender:
    """The actions of the chunk that is executed, blended with those that older ones had for its ticks.

    Args:
        handover: that blends.
        codec: of the action space, a Box.
    """

    def __init__(self, handover: Handover, codec: ActionCodec) -> None:
        assert isinstance(codec.space, spaces.Box)
        self._handover = handover
        self._space = codec.space
        self._whole = codec.dtype.kind != "f"
        self._inference = -1
        self._first_tick = 0
        self._actions = np.empty((0, *codec.shape[1:]), codec.dtype)  # from that tick on

    def plan(self, tick: int, inference: int, rest: NDArray[Any]) -> NDArray[Any]:
        """The actions from ``tick`` on, which executes ``inference``; ``rest`` are its own from that tick on."""
        if inference != self._inference:
            self._take_over(tick, rest)
            self._inference = inference
        return self._actions[len(self._actions) - len(rest) :]  # late, the last one, whose tick was missed

    def forget(self) -> None:
        """Forget all chunks: their episode has ended."""
        self._actions = self._actions[:0]

    def _take_over(self, tick: int, newer: NDArray[Any]) -> None:
        older = self._actions[tick - self._first_tick :][: len(newer)]
        self._first_tick, self._actions = tick, newer
        if overlap := len(older):
            weights = self._handover.weights(overlap).reshape(-1, *[1] * (newer.ndim - 1))
            mixed = (1 - weights) * older + weights * newer[:overlap]
            if self._whole:
                mixed = np.rint(mixed)
            within = np.clip(mixed, self._space.low, self._space.high)  # rounding may leave the bounds by a bit
            self._actions = np.concatenate((within.astype(newer.dtype), newer[overlap:]))
