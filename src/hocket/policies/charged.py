"""Delays a policy's answers by drawn inference times on the wall clock: *delay-only*."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError
from hocket.latency.laws import Changing, LatencyModel, PerWorker, Sampler, check_law
from hocket.policies.base import Alignment, Policy, PolicyFactory, Stages, as_factory
from hocket.policies.cancellation import sleep_until_cancelled


@dataclass(frozen=True, init=False)
class Charged(PolicyFactory):
    """``policy`` with answers that are held back until a time drawn from ``latency`` has passed.

    It sleeps, so any number of workers fit on one processor. An answer that takes longer is not held back.
    Of a policy in two stages the trunk is charged. For `hocket.Realtime`; virtual time charges its own law.

    Args:
        policy: a factory, or a function of one observation.
        latency: a law that depends neither on the worker nor on the time.
    """

    policy: PolicyFactory
    latency: LatencyModel
    chunk_length: int = field(init=False)
    alignment: Alignment = field(init=False)
    pending: int = field(init=False)
    head_s: float = field(init=False)
    newest: bool = field(init=False)
    delay_told: bool = field(init=False)
    corrects: bool = field(init=False)
    preload: tuple[str, ...] = field(init=False, repr=False)
    waits: bool = field(init=False, repr=False)

    def __init__(self, policy: PolicyFactory | Policy, latency: LatencyModel) -> None:
        check_law("latency", latency)
        if isinstance(latency, PerWorker | Changing):
            raise ConfigurationError(
                f"latency={latency!r} depends on the worker or the time, which a policy does not know; try "
                "hocket.LogNormal(0.05, 0.3), or hocket.Virtual"
            )
        factory = as_factory(policy)
        object.__setattr__(self, "policy", factory)
        object.__setattr__(self, "latency", latency)
        told = ("pending", "newest", "delay_told")
        for name in ("chunk_length", "alignment", "head_s", "corrects", *told, "preload", "waits"):
            object.__setattr__(self, name, getattr(factory, name))

    def build(self) -> Policy:
        policy, draw = self.policy.build(), self.latency.checked_sampler(np.random.default_rng())
        return _SlowTrunk(policy, draw) if isinstance(policy, Stages) else _Slow(policy, draw)

    def build_chunk_head(self) -> Callable[..., Any]:
        return self.policy.build_chunk_head()

    def build_alone(self) -> Stages | None:
        return self.policy.build_alone()

    def warm_up_alone(self, policy: Stages, *inputs: NDArray[Any]) -> None:
        self.policy.warm_up_alone(policy, *inputs)

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        assert isinstance(policy, _Slow | _SlowTrunk)
        self.policy.warm_up(policy.inner, *example)


class _Slow:
    def __init__(self, inner: Policy, draw: Sampler) -> None:
        self.inner = inner
        self._draw = draw

    @property
    def version(self) -> int:
        return int(getattr(self.inner, "version", 0))

    def __call__(self, *inputs: Any) -> Any:
        due_ns = monotonic_ns() + self._draw(0, 0)
        answer = self.inner(*inputs)
        left_ns = due_ns - monotonic_ns()
        if left_ns > 0:
            sleep_until_cancelled(left_ns / NS_PER_S)
        return answer


class _SlowTrunk(Stages):
    inner: Stages

    def __init__(self, inner: Stages, draw: Sampler) -> None:
        super().__init__(_Slow(inner.trunk, draw), inner.head)
        object.__setattr__(self, "inner", inner)

    @property
    def version(self) -> int:
        return int(getattr(self.inner, "version", 0))
