"""A policy charged with another one's inference times on the wall clock: *delay-only*."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic_ns, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError
from hocket.latency import LatencyModel, Sampler
from hocket.policy import Policy, PolicyFactory, Stages


@dataclass(frozen=True)
class Charged(PolicyFactory):
    """``policy``, whose answers are kept back until a time drawn from ``latency`` has passed.

    It sleeps, so any number of workers fit on one processor. An answer that takes longer anyway comes when it comes.
    Of a policy in two stages the trunk is charged. For `hocket.Realtime`; virtual time charges its own law.
    """

    policy: PolicyFactory
    latency: LatencyModel
    chunk_length: int = field(init=False)
    pending: int = field(init=False)
    head_s: float = field(init=False)
    newest: bool = field(init=False)
    preload: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.latency, LatencyModel):
            raise ConfigurationError(f"latency={self.latency!r} is not a latency model; try hocket.Constant(0.05)")
        for name in ("chunk_length", "pending", "head_s", "newest", "preload"):
            object.__setattr__(self, name, getattr(self.policy, name))

    def build(self) -> Policy:
        policy, draw = self.policy.build(), self.latency.sampler(np.random.default_rng())
        if isinstance(policy, Stages):
            return _ChargedStages(policy, _Slow(policy.trunk, draw))
        return _Slow(policy, draw)

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        inner = policy.inner if isinstance(policy, _Slow | _ChargedStages) else policy
        self.policy.warm_up(inner, *example)


class _Slow:
    def __init__(self, inner: Policy, draw: Sampler) -> None:
        self.inner = inner
        self._draw = draw

    @property
    def version(self) -> int:
        return int(getattr(self.inner, "version", 0))

    def __call__(self, *inputs: Any) -> Any:
        began_ns = monotonic_ns()
        answer = self.inner(*inputs)
        left_ns = began_ns + self._draw(0, began_ns) - monotonic_ns()
        if left_ns > 0:
            sleep(left_ns / 1e9)
        return answer


class _ChargedStages(Stages):
    def __init__(self, inner: Stages, trunk: _Slow) -> None:
        super().__init__(trunk, inner.head)
        object.__setattr__(self, "inner", inner)

    inner: Stages

    @property
    def version(self) -> int:
        return int(getattr(self.inner, "version", 0))
