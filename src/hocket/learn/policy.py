"""Acting by the network that learns: a policy, in one stage or two, whose weights change between its inferences.

It knows neither learners nor clocks: a `WeightReader` brings the weights.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from hocket.errors import ConfigurationError
from hocket.learn.acting import Acting, LearnedHead, Unchanging, WeightReader, Weights, late_acting
from hocket.learn.exploration import Exploration, Explorer, OwnNoise, explorer
from hocket.learn.head_versions import LATE_PARTS, HeadVersions
from hocket.policies.base import Policy, PolicyFactory, Stages
from hocket.policies.devices import device_of, own_stream

HEAD_S = 0.001
"""The least time before its tick at which a late head starts."""


def late_head_s(hz: float, *, realtime: bool) -> float:
    """The time before its tick at which a late head starts; on the wall clock a quarter of a tick, to wake its worker.

    Nothing is lost by it: the head's inputs were known at the end of the tick before.
    """
    return max(HEAD_S, 0.25 / hz) if realtime else HEAD_S


@dataclass(frozen=True, kw_only=True)
class LearnedPolicy(PolicyFactory):
    """Acts by ``network``: the action of the highest value, or that of an actor's mean, unless it explores.

    Args:
        network: observations, and pending actions if ``pending``, to action values, or to what its ``action`` turns
            into an action of a Box (`hocket.models.actor_and_critics.ActorCritic`); on whatever device.
        weights: where its weights come from.
        in_place: act by ``network`` itself, which learns in the same thread (virtual time), instead of a copy in each
            worker.
        exploration: None is greedy, and quiet if the network is noisy.
        first_action: of a Discrete action space (its ``start``).
        pending: how many pending actions the network takes.
        head_s: late binding if above 0: the network's ``features`` as an inference starts, its ``from_features`` this
            many seconds before the tick. For networks with ``trunk`` and ``head``, such as `QNetwork`; those with an
            encoder of the newest observation need it.
        threads: torch threads of a worker's process; in place, the learner's setting holds.
        heads: of a network in place, for the policies of copies of an environment, which share them; None makes some.
    """

    network: nn.Module = field(repr=False)
    weights: Weights = field(default_factory=Unchanging, repr=False)
    in_place: bool = False
    exploration: Exploration | None = field(default=None, repr=False)
    first_action: int = 0
    pending: int = 0
    head_s: float = 0.0

    threads: int = 1
    heads: HeadVersions | None = field(default=None, repr=False)

    newest: bool = field(init=False, repr=False)
    """True if the network has an encoder of the newest observation; its head is then told the delay as well."""
    delay_told: bool = field(init=False, repr=False)

    preload = ("torch",)

    def __post_init__(self) -> None:
        newest = getattr(self.network, "newest", None) is not None
        for name in ("newest", "delay_told"):
            object.__setattr__(self, name, newest)
        if newest and not self.head_s:
            raise ConfigurationError(
                "head_s=0 runs the network in one stage, and its head sees the newest observation; try head_s=0.001, "
                "or q_network(..., newest=None)"
            )
        if isinstance(self.exploration, OwnNoise) and not hasattr(self.network, "resample_noise"):
            raise ConfigurationError(
                f"{type(self.network).__name__} has no noise to explore by; try q_network(..., noisy=True), or an "
                "algorithm with noisy=False"
            )
        if self.head_s and not all(hasattr(self.network, name) for name in ("features", "from_features", "trunk")):
            raise ConfigurationError(
                f"{type(self.network).__name__} is in one stage; try a hocket.models.qnetwork.QNetwork, or head_s=0"
            )

    def build(self) -> Policy:
        network = self.network
        if not self.in_place:
            torch.set_num_threads(self.threads)
            network = copy.deepcopy(network)
        parts = ACTOR_PARTS if hasattr(network, "critics") else ()
        return self._built(network, self.weights.reader(parts), self.exploration)

    def build_alone(self) -> Stages | None:
        """The head and the encoder of the newest weights, without a trunk; on the CPU unless in place."""
        if not self.delay_told:
            return None
        network, weights = self.network, self.weights
        exploration = None if self.exploration is None else self.exploration.beside()
        if self.in_place:
            alone = self._built(network, weights.reader(), exploration)
        else:
            torch.set_num_threads(self.threads)
            trunk: Any = network.trunk
            network = copy.deepcopy(network, {id(trunk): trunk})
            for part in LATE_PARTS:
                getattr(network, part).to("cpu")
            alone = self._built(network, weights.reader(LATE_PARTS), exploration, torch.device("cpu"))
        assert isinstance(alone, Stages)
        return alone

    def _built(
        self,
        network: nn.Module,
        weights: WeightReader,
        exploration: Exploration | None,
        device: torch.device | None = None,
    ) -> Policy:
        device = device_of(network) if device is None else device
        if exploration is None and hasattr(network, "quieten"):
            network.quieten()  # type: ignore[operator]
        # In place, the one that learns and the one that acts take turns on the same stream.
        stream = nullcontext() if self.in_place else own_stream(device)
        exploring = explorer(exploration)
        if self.head_s:
            versions = HeadVersions(network, self.in_place) if self.heads is None else self.heads
            return late_acting(network, weights, exploring, self.first_action, stream, device, versions)
        return Acting(network, weights, exploring, self.first_action, stream)

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        """Run it twice: the first calls allocate and choose kernels."""
        for _ in range(2):
            policy(*example)

    def warm_up_alone(self, policy: Stages, *inputs: NDArray[Any]) -> None:
        """Compute values twice, likewise."""
        assert isinstance(policy.head, LearnedHead)
        for _ in range(2):
            policy.head.warm_up(inputs)


ACTOR_PARTS = ("trunk", "head", "newest")
"""The submodules of an actor with critics that it acts by."""


def greedy_policy(network: nn.Module, first_action: int = 0) -> Policy:
    """The action of the highest value, for an observation and, if ``network`` takes them, the pending actions."""
    return Acting(network, Unchanging(), Explorer(), first_action, nullcontext())
