"""Acting by the network that learns: a policy, in one stage or two, whose weights change between its inferences.

It knows neither learners nor clocks: a `WeightReader` brings the weights. An inference is of one version, its head's
weights those of its trunk, however late the head runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.deep_q import derived_by_hand
from hocket.learn.exploration import Exploration, Explorer, OwnNoise, explorer
from hocket.policies.base import Batching, Policy, PolicyFactory, Stages
from hocket.policies.devices import device_of, own_stream

HEAD_S = 0.001
"""The least time before its tick at which a late head starts."""


def late_head_s(hz: float, *, realtime: bool) -> float:
    """The time before its tick at which a late head starts; on the wall clock a quarter of a tick, to wake its worker.

    Nothing is lost by it: the head's inputs were known at the end of the tick before.
    """
    return max(HEAD_S, 0.25 / hz) if realtime else HEAD_S


Stream = AbstractContextManager[object]
"""The context of a worker's inferences; see `hocket.policies.devices.own_stream`."""


class WeightReader(Protocol):
    """The source of one worker's weights."""

    def refresh(self, network: nn.Module) -> int:
        """Bring ``network`` up to date, before an inference; the version that it is then of."""


class Weights(Protocol):
    """The weights that workers read: `SharedWeights`, or those of learners in the same thread."""

    def reader(self, parts: Sequence[str] = ()) -> WeightReader:
        """One worker's, for the submodules of a network named in ``parts``, or for all of it."""


class Unchanging:
    """The network's own weights, as they are."""

    def reader(self, parts: Sequence[str] = ()) -> Unchanging:
        """See `Weights`."""
        return self

    def refresh(self, network: nn.Module) -> int:
        """See `WeightReader`."""
        return 0


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
        heads: `HeadVersions` of a network in place, which the policies of copies share; None makes some.
    """

    network: nn.Module = field(repr=False)
    weights: Weights = field(default_factory=Unchanging, repr=False)
    in_place: bool = False
    exploration: Exploration | None = field(default=None, repr=False)
    first_action: int = 0
    pending: int = 0
    head_s: float = 0.0

    threads: int = 1
    heads: Any = field(default=None, repr=False)

    newest: bool = field(init=False, repr=False)
    """True if the network has an encoder of the newest observation; its head is then told the delay as well."""
    tells_delay: bool = field(init=False, repr=False)

    preload = ("torch",)

    def __post_init__(self) -> None:
        newest = getattr(self.network, "newest", None) is not None
        for name in ("newest", "tells_delay"):
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
        if not self.tells_delay:
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
        assert isinstance(policy.head, _LearnedHead)
        for _ in range(2):
            policy.head.warm_up(inputs)


ACTOR_PARTS = ("trunk", "head", "newest")
"""The submodules of an actor with critics that it acts by."""
LATE_PARTS = ("head", "newest")
"""The submodules of a network that run with its head."""


class Prepared(NamedTuple):
    """An inference that has started; see `hocket.policies.base.Batching`."""

    by_chance: Any
    """The action, if chance has it; then there is nothing else. None if not."""
    network: Any = None
    explorer: Explorer = Explorer()
    inputs: tuple[NDArray[Any], ...] = ()
    features: Tensor | None = None
    kept: _Kept | None = None


class Acting(Batching):
    """The policy of one worker.

    Attributes:
        version: of the weights that the last answer is by.
    """

    def __init__(
        self, network: nn.Module, weights: WeightReader, exploring: Explorer, first_action: int, stream: Stream
    ) -> None:
        self.version = 0
        self._network = network
        self._device = device_of(network)
        self._weights = weights
        self._explorer = exploring
        self._first_action = first_action
        self._stream = stream

    def prepare(self, *inputs: NDArray[Any]) -> Prepared:
        """For an observation and, if the network takes them, the pending actions."""
        with self._stream:
            self.version = self._weights.refresh(self._network)
        by_chance = self._explorer.action()
        if by_chance is not None:
            return Prepared(by_chance)
        return Prepared(None, self._network, self._explorer, inputs)

    def answer(self, prepared: Sequence[Prepared]) -> list[Any]:
        """The actions."""

        def outputs(group: list[Prepared]) -> Tensor:
            by_hand = derived_by_hand(self._network)
            compute = self._network if by_hand is None else by_hand.values
            computed: Tensor = compute(*_batches(group, self._device))
            return computed

        with self._stream, torch.inference_mode():
            return _actions(prepared, outputs, self._first_action)


def _actions(prepared: Sequence[Prepared], outputs: Callable[[list[Prepared]], Tensor], first_action: int) -> list[Any]:
    """The actions of inferences; ``outputs`` computes those that share a network, and its noise, in one call."""
    actions: list[Any] = [None if each.by_chance is None else each.by_chance + first_action for each in prepared]
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, each in enumerate(prepared):
        if each.by_chance is None:
            alone = (number,) if each.explorer.changes_network else ()
            groups.setdefault((id(each.network), int(each.features is None), *alone), []).append(number)
    for numbers in groups.values():
        group = [prepared[number] for number in numbers]
        group[0].explorer.prepare(group[0].network)
        for number, action in zip(numbers, _chosen(group, outputs(group), first_action), strict=True):
            actions[number] = action
    return actions


def _chosen(group: Sequence[Prepared], outputs: Tensor, first_action: int) -> list[Any]:
    """The actions of inferences by one network: those of the highest values, or what an actor's ``action`` says."""
    action = getattr(group[0].network, "action", None)
    if action is None:
        return [first_action + best for best in outputs.argmax(1).tolist()]
    return [action(outputs[row : row + 1], each.explorer.noise()) for row, each in enumerate(group)]


