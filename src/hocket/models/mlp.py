"""A multilayer perceptron, for observations that are not pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Mlp (torch)", "train") from error

from hocket.models.relu_chain import ReluChain


class Mlp(nn.Module):
    """Two hidden layers of ``hidden`` units on the flattened observation.

    Args:
        inputs: elements of one observation.
        outputs: action values, or elements of a continuous action.
        hidden: units of each hidden layer.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        if min(inputs, outputs, hidden) < 1:
            raise ConfigurationError(f"inputs={inputs}, outputs={outputs}, hidden={hidden} must all be at least 1")
        self.trunk = ReluChain(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, outputs)

    def forward(self, observation: Tensor) -> Tensor:
        """``(batch, *observation shape)`` to ``(batch, outputs)``."""
        values: Tensor = self.head(self.trunk(observation.to(self.head.weight.dtype)))
        return values


def between(low: Any, high: Any) -> Callable[[Tensor], Any]:
    """A ``decide`` for `TorchPolicy`: outputs squashed by tanh into a bounded Box, of the Box's shape."""

    def decide(output: Tensor) -> Any:
        share = (torch.tanh(output.float()) + 1).cpu().numpy().reshape(low.shape) / 2
        return np.clip(low + share * (high - low), low, high)  # rounding may step over a bound

    return decide
