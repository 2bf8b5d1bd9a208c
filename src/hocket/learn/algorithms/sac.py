"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905): twin critics, a tuned temperature, a squashed Gaussian.

With ``undelayed_critic`` the critics learn on what happened, the actor on what it knew: *Belief-Projection-Based
Q-Learning* (Kim et al. 2023, *BPQL*). A delayed actor's transition runs from one observation that it decided on to the
next; the same decision's undelayed transition runs from the observation that was the newest when the action was
executed. Its critics need no pending actions: with one decision a tick these are the environment's own transitions. The
next action is the delayed actor's, computed from what it will know.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, cast

from hocket.errors import ConfigurationError, MissingExtraError
from hocket.learn.algorithms.algorithm import Algorithm, TargetSync, UpdateResult
from hocket.learn.algorithms.entropy_losses import actor_loss, critics_loss, soft_targets, temperature_loss
from hocket.learn.algorithms.tensors import Transitions, as_tensor, as_tensors

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error


class ActorCriticNetwork(Protocol):
    """The part of a network that SAC uses, such as that of `hocket.models.actor_and_critics.ActorCritic`.

    Attributes:
        critics: ``(actions, observations[, pending[, newest, delays]])`` to values (2, B).
        log_temperature: (1,), learned.
    """

    critics: nn.Module
    log_temperature: nn.Parameter

    def __call__(self, *inputs: Tensor) -> Tensor: ...
    def sample(self, parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]: ...
    def scaled(self, actions: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SAC(Algorithm):
    """Options of soft actor-critic, with the published defaults; the unit of time is the agent's tick.

    Actor, critics and temperature are updated together, each by the gradient of its loss at the weights that the update
    begins with.

    Args:
        gamma: discount per tick, in (0, 1].
        learning_rate: of Adam, for actor, critics and temperature.
        adam_epsilon: of Adam.
        batch_size: transitions in one update.
        tau: how far the target critics follow the critics at each update, in (0, 1].
        n_step: decisions that one sample spans.
        temperature: the weight of the entropy; None tunes it, beginning with 1.
        target_entropy: of the actor's distributions over actions scaled to −1 … 1, for the tuning; None: minus the
            number of an action's elements.
        undelayed_critic: critics learn from the observations that were newest when the actions were executed. The
            network's critics then take no pending actions.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    gamma: float = 0.99
    learning_rate: float = 3e-4
    adam_epsilon: float = 1e-8
    batch_size: int = 256
    tau: float = 0.005
    n_step: int = 1
    temperature: float | None = None
    target_entropy: float | None = None
    undelayed_critic: bool = False

    update_every_ticks: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in ("gamma", "tau"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be in (0, 1]; try the default")
        for name in ("learning_rate", "adam_epsilon"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name}={value!r} must be a finite number greater than 0")
        for name in ("batch_size", "n_step"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be at least 1")
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise ConfigurationError(f"temperature={self.temperature!r} must be a finite number from 0, or None")
        if self.target_entropy is not None:
            if self.temperature is not None:
                raise ConfigurationError(
                    f"target_entropy={self.target_entropy!r} tunes the temperature, and temperature="
                    f"{self.temperature!r} fixes it; leave one of them out"
                )
            if not math.isfinite(self.target_entropy):
                raise ConfigurationError(f"target_entropy={self.target_entropy!r} must be a finite number, or None")

    @property
    def needs_present(self) -> bool:
        """See `Algorithm`."""
        return self.undelayed_critic

    def target_of(self, online: nn.Module) -> nn.Module:
        """A copy of the critics of ``online`` that nothing is learned by."""
        return copy.deepcopy(cast(ActorCriticNetwork, online).critics).requires_grad_(False)

    def temperature_of(self, online: nn.Module) -> float:
        """See `Algorithm`."""
        if self.temperature is not None:
            return self.temperature
        return math.exp(cast(ActorCriticNetwork, online).log_temperature.item())

    def target_sync(self) -> TargetSync:
        """See `MovingAverage`."""
        return MovingAverage(self.tau)

    def gradients(
        self, online: nn.Module, target: nn.Module, batch: Transitions, *, generator: torch.Generator | None = None
    ) -> UpdateResult:
        """Put the gradients of one batch into ``online``'s parameters, in the memory of any that are there.

        Args:
            online: such as `hocket.models.actor_and_critics.ActorCritic`.
            target: its target critics.
            batch: B transitions.
            generator: of the actions' noise; torch's own by default.

        Raises:
            DivergenceError: if a loss or the gradient is not finite.
        """
        parameters = list(online.parameters())
        losses = self.losses(online, target, batch, generator=generator)
        # Each of them depends on weights that no other one does: one backward pass gives the gradients of all.
        total = losses.critics + losses.actor + losses.temperature
        return self.descend(parameters, total, errors=losses.errors, targets=losses.targets, shown=losses.critics)

    def losses(
        self, online: nn.Module, target: nn.Module, batch: Transitions, *, generator: torch.Generator | None = None
    ) -> SACLosses:
        """The losses of one batch; arguments as of `gradients`."""
        network = cast(ActorCriticNetwork, online)
        weights, log_temperature = list(network.critics.parameters()), network.log_temperature
        device = log_temperature.device

        told = as_tensors(batch, device)
        seen, next_seen = told.inputs, told.next_inputs
        rated, next_rated = seen, next_seen
        if self.undelayed_critic:
            rated, next_rated = (as_tensor(batch.present, device),), (as_tensor(batch.next_present, device),)
        taken = network.scaled(told.actions)
        noise = torch.randn((2, *taken.shape), generator=generator).to(device)
        if self.temperature is None:
            temperature = log_temperature.detach().exp()
        else:
            temperature = torch.tensor(self.temperature, device=device)
        with torch.no_grad():
            next_actions, next_densities = network.sample(network(*next_seen), noise[1])
            targets = soft_targets(
                told.rewards,
                told.discounts,
                target(next_actions, *next_rated),
                next_densities,
                temperature,
            )
        actions, densities = network.sample(network(*seen), noise[0])
        for weight in weights:  # the actor's loss teaches the actor, not the critics
            weight.requires_grad_(False)
        actors = actor_loss(network.critics(actions, *rated), densities, temperature)
        for weight in weights:
            weight.requires_grad_(True)
        critics = critics_loss(network.critics(taken, *rated), targets)
        tuned = torch.zeros((), device=device)
        if self.temperature is None:
            entropy = -taken.shape[1] if self.target_entropy is None else self.target_entropy
            tuned = temperature_loss(log_temperature, densities, entropy)
        return SACLosses(critics=critics.value, actor=actors, temperature=tuned, targets=targets, errors=critics.errors)


class SACLosses(NamedTuple):
    """The losses of `SAC` on one batch. ``targets`` and ``errors`` (B,) are those of the critics."""

    critics: Tensor
    actor: Tensor
    temperature: Tensor
    targets: Tensor
    errors: Tensor


class MovingAverage(TargetSync):
    """The target critics are a moving average of the critics' versions: ``tau`` of the way at each of them.

    Where other learners have made versions since this learner's last update, it goes as much further at once.

    Args:
        tau: in (0, 1].
    """

    def __init__(self, tau: float) -> None:
        self._tau = tau
        self._version = -1

    def before_update(self, online: nn.Module, target: nn.Module, tick: int, version: int) -> bool:
        """See `TargetSync`."""
        critics, before = cast(ActorCriticNetwork, online).critics, self._version
        self._version = version
        if before < 0:
            target.load_state_dict(critics.state_dict())
        elif version > before:
            share = 1 - (1 - self._tau) ** (version - before)
            with torch.no_grad():
                torch._foreach_lerp_(list(target.parameters()), list(critics.parameters()), share)
        return before < version