def greedy_policy(network: nn.Module, first_action: int = 0) -> Policy:
    """The action of the highest value, for an observation and, if ``network`` takes them, the pending actions."""
    return Acting(network, Unchanging(), Explorer(), first_action, nullcontext())


class Begun(NamedTuple):
    """The result of a trunk, for its head."""

    version: int
    by_chance: Any
    """The action, if chance has it; then there is nothing else."""
    features: Tensor | None = None
    kept: _Kept | None = None


class LateActing(Stages):
    """The policy of one worker in two stages; see `Acting`."""

    @property
    def version(self) -> int:
        """Of the weights that the last answer is by."""
        version: int = self.head.version  # type: ignore[attr-defined]
        return version


def late_acting(
    network: nn.Module,
    weights: WeightReader,
    exploring: Explorer,
    first_action: int,
    stream: Stream,
    device: torch.device,
    versions: HeadVersions,
) -> LateActing:
    """See `LearnedPolicy`."""
    trunk = _Trunk(network, weights, exploring, versions, stream)
    return LateActing(trunk, _LearnedHead(network, weights, exploring, first_action, versions, stream, device))


class _Trunk(Batching):
    def __init__(
        self, network: Any, weights: WeightReader, exploring: Explorer, versions: HeadVersions, stream: Stream
    ) -> None:
        self._network = network
        self._device = device_of(network)
        self._weights = weights
        self._explorer = exploring
        self._versions = versions
        self._stream = stream

    def prepare(self, *inputs: NDArray[Any]) -> tuple[Begun, tuple[NDArray[Any], ...]]:
        with self._stream:
            version = self._weights.refresh(self._network)
            by_chance = self._explorer.action()
            kept = None if by_chance is not None else self._versions.take(version)
        return Begun(version, by_chance, None, kept), inputs

    def answer(self, prepared: Sequence[tuple[Begun, tuple[NDArray[Any], ...]]]) -> list[Begun]:
        begun = [each for each, _ in prepared]
        greedy = [number for number, each in enumerate(begun) if each.kept is not None]
        if greedy:
            with self._stream, torch.inference_mode():
                observations = _stacked([prepared[number][1][0] for number in greedy], self._device)
                features = self._network.features(observations)
            for row, number in enumerate(greedy):
                begun[number] = begun[number]._replace(features=features[row : row + 1])
        return begun


