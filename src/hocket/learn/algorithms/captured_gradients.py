"""Gradients of deep Q-learning as a CUDA graph: one transfer, one launch and one result for each batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from hocket.errors import DivergenceError
from hocket.learn.algorithms.algorithm import UpdateResult
from hocket.learn.algorithms.cuda_graphs import Call, Captured, cuda_graph
from hocket.learn.algorithms.losses import Loss
from hocket.learn.algorithms.tensors import Tensors, Transitions, arrays_of
from hocket.policies.devices import device_of

FIGURES = 4
"""Loss, norm, lowest and highest target: the first entries of a result, before the errors."""


class LossFunction(Protocol):
    """The part of `hocket.learn.algorithms.deep_q.DeepQ` that is needed."""

    @property
    def max_grad_norm(self) -> float: ...
    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]: ...
    def divergence(self, what: str, value: float) -> DivergenceError: ...


class CapturedGradients:
    """`Algorithm.gradients` for one pair of networks, to rounding.

    Args:
        algorithm: whose loss it is.
        online, target: on one GPU, without noisy layers. Their weights are changed by copying into them, not replaced.
        capture: see `Captured`.
    """

    def __init__(
        self,
        algorithm: LossFunction,
        online: nn.Module,
        target: nn.Module,
        *,
        capture: Callable[[Call], Call] = cuda_graph,
    ) -> None:
        self._algorithm, self._online, self._target = algorithm, online, target
        self._parameters = list(online.parameters())
        self._gradients = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._captured = Captured(self._compute, device_of(online), capture=capture)

    def __call__(self, batch: Transitions, *, generator: torch.Generator | None = None) -> UpdateResult:
        """See `Algorithm.gradients`. Nothing is drawn from ``generator``: layers have no noise."""
        algorithm = self._algorithm
        wanted = [parameter.grad for parameter in self._parameters]
        result = self._captured(*arrays_of(batch))
        loss, norm, low, high = result[:FIGURES].tolist()
        if not math.isfinite(loss):
            raise algorithm.divergence("loss", loss)
        if not math.isfinite(norm):
            raise algorithm.divergence("gradient norm", norm)
        into = []
        for parameter, gradient, given in zip(self._parameters, self._gradients, wanted, strict=True):
            parameter.grad = gradient if given is None else given
            into.append(parameter.grad)
        if any(given is not gradient for given, gradient in zip(into, self._gradients, strict=True)):
            torch._foreach_copy_(into, self._gradients)
        errors = result[FIGURES:].numpy()
        return UpdateResult(loss=loss, errors=errors, grad_norm=norm, target_low=low, target_high=high)

    def _compute(self, *inputs: Tensor) -> Tensor:
        """The clipped gradient into its place, and the figures of the update."""
        torch._foreach_zero_(self._gradients)
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        loss, targets = self._algorithm.loss(self._online, self._target, Tensors.of(inputs))
        loss.value.backward()  # type: ignore[no-untyped-call]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients)))
        torch._foreach_mul_(self._gradients, torch.clamp(self._algorithm.max_grad_norm / (norm + 1e-6), max=1.0))
        return torch.cat([torch.stack([loss.value.detach(), norm, *targets.aminmax()]), loss.errors])
