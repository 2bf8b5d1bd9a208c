"""The places of a network's tensors in one block of bytes, and the block's bytes as tensors again.

Parameters come first, so that the moments of an optimiser fit a shorter block of the same layout. This module knows no
processes and no versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error

ALIGNMENT = 64


def parameters_and_buffers(network: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, Tensor]]:
    """All that a state dict of ``network`` holds, each tensor once and as it is in the network.

    Raises:
        ConfigurationError: if the network keeps what is no tensor in its state dict.
    """
    parameters = dict(network.named_parameters())
    known = {id(parameter) for parameter in parameters.values()}
    buffers: dict[str, Tensor] = {}
    for name, value in network.state_dict(keep_vars=True).items():
        if not isinstance(value, Tensor):
            raise ConfigurationError(
                f"{name} in the state dict of {type(network).__name__} is a {type(value).__name__}; tensors are "
                "allowed; try register_buffer"
            )
        if id(value) not in known:
            known.add(id(value))
            buffers[name] = value
    return parameters, buffers


@dataclass(frozen=True, slots=True)
class TensorSlot:
    """One tensor's."""

    name: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Of parameters and persistent buffers, in a network's own memory format.

    Attributes:
        parameters, buffers: in the network's order.
        parameter_bytes: the length of a block for parameters alone.
        nbytes: the length of a block for both.
    """

    parameters: tuple[TensorSlot, ...]
    buffers: tuple[TensorSlot, ...]
    parameter_bytes: int
    nbytes: int

    @classmethod
    def of(cls, network: nn.Module) -> Self:
        """The layout for ``network``, wherever it is.

        Raises:
            ConfigurationError: if a parameter is not float32.
        """
        offset = 0

        def place(name: str, tensor: Tensor) -> TensorSlot:
            nonlocal offset
            like = torch.empty_like(tensor, device="cpu")  # dense, whatever the tensor itself is
            nbytes = like.numel() * like.element_size()
            placed = TensorSlot(name, tuple(like.shape), tuple(like.stride()), like.dtype, offset, nbytes)
            offset += -(-nbytes // ALIGNMENT) * ALIGNMENT
            return placed

        parameters, buffers = parameters_and_buffers(network)
        for name, parameter in parameters.items():
            if parameter.dtype != torch.float32:
                raise ConfigurationError(
                    f"{name} is {parameter.dtype}; weights that are learned are float32; try a float32 network, and a "
                    "cast copy of it where it only acts"
                )
        if not parameters:
            raise ConfigurationError(f"{type(network).__name__} has no parameters: there is nothing to learn")
        placed = tuple(place(name, parameter) for name, parameter in parameters.items())
        parameter_bytes = offset
        others = tuple(place(name, buffer) for name, buffer in buffers.items())
        return cls(parameters=placed, buffers=others, parameter_bytes=parameter_bytes, nbytes=offset)

    @property
    def places(self) -> tuple[TensorSlot, ...]:
        """Parameters, then buffers."""
        return self.parameters + self.buffers

    def matching(self, network: nn.Module) -> list[Tensor]:
        """The tensors of ``network`` in this order; dtypes and memory formats may be others.

        Raises:
            ConfigurationError: if names or shapes are others.
        """
        parameters, buffers = parameters_and_buffers(network)
        tensors: dict[str, Tensor] = {**parameters, **buffers}
        theirs = [(name, tuple(tensor.shape)) for name, tensor in tensors.items()]
        ours = [(place.name, place.shape) for place in self.places]
        if theirs != ours:
            other = next((pair for pair in theirs if pair not in ours), f"{len(theirs)} tensors instead of {len(ours)}")
            raise ConfigurationError(
                f"these weights do not fit a {type(network).__name__} with {other}; equal names and shapes are "
                "allowed; try the function that built the network they were made from"
            )
        return list(tensors.values())


def views(block: NDArray[np.uint8], places: tuple[TensorSlot, ...]) -> list[Tensor]:
    """The tensors at ``places`` in ``block``'s own memory."""
    memory = torch.from_numpy(block)
    return [
        memory[place.offset : place.offset + place.nbytes].view(place.dtype).as_strided(place.shape, place.stride)
        for place in places
    ]