class _LearnedHead(Batching):
    def __init__(
        self,
        network: Any,
        weights: WeightReader,
        exploring: Explorer,
        first_action: int,
        versions: HeadVersions,
        stream: Stream,
        device: torch.device,
    ) -> None:
        self.version = 0
        self._network = network
        self._weights = weights
        self._explorer = exploring
        self._first_action = first_action
        self._versions = versions
        self._stream = stream
        self._device = device

    def prepare(self, *inputs: Any) -> Prepared:
        """For the result of a trunk, or None, and what the head gets beside it."""
        begun: Begun | None = inputs[0]
        if begun is None:  # without features, by the newest weights
            with self._stream:
                self.version = self._weights.refresh(self._network)
            by_chance = self._explorer.action()
            if by_chance is not None:
                return Prepared(by_chance)
            return Prepared(None, self._network, self._explorer, inputs[1:])
        self.version = begun.version
        if begun.kept is None:
            return Prepared(begun.by_chance)
        return Prepared(None, begun.kept.network, self._explorer, inputs[1:], begun.features, begun.kept)

    def answer(self, prepared: Sequence[Prepared]) -> list[Any]:
        """The actions."""

        def outputs(group: list[Prepared]) -> Tensor:
            features = [each.features for each in group if each.features is not None]
            late = _batches(group, self._device)
            return self._values(group[0].network, _joined(features), late)

        with self._stream, torch.inference_mode():
            actions = _actions(prepared, outputs, self._first_action)
        for each in prepared:
            if each.kept is not None:
                self._versions.give_back(each.kept)
        return actions

    def warm_up(self, inputs: tuple[NDArray[Any], ...]) -> None:
        """Compute values without features; no random number is drawn."""
        with self._stream, torch.inference_mode():
            self._values(self._network, None, [_stacked([each], self._device) for each in inputs])

    def _values(self, network: Any, features: Tensor | None, late: list[Tensor]) -> Tensor:
        values: Tensor
        if getattr(network, "newest", None) is None:
            values = network.from_features(features, *late)
        else:
            *pending, newest, delays = late
            values = network.from_features(features, pending[0] if pending else None, newest, delays.flatten())
        return values


@dataclass(slots=True)
class _Kept:
    """A network with the head of one version; the trunk is that of the network that learns."""

    network: Any
    version: int = -1
    users: int = 0


class HeadVersions:
    """Heads as their trunks had them: in place, a head may have learned more before it runs.

    One copy a version, made when first asked for, in the memory of one that is no longer needed. Of a worker's
    own network no copy is needed: it is refreshed before trunks only.
    """

    def __init__(self, network: Any, in_place: bool) -> None:
        self._network = network
        self._in_place = in_place
        self._newest = _Kept(network)
        self._spare: list[_Kept] = []

    def take(self, version: int) -> _Kept:
        """The head of ``version``, which is the present one; to be given back."""
        if self._in_place and self._newest.version != version:
            before, self._newest = self._newest, self._copy()
            self._newest.version = version
            self._keep_spare(before)
        self._newest.users += 1
        return self._newest

    def give_back(self, kept: _Kept) -> None:
        """It has run. One whose head never runs is simply forgotten."""
        kept.users -= 1
        if kept is not self._newest:
            self._keep_spare(kept)

    def _keep_spare(self, kept: _Kept) -> None:
        if not kept.users and kept.network is not self._network:
            self._spare.append(kept)

    def _copy(self) -> _Kept:
        network = self._network
        if not self._spare:
            shared = [network.trunk, *([network.critics] if hasattr(network, "critics") else [])]
            return _Kept(copy.deepcopy(network, {id(part): part for part in shared}))
        kept = self._spare.pop()
        with torch.no_grad():
            torch._foreach_copy_(_late_tensors(kept.network), _late_tensors(network))
        return kept


def _late_tensors(network: nn.Module) -> list[Tensor]:
    """The tensors of all that runs with the head of ``network``."""
    parts = [part for name in LATE_PARTS if (part := getattr(network, name, None)) is not None]
    return [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]


def _stacked(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """``(len(arrays), …)``, copied: the arrays' memory may be read-only, or overwritten by the next ones."""
    return torch.from_numpy(np.stack(arrays)).to(device)


def _batches(prepared: Sequence[Prepared], device: torch.device) -> list[Tensor]:
    """Each input of all inferences, ``(len(prepared), …)``."""
    return [_stacked(arrays, device) for arrays in zip(*(each.inputs for each in prepared), strict=True)]


def _joined(features: list[Tensor]) -> Tensor | None:
    """The features of all inferences, if they have any."""
    if not features:
        return None
    return features[0] if len(features) == 1 else torch.cat(features)
