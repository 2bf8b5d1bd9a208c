"""One worker's policy, in one stage or two: inferences by weights that change between them.

An inference is of one version, its head's weights those of its trunk, however late the head runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.learn.exploration import Explorer
from hocket.learn.head_versions import HeadVersion, HeadVersions
from hocket.policies.base import Batching, Stages
from hocket.policies.devices import device_of

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


class Prepared(NamedTuple):
    """An inference that has started; see `hocket.policies.base.Batching`."""

    by_chance: Any
    """The action, if chance has it; then there is nothing else. None if not."""
    network: Any = None
    explorer: Explorer = Explorer()
    inputs: tuple[NDArray[Any], ...] = ()
    features: Tensor | None = None
    kept: HeadVersion | None = None


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
            computed: Tensor = self._network(*_batches(group, self._device))
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


class Begun(NamedTuple):
    """The result of a trunk, for its head."""

    version: int
    by_chance: Any
    """The action, if chance has it; then there is nothing else."""
    features: Tensor | None = None
    kept: HeadVersion | None = None


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
    trunk = LearnedTrunk(network, weights, exploring, versions, stream)
    return LateActing(trunk, LearnedHead(network, weights, exploring, first_action, versions, stream, device))


class LearnedTrunk(Batching):
    """The first stage: features by the newest weights."""

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


class LearnedHead(Batching):
    """The second stage: an action by the weights that the features are of."""

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
