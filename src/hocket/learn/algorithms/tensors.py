"""Batches as algorithms get them from a replay, and as tensors on the device of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hocket.errors import MissingExtraError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error


class Transitions(Protocol):
    """The fields of a batch that an update reads, such as those of `hocket.learn.replay.assembly.Batch`.

    Arrays with B rows each.
    """

    @property
    def states(self) -> NDArray[Any]: ...
    @property
    def actions(self) -> NDArray[Any]: ...
    @property
    def rewards(self) -> NDArray[np.float32]: ...
    @property
    def discounts(self) -> NDArray[np.float32]: ...
    @property
    def next_states(self) -> NDArray[Any]: ...
    @property
    def pending(self) -> NDArray[Any]: ...
    @property
    def next_pending(self) -> NDArray[Any]: ...
    @property
    def newest(self) -> NDArray[Any]: ...
    @property
    def next_newest(self) -> NDArray[Any]: ...
    @property
    def delays(self) -> NDArray[np.int64]: ...
    @property
    def next_delays(self) -> NDArray[np.int64]: ...
    @property
    def present(self) -> NDArray[Any]: ...
    @property
    def next_present(self) -> NDArray[Any]: ...
    @property
    def weights(self) -> NDArray[np.float32]: ...
    @property
    def demonstrated(self) -> NDArray[np.bool_] | None: ...


class Tensors(NamedTuple):
    """A batch on the network's device.

    A network is called with ``inputs`` or ``next_inputs``. ``demonstrated`` marks the rows that are demonstrations;
    None if there are none.
    """

    inputs: tuple[Tensor, ...]
    actions: Tensor
    rewards: Tensor
    discounts: Tensor
    next_inputs: tuple[Tensor, ...]
    weights: Tensor
    demonstrated: Tensor | None = None

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> Self:
        """Those of `arrays_of`: the inputs, as many next inputs, four or five others."""
        told = (len(tensors) - 4) // 2
        actions, rewards, discounts, weights, *demonstrated = tensors[2 * told :]
        inputs, next_inputs = tuple(tensors[:told]), tuple(tensors[told : 2 * told])
        return cls(inputs, actions, rewards, discounts, next_inputs, weights, *demonstrated)


def arrays_of(batch: Transitions) -> list[NDArray[Any]]:
    """The arrays of ``batch`` that `Tensors.of` takes, in its order."""
    demonstrated = () if batch.demonstrated is None else (batch.demonstrated,)
    return [
        *_inputs(batch.states, batch.pending, batch.newest, batch.delays),
        *_inputs(batch.next_states, batch.next_pending, batch.next_newest, batch.next_delays),
        *(batch.actions, batch.rewards, batch.discounts, batch.weights),
        *demonstrated,
    ]


def as_tensors(batch: Transitions, device: torch.device) -> Tensors:
    """``batch`` on ``device``; on a CPU in the arrays' own memory."""
    return Tensors.of([as_tensor(array, device) for array in arrays_of(batch)])


def as_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """``array`` on ``device``; on a CPU in its own memory, unless that is read-only."""
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


def _inputs(
    states: NDArray[Any], pending: NDArray[Any], newest: NDArray[Any], delays: NDArray[np.int64]
) -> tuple[NDArray[Any], ...]:
    # A network that was made for no pending actions or newest observations need not know of any.
    return (states, pending, newest, delays) if newest.size else (states, pending) if pending.size else (states,)


def torch_generator(seed: np.random.SeedSequence) -> torch.Generator:
    """Returns a generator of torch's own random numbers."""
    return torch.Generator().manual_seed(int(seed.generate_state(1, np.uint32)[0]))
