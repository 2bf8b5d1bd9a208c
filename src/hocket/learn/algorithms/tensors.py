"""Batches as algorithms get them from a replay, and as tensors on the device of a network."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

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


def as_tensors(batch: Transitions, device: torch.device) -> Tensors:
    """``batch`` on ``device``; on a CPU in the arrays' own memory."""
    return Tensors(
        _inputs(device, batch.states, batch.pending, batch.newest, batch.delays),
        as_tensor(batch.actions, device),
        as_tensor(batch.rewards, device),
        as_tensor(batch.discounts, device),
        _inputs(device, batch.next_states, batch.next_pending, batch.next_newest, batch.next_delays),
        as_tensor(batch.weights, device),
        None if batch.demonstrated is None else as_tensor(batch.demonstrated, device),
    )


def as_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """``array`` on ``device``; on a CPU in its own memory, unless that is read-only."""
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


def _inputs(
    device: torch.device, states: NDArray[Any], pending: NDArray[Any], newest: NDArray[Any], delays: NDArray[np.int64]
) -> tuple[Tensor, ...]:
    # A network that was made for no pending actions or newest observations need not know of any.
    told = (states, pending, newest, delays) if newest.size else (states, pending) if pending.size else (states,)
    return tuple(as_tensor(array, device) for array in told)


def torch_generator(seed: np.random.SeedSequence) -> torch.Generator:
    """Returns a generator of torch's own random numbers."""
    return torch.Generator().manual_seed(int(seed.generate_state(1, np.uint32)[0]))
