"""The gradient of a small Q-network, written out by hand.

On networks of a hundred thousand weights, building and walking the autograd graph takes as long as the arithmetic.
Where a `QNetwork` consists of `ReluChain` parts and a plain head, its gradient is a dozen matrix products.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hocket.models.heads import Head, ValueHead
from hocket.models.relu_chain import Buffers, ReluChain

_BACK = torch.ops.aten.threshold_backward


class HandDerived:
    """Values and gradients of a Q-network, equal to autograd's to rounding, of float32 on a CPU. For one thread.

    Args:
        trunk, head, newest, pending: of the `hocket.models.qnetwork.QNetwork`; parts that `accepts` allows.
        scaled: its method of this name.
    """

    def __init__(
        self,
        trunk: nn.Module,
        head: Head,
        newest: nn.Module | None,
        *,
        pending: int,
        scaled: Callable[[Tensor], Tensor],
    ) -> None:
        assert isinstance(trunk, ReluChain) and (newest is None or isinstance(newest, ReluChain))
        self._trunk, self._newest, self._pending, self._scaled = trunk, newest, pending, scaled
        self._unknown = head.actions
        self._linear = [layer for layer in head.advantage if isinstance(layer, nn.Linear)]
        self._kept: tuple[Tensor, Buffers, Tensor | None, Buffers | None, list[Tensor], Tensor | None] | None = None

    @staticmethod
    def accepts(trunk: nn.Module, head: Head, newest: nn.Module | None) -> bool:
        """True if chains surround a head of linear layers."""
        chains = type(trunk) is ReluChain and (newest is None or type(newest) is ReluChain)
        plain = type(head) is ValueHead and head.value is None
        return chains and plain and all(type(layer) in (nn.Linear, nn.ReLU) for layer in head.advantage)

    def suits(self) -> bool:
        """True if the weights are float32 on a CPU."""
        weight = self._linear[0].weight
        return weight.dtype == torch.float32 and weight.device.type == "cpu"

    @torch.no_grad()
    def values(
        self,
        observation: Tensor,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
        *,
        keep: bool = False,
    ) -> Tensor:
        """As ``network(…)``, without autograd; with ``keep`` for a `differentiate` that follows."""
        features, buffers = self._trunk.keep(self._scaled(observation))
        parts, encoded, of_newest, told = [features], None, None, None
        if self._pending:
            assert pending is not None
            parts.append(functional.one_hot(pending.long(), self._unknown + 1).flatten(1).float())
        if self._newest is not None:
            assert newest is not None and delays is not None
            told = (delays > 0).unsqueeze(1).float()
            parts[0] = features * told
            parts.append(functional.one_hot(delays.long().clamp(max=self._pending + 2), self._pending + 3).float())
            encoded, of_newest = self._newest.keep(self._scaled(newest))
            parts.append(encoded)
        inputs = [features if len(parts) == 1 else torch.cat(parts, 1)]
        for layer in self._linear[:-1]:
            inputs.append(torch.addmm(layer.bias, inputs[-1], layer.weight.t()).relu_())
        last = self._linear[-1]
        out = torch.addmm(last.bias, inputs[-1], last.weight.t())
        if keep:
            self._kept = features, buffers, encoded, of_newest, inputs, told
        else:
            self._trunk.release(buffers)
            if self._newest is not None and of_newest is not None:
                self._newest.release(of_newest)
        return out

    @torch.no_grad()
    def differentiate(self, slopes: Tensor) -> None:
        """Write the gradients into the parameters' ``grad``, which must be there; ``slopes`` are the values' own."""
        assert self._kept is not None
        features, buffers, encoded, of_newest, inputs, told = self._kept
        self._kept = None
        gradient = slopes
        for number in reversed(range(len(self._linear))):
            layer = self._linear[number]
            assert layer.weight.grad is not None and layer.bias.grad is not None
            torch.mm(gradient.t(), inputs[number], out=layer.weight.grad)
            torch.sum(gradient, 0, out=layer.bias.grad)
            gradient = gradient @ layer.weight
            if number:
                gradient = _BACK(gradient, inputs[number], 0)
        if self._newest is not None and encoded is not None and of_newest is not None:
            self._newest.differentiate(encoded, of_newest, gradient[:, -encoded.shape[1] :])
        of_features = gradient[:, : features.shape[1]]
        self._trunk.differentiate(features, buffers, of_features if told is None else of_features * told)
