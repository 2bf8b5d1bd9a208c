"""The common part of DQN and Rainbow: options, and one gradient step from a batch to new weights.

An algorithm is a value; all state is in what is passed to it. It knows no replay, no process and no clock, only
networks that map ``(states)``, ``(states, pending)`` or ``(states, pending, newest, delays)`` to action values, such
as `hocket.models.qnetwork.QNetwork`.

`DeepQ.update` is one whole step. Learners that compute a gradient on a snapshot and apply it elsewhere use its parts:
`DeepQ.gradients`, then the optimiser's ``step``, then `DeepQ.adapt`.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, DivergenceError, MissingExtraError
from hocket.learn.algorithms.losses import Loss
from hocket.learn.algorithms.schedules import Linear

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error

from hocket.learn.algorithms.adam import QuickAdam

Network = TypeVar("Network", bound=nn.Module)


_BETA = Linear(0.4, 1.0, 100_000)


class Transitions(Protocol):
    """The fields of a batch that an update reads, such as those of `hocket.learn.replay.assembly.Batch`.

    Arrays with B rows each.
    """

    @property
    def states(self) -> NDArray[Any]: ...
    @property
    def actions(self) -> NDArray[np.int64]: ...
    @property
    def rewards(self) -> NDArray[np.float32]: ...
    @property
    def discounts(self) -> NDArray[np.float32]: ...
    @property
    def next_states(self) -> NDArray[Any]: ...
    @property
    def pending(self) -> NDArray[np.int64]: ...
    @property
    def next_pending(self) -> NDArray[np.int64]: ...
    @property
    def newest(self) -> NDArray[Any]: ...
    @property
    def next_newest(self) -> NDArray[Any]: ...
    @property
    def delays(self) -> NDArray[np.int64]: ...
    @property
    def next_delays(self) -> NDArray[np.int64]: ...
    @property
    def weights(self) -> NDArray[np.float32]: ...


class Tensors(NamedTuple):
    """A batch on the network's device. ``inputs`` and ``next_inputs`` are what a network is called with."""

    inputs: tuple[Tensor, ...]
    actions: Tensor
    rewards: Tensor
    discounts: Tensor
    next_inputs: tuple[Tensor, ...]
    weights: Tensor


