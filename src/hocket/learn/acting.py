"""Acting by the network that learns: a policy whose weights change between its inferences.

It knows neither learners nor clocks: where weights come from and how far the agent has come are told by two small
objects, `WeightSource` and `Ticks`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.errors import ConfigurationError
from hocket.learn.schedules import Linear, by_chance
from hocket.learn.updates import torch_generator
from hocket.policy import Policy, PolicyFactory

HEAD_S = 0.001
"""How long before its tick a late head starts, unless told otherwise."""


class Ticks(Protocol):
    """How far the agent has come: a `Collector`, or a number in shared memory."""

    @property
    def tick(self) -> int: ...


class WeightSource(Protocol):
    """Where a worker's weights come from."""

    def refresh(self, network: nn.Module) -> int:
        """Bring ``network`` up to date, before an inference; the version that it is then of."""


class Unchanging:
    """The network's own weights, as they are."""

    def refresh(self, network: nn.Module) -> int:
        """See `WeightSource`."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """Now and then an action by chance.

    Args:
        actions: how many there are.
        epsilon: how often, by tick.
        ticks: says which tick it is.
        seed: None takes each worker's from the system: in workers of their own they must differ.
    """

    actions: int
    epsilon: Linear
    ticks: Ticks
    seed: np.random.SeedSequence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNoise:
    """The noise of a noisy network, drawn anew for each inference; ``seed`` as `EpsilonGreedy`."""

    seed: np.random.SeedSequence | None = None


Exploration = EpsilonGreedy | OwnNoise


@dataclass(frozen=True, kw_only=True)
class LearnedPolicy(PolicyFactory):
    """Acts by ``network``: the action of the highest value, unless it explores.

    Args:
        network: observations, and codes if ``pending``, to action values.
        weights: where its weights come from.
        in_place: act by ``network`` itself, which learns in the same thread (virtual time), instead of a copy in each
            worker.
        exploration: None is greedy, and quiet if the network is noisy.
        first_action: of the Discrete action space (its ``start``).
        pending: codes of pending actions that the network takes.
        head_s: late binding if above 0: the network's ``features`` as the inference starts, its ``from_features``
            this many seconds before the tick, of the same version of the weights.
    """

    network: nn.Module = field(repr=False)
    weights: WeightSource = field(default_factory=Unchanging, repr=False)
    in_place: bool = False
    exploration: Exploration | None = field(default=None, repr=False)
    first_action: int = 0
    pending: int = 0
    head_s: float = 0.0

    preload = ("torch",)

    def __post_init__(self) -> None:
        if isinstance(self.exploration, OwnNoise) and not hasattr(self.network, "resample_noise"):
            raise ConfigurationError(
                f"{type(self.network).__name__} has no noise to explore by; try q_network(..., noisy=True), or an "
                "algorithm with noisy=False"
            )

    def build(self) -> Policy:
        network = self.network if self.in_place else copy.deepcopy(self.network)
        if self.exploration is None:
            quieten(network)
        return Acting(network, self.weights, _explorer(self.exploration), self.first_action)

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        """Run it twice: the first calls allocate and choose kernels."""
        for _ in range(2):
            policy(*example)


class Acting:
    """The policy of one worker.

    Attributes:
        version: of the weights that the last answer is by.
    """

    def __init__(self, network: nn.Module, weights: WeightSource, explorer: _Explorer, first_action: int) -> None:
        self.version = 0
        self._network = network
        self._weights = weights
        self._explorer = explorer
        self._first_action = first_action

    def __call__(self, *inputs: NDArray[Any]) -> int:
        """The action for an observation and, if the network takes them, the pending codes."""
        self.version = self._weights.refresh(self._network)
        by_chance = self._explorer.action()
        if by_chance is not None:
            return self._first_action + by_chance
        with torch.inference_mode():
            self._explorer.prepare(self._network)
            return self._first_action + _best(self._network(*map(batch_of_one, inputs)))


def greedy_policy(network: nn.Module, first_action: int = 0) -> Acting:
    """The action of the highest value, for an observation and, if ``network`` takes them, the pending codes."""
    return Acting(network, Unchanging(), _Explorer(), first_action)


def quieten(network: nn.Module) -> None:
    """No noise, if it is a noisy one."""
    silence = getattr(network, "quieten", None)
    if silence is not None:
        silence()


def batch_of_one(array: NDArray[Any]) -> Tensor:
    """``(1, …)``, copied: the array's memory may be read-only, or overwritten by the next one."""
    return torch.from_numpy(np.array(array)).unsqueeze(0)


def _best(values: Tensor) -> int:
    return int(values.argmax(1).item())


class _Explorer:
    """Explores nothing."""

    def action(self) -> int | None:
        """An action by chance, or None."""
        return None

    def prepare(self, network: nn.Module) -> None:
        """Make ``network`` ready for an inference."""


class _ByChance(_Explorer):
    def __init__(self, options: EpsilonGreedy) -> None:
        self._options = options
        self._rng = np.random.default_rng(options.seed)

    def action(self) -> int | None:
        options = self._options
        return by_chance(options.actions, options.epsilon.at(options.ticks.tick), self._rng)


class _ByNoise(_Explorer):
    def __init__(self, options: OwnNoise) -> None:
        self._noise = torch_generator(options.seed or np.random.SeedSequence())

    def prepare(self, network: nn.Module) -> None:
        network.resample_noise(self._noise)  # type: ignore[operator]


def _explorer(exploration: Exploration | None) -> _Explorer:
    if exploration is None:
        return _Explorer()
    return _ByChance(exploration) if isinstance(exploration, EpsilonGreedy) else _ByNoise(exploration)
