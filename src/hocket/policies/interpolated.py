"""Action interpolation: chunks at the rate that a policy was trained at, for a loop at another rate.

Only chunks change, in the worker that has computed them: schedules, delays and seams are in the loop's ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import exact_hz
from hocket.errors import ActionError, ConfigurationError
from hocket.policies.base import Alignment, Policy, PolicyFactory, as_factory


class Interpolation(Enum):
    """The actions between two steps of a chunk."""

    LINEAR = "linear"
    """On the straight line between them; for actions that are numbers."""
    HOLD = "hold"
    """The earlier step's until the later one is due; for any actions."""


@dataclass(frozen=True, init=False)
class Interpolated(PolicyFactory):
    """``policy``, whose chunks have actions at ``policy_hz``, for a loop at ``loop_hz``.

    Step j of its chunk is due (j + 1) / ``policy_hz`` seconds after the observation, or j / ``policy_hz`` seconds after
    the release, as the policy's alignment says; the actions of the loop's ticks between come from ``interpolation``.
    Before the first step is due it is executed already, and the last one is held for one period of the policy.

    Args:
        policy: a factory in one stage, with chunks.
        policy_hz: the rate of the steps of its chunks.
        loop_hz: the rate of the loop, the ``hz`` of its clock.
        interpolation: the way to fill the ticks between two steps.
    """

    policy: PolicyFactory
    policy_hz: Fraction
    loop_hz: Fraction
    interpolation: Interpolation
    chunk_length: int = field(init=False)
    alignment: Alignment = field(init=False)
    preload: tuple[str, ...] = field(init=False, repr=False)
    waits: bool = field(init=False, repr=False)

    def __init__(
        self,
        policy: PolicyFactory | Policy,
        *,
        policy_hz: float | str | Fraction,
        loop_hz: float | str | Fraction,
        interpolation: Interpolation = Interpolation.LINEAR,
    ) -> None:
        factory = as_factory(policy)
        if factory.chunk_length == 1:
            raise ConfigurationError(
                f"policy={policy!r} has chunks of one action, between which nothing can be interpolated; try "
                "chunk_length=8 on it"
            )
        if factory.head_s or factory.corrects or factory.pending or factory.delay_told:
            raise ConfigurationError(
                f"policy={policy!r} has a head or is told pending actions or a delay, all of them in ticks of the loop "
                "and not of its own; try a policy in one stage with pending=0"
            )
        if not isinstance(interpolation, Interpolation):
            raise ConfigurationError(
                f"interpolation={interpolation!r} is none of {', '.join(map(str, Interpolation))}; try "
                "hocket.policies.Interpolation.LINEAR"
            )
        values = {
            "policy": factory,
            "policy_hz": exact_hz(policy_hz),
            "loop_hz": exact_hz(loop_hz),
            "interpolation": interpolation,
            "alignment": factory.alignment,
            "preload": factory.preload,
            "waits": factory.waits,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "chunk_length", len(self.positions(factory.chunk_length)))

    def positions(self, steps: int) -> NDArray[np.float64]:
        """The place of each tick of the loop in a chunk of ``steps`` steps: 1.5 lies midway between steps 1 and 2.

        Those before step 0 are 0, and those after the last step are that of the last.
        """
        ratio = self.policy_hz / self.loop_hz
        first = 1 if self.alignment is Alignment.OBSERVATION else 0
        # In periods of the policy step j is due at j + first, and the last one ends at steps + first.
        places = [float(tick * ratio - first) for tick in range(first, ceil((steps + first) / ratio))]
        return np.clip(places, 0.0, steps - 1.0)

    def build(self) -> Policy:
        return _InterpolatedPolicy(self.policy.build(), self)

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        assert isinstance(policy, _InterpolatedPolicy)
        self.policy.warm_up(policy.inner, *example)


class _InterpolatedPolicy:
    def __init__(self, inner: Policy, factory: Interpolated) -> None:
        self.inner = inner
        self._factory = factory
        self._positions: dict[int, NDArray[np.float64]] = {}  # by length of a chunk

    @property
    def version(self) -> int:
        return int(getattr(self.inner, "version", 0))

    def __call__(self, *inputs: Any) -> NDArray[Any]:
        chunk = np.asarray(self.inner(*inputs))
        if chunk.ndim == 0 or not len(chunk):
            raise ActionError(f"the policy's answer {chunk!r} is no chunk, whose first axis are its steps")
        if (positions := self._positions.get(len(chunk))) is None:
            positions = self._positions[len(chunk)] = self._factory.positions(len(chunk))
        before = positions.astype(np.int64)
        if self._factory.interpolation is Interpolation.HOLD:
            return chunk[before]
        if chunk.dtype.kind != "f":
            raise ActionError(
                f"actions of {chunk.dtype} cannot be interpolated linearly; try hocket.policies.Interpolation.HOLD"
            )
        after = np.minimum(before + 1, len(chunk) - 1)
        share = (positions - before).reshape(-1, *[1] * (chunk.ndim - 1))
        return np.asarray((1 - share) * chunk[before] + share * chunk[after], chunk.dtype)