class Derived(NamedTuple):
    """A loss whose gradient lies in the parameters: its value, each transition's error and its expected target."""

    loss: float
    errors: NDArray[np.float32]
    targets: NDArray[np.float32]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepQ(ABC):
    """Options of deep Q-learning; units of time are ticks and updates.

    Args:
        gamma: discount per tick, in (0, 1].
        learning_rate: of Adam.
        adam_epsilon: of Adam.
        batch_size: transitions in one update.
        target_every: updates between two copies of the online network to the target network.
        max_grad_norm: gradients are scaled down to this global norm if theirs is larger.
        n_step: decisions that one sample spans; more where the policy is not told what it has done since (see
            `hocket.learn.replay.transitions`).
        double: the online network chooses the next action, the target network rates it.
        dueling: an option of the network, read where it is built.
        noisy: likewise; a noisy network explores without ε.
        alpha: how much priorities matter in the replay; None samples uniformly.
        beta: how much of the bias by priorities the weights take back; used if ``alpha`` is not None.
        bfloat16: run trunks in bfloat16, for processors that have it (`hocket.models.qnetwork.QNetwork.for_learning`).
    """

    gamma: float = 0.99
    learning_rate: float = 1e-3
    adam_epsilon: float = 1e-8
    batch_size: int = 32
    target_every: int = 10_000
    max_grad_norm: float = 10.0
    n_step: int = 1
    double: bool = True
    dueling: bool = False
    noisy: bool = False
    alpha: float | None = None
    beta: Linear = _BETA
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ConfigurationError(f"gamma={self.gamma!r} must be in (0, 1]; try 0.99")
        for name in ("learning_rate", "adam_epsilon", "max_grad_norm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name}={value!r} must be a finite number greater than 0")
        for name in ("batch_size", "target_every", "n_step"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be at least 1")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigurationError(f"alpha={self.alpha!r} must be from 0 to 1, or None for uniform sampling; try 0.5")

    @abstractmethod
    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]:
        """The loss, and each transition's expected target (B,)."""

    def derive(self, online: nn.Module, target: nn.Module, batch: Tensors) -> Derived | None:
        """As `loss`, with the gradient written into ``online``'s parameters, by hand and without autograd.

        None where the algorithm or the networks have no such way.
        """
        return None

    def target_of(self, online: Network) -> Network:
        """A copy of ``online`` that nothing is learned by."""
        return copy.deepcopy(online).requires_grad_(False)

    def sync_target(self, online: nn.Module, target: nn.Module, updates: int) -> bool:
        """Copy ``online`` to ``target`` if this was the ``updates``-th update and it is time; whether it was."""
        due = updates > 0 and updates % self.target_every == 0
        if due:
            target.load_state_dict(online.state_dict())
        return due

    def optimizer(self, online: nn.Module) -> torch.optim.Adam:
        """Adam over ``online``, with torch's fused step."""
        return QuickAdam(online.parameters(), lr=self.learning_rate, eps=self.adam_epsilon)

    def gradients(
        self, online: nn.Module, target: nn.Module, batch: Transitions, *, generator: torch.Generator | None = None
    ) -> UpdateResult:
        """Put the clipped gradient of one batch into ``online``'s parameters, in the memory of any that is there.

        Args:
            online: the network that learns.
            target: the network that rates next states.
            batch: B transitions.
            generator: of the noise of noisy networks; torch's own by default.

        Raises:
            DivergenceError: if the loss or the gradient is not finite.
        """
        for network in (online, target):
            self.resample(network, generator)
        parameters = list(online.parameters())  # once: small networks are learned as fast as Python walks them
        tensors = as_tensors(batch, parameters[0].device)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        derived = self.derive(online, target, tensors)
        if derived is None:
            derived = self._derive_by_autograd(online, target, tensors, parameters)
        elif not math.isfinite(derived.loss):
            _forget_gradients(parameters)
            raise DivergenceError(self._advice("loss", derived.loss))
        norm = _clip(parameters, self.max_grad_norm)
        if not math.isfinite(norm):
            _forget_gradients(parameters)
            raise DivergenceError(self._advice("gradient norm", norm))
        return UpdateResult(
            loss=derived.loss,
            errors=derived.errors,
            grad_norm=norm,
            target_low=float(derived.targets.min()),
            target_high=float(derived.targets.max()),
        )

    def _derive_by_autograd(
        self, online: nn.Module, target: nn.Module, batch: Tensors, parameters: list[nn.Parameter]
    ) -> Derived:
        loss, targets = self.loss(online, target, batch)
        value = loss.value.item()
        if not math.isfinite(value):
            _forget_gradients(parameters)
            raise DivergenceError(self._advice("loss", value))
        torch._foreach_zero_([parameter.grad for parameter in parameters if parameter.grad is not None])
        loss.value.backward()  # type: ignore[no-untyped-call]
        return Derived(loss=value, errors=loss.errors.cpu().numpy(), targets=targets.cpu().numpy())

    def resample(self, network: nn.Module, generator: torch.Generator | None = None) -> None:
        """Draw new noise, if ``network`` is a noisy one."""
        resample = getattr(network, "resample_noise", None)
        if resample is not None:
            resample(generator)

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
        """One step on one batch: `gradients`, the optimiser's step, `adapt`.

        Raises:
            DivergenceError: as `gradients`.
        """
        result = self.gradients(online, target, batch, generator=generator)
        optimizer.step()
        self.adapt(online, target, result)
        return result

    def _advice(self, what: str, value: float) -> str:
        return (
            f"the {what} of an update is {value}; only finite ones can be learned from; look for rewards or "
            f"observations that are not finite, else try a learning rate below {self.learning_rate:g}"
        )


class ByHand(Protocol):
    """The values and gradients of a network without autograd, such as `hocket.models.hand_derived.HandDerived`."""

    def values(self, *inputs: Tensor, keep: bool = False) -> Tensor:
        """As the network, called with ``inputs``; with ``keep`` for a `differentiate` that follows."""

    def differentiate(self, slopes: Tensor) -> None:
        """Write the gradients into the parameters' ``grad``, ``slopes`` being those of the values."""


def derived_by_hand(network: nn.Module) -> ByHand | None:
    """That of ``network``, if it has one."""
    by_hand = getattr(network, "by_hand", None)
    made: ByHand | None = None if by_hand is None else by_hand()
    return made


def _forget_gradients(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None


def _clip(parameters: list[nn.Parameter], max_norm: float) -> float:
    """As `torch.nn.utils.clip_grad_norm_`, to the last bit, in half the time; the norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    value: float = norm.item()
    if value + 1e-6 > max_norm:
        torch._foreach_mul_(gradients, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return value


def as_tensors(batch: Transitions, device: torch.device) -> Tensors:
    """``batch`` on ``device``; on a CPU in the arrays' own memory."""

    def inputs(
        states: NDArray[Any], pending: NDArray[np.int64], newest: NDArray[Any], delays: NDArray[np.int64]
    ) -> tuple[Tensor, ...]:
        # A network that was made for no pending actions or newest observations need not know of any.
        if newest.size:
            return tensor(states), tensor(pending), tensor(newest), tensor(delays)
        return (tensor(states), tensor(pending)) if pending.size else (tensor(states),)

    def tensor(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)

    return Tensors(
        inputs(batch.states, batch.pending, batch.newest, batch.delays),
        tensor(batch.actions),
        tensor(batch.rewards),
        tensor(batch.discounts),
        inputs(batch.next_states, batch.next_pending, batch.next_newest, batch.next_delays),
        tensor(batch.weights),
    )
