"""The common part of learning algorithms: what learners, checkpoints and both clocks need of one.

An algorithm is a value; all state is in what is passed to it: networks, an optimiser, batches. It knows no replay, no
process and no clock.

`Algorithm.update` is one whole step. Learners that compute a gradient on a snapshot and apply it elsewhere use its
parts: `Algorithm.gradients`, then the optimiser's ``step``, then `Algorithm.adapt`. A `TargetSync` renews the target
network before updates.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hocket.errors import DivergenceError, MissingExtraError
from hocket.learn.algorithms.schedules import Linear, constant

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error

from hocket.learn.algorithms.adam import QuickAdam
from hocket.learn.algorithms.tensors import Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """The figures of one update.

    Attributes:
        loss: before the step.
        errors: (B,), what prioritised replay takes: TD errors, or divergences where returns are distributions.
        grad_norm: of all gradients together, before clipping.
        target_low, target_high: the least and the largest expected target in the batch.
    """

    loss: float
    errors: NDArray[np.float32]
    grad_norm: float
    target_low: float
    target_high: float


class TargetSync(ABC):
    """Renews the target network of one learner, before its updates. Picklable: it is part of a training's state."""

    @abstractmethod
    def before_update(self, online: nn.Module, target: nn.Module, tick: int, version: int) -> bool:
        """Bring ``target`` to where it must be for an update of ``online``; whether it has moved.

        Args:
            online, target: as of `Algorithm.gradients`.
            tick: of the training.
            version: how many updates ``online`` has had, this learner's and others'.
        """


class Algorithm(ABC):
    """A learning algorithm. Its options are attributes; a subclass is a frozen dataclass of them.

    Attributes:
        gamma: discount per tick, in (0, 1].
        learning_rate: of Adam.
        adam_epsilon: of Adam.
        batch_size: transitions in one update.
        n_step: transitions that one sample spans.
        alpha: how much priorities matter in the replay; None samples uniformly.
        beta: how much of the bias by priorities the weights take back; used if ``alpha`` is not None.
        noisy: True if the network explores by noise of its own.
        update_every_ticks: the usual number of ticks between two updates.
    """

    __slots__ = ()

    gamma: float
    learning_rate: float
    adam_epsilon: float
    batch_size: int
    n_step: int
    alpha: float | None = None
    beta: Linear = constant(1.0)
    noisy: bool = False
    update_every_ticks: ClassVar[int] = 4

    @property
    def needs_present(self) -> bool:
        """True if it learns from the observations that were newest when the actions were executed.

        See `hocket.learn.replay.assembly.Batch.present`.
        """
        return False

    @abstractmethod
    def gradients(
        self, online: nn.Module, target: nn.Module, batch: Transitions, *, generator: torch.Generator | None = None
    ) -> UpdateResult:
        """Put the gradient of one batch into ``online``'s parameters, in the memory of any that is there.

        Args:
            online: the network that learns.
            target: from `target_of`.
            batch: B transitions.
            generator: of random numbers; torch's own by default.

        Raises:
            DivergenceError: if the loss or the gradient is not finite.
        """

    def gradients_of(self, online: nn.Module, target: nn.Module) -> Callable[..., UpdateResult]:
        """`gradients` of one pair of networks, for as long as their weights are changed in place."""
        return partial(self.gradients, online, target)

    @abstractmethod
    def target_sync(self) -> TargetSync:
        """The synchronisation of one learner's target network."""

    def target_of(self, online: nn.Module) -> nn.Module:
        """A network that nothing is learned by: a copy of ``online``, or of the part that rates next states."""
        return copy.deepcopy(online).requires_grad_(False)

    def temperature_of(self, online: nn.Module) -> float:
        """The weight of the entropy, in algorithms that have one; else NaN."""
        return math.nan

    def optimizer(self, online: nn.Module) -> torch.optim.Adam:
        """Adam over ``online``, with torch's fused step."""
        return QuickAdam(online.parameters(), lr=self.learning_rate, eps=self.adam_epsilon)

    def adapt(self, online: nn.Module, target: nn.Module, result: UpdateResult) -> bool:
        """Change, in place, what the networks can express if ``result`` says that they must; whether they did."""
        return False

    def align(self, online: nn.Module, target: nn.Module) -> bool:
        """Change ``target``, in place, if ``online`` can express more since it was copied; whether it did.

        For learners that share weights: another one may have changed them by `adapt`, this one's target it has not.
        """
        return False

    def update(
        self,
        online: nn.Module,
        target: nn.Module,
        optimizer: torch.optim.Optimizer,
        batch: Transitions,
        *,
        generator: torch.Generator | None = None,
    ) -> UpdateResult:
        """One step on one batch: `gradients`, the optimiser's step, `adapt`. The target network stays as it is.

        Raises:
            DivergenceError: as `gradients`.
        """
        result = self.gradients(online, target, batch, generator=generator)
        optimizer.step()
        self.adapt(online, target, result)
        return result

    def descend(
        self,
        parameters: list[nn.Parameter],
        total: Tensor,
        *,
        errors: Tensor,
        targets: Tensor,
        max_norm: float = math.inf,
        shown: Tensor | None = None,
    ) -> UpdateResult:
        """Put the gradient of ``total`` into ``parameters``, clipped, in the memory of any that is there.

        Args:
            parameters: all that learn.
            total: the loss.
            errors: (B,) of the transitions.
            targets: (B,) expected targets.
            max_norm: gradients are scaled down to this global norm if theirs is larger.
            shown: the loss in the result, if it is not ``total``.

        Raises:
            DivergenceError: if the loss or the gradient is not finite.
        """
        value = total.item()
        if not math.isfinite(value):
            raise self.divergence("loss", value)
        present = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if present:
            torch._foreach_zero_(present)
        total.backward()  # type: ignore[no-untyped-call]
        norm = _clip(parameters, max_norm)
        if not math.isfinite(norm):
            for parameter in parameters:
                parameter.grad = None
            raise self.divergence("gradient norm", norm)
        low, high = targets.aminmax()
        return UpdateResult(
            loss=value if shown is None else shown.item(),
            errors=errors.cpu().numpy(),
            grad_norm=norm,
            target_low=low.item(),
            target_high=high.item(),
        )

    def with_batch(self, batch_size: int) -> Self:
        """The same algorithm with another ``batch_size``."""
        options: Any = self
        changed: Self = replace(options, batch_size=batch_size)
        return changed

    def divergence(self, what: str, value: float) -> DivergenceError:
        """The error of an update whose ``what`` is ``value``."""
        return DivergenceError(
            f"the {what} of an update is {value}; only finite ones can be learned from; look for rewards or "
            f"observations that are not finite, else try a learning rate below {self.learning_rate:g}"
        )


def _clip(parameters: list[nn.Parameter], max_norm: float) -> float:
    """As `torch.nn.utils.clip_grad_norm_`, to the last bit, in half the time; the norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    value: float = norm.item()
    if value + 1e-6 > max_norm:
        torch._foreach_mul_(gradients, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return value
