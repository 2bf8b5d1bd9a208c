"""The common part of DQN and Rainbow: options, and one gradient step from a batch to new weights.

An algorithm is a value; all state is in what is passed to it. It knows no replay, no process and no clock, only
networks that map ``(states)``, ``(states, pending)`` or ``(states, pending, newest, delays)`` to action values, such
as `hocket.models.qnetwork.QNetwork`.

How learners use it: `hocket.learn.algorithms.algorithm.Algorithm`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from hocket.errors import ConfigurationError, MissingExtraError
from hocket.learn.algorithms.algorithm import Algorithm, TargetSync, UpdateResult
from hocket.learn.algorithms.losses import Loss
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.algorithms.tensors import Tensors, Transitions, as_tensors

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error

_BETA = Linear(0.4, 1.0, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepQ(Algorithm):
    """Options of deep Q-learning; the unit of time is the agent's tick.

    Args:
        gamma: discount per tick, in (0, 1].
        learning_rate: of Adam.
        adam_epsilon: of Adam. The reference implementations on Atari and MinAtar use 1.5e-4 to 3.1e-4, not 1e-8: where
            rewards are rare, gradients are small, and steps of full size follow their noise.
        batch_size: transitions in one update.
        target_ticks: ticks between two copies of the online network to the target network, as the reference
            implementations count them (agent steps), however many updates there are between; see `PeriodicCopy`.
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
    adam_epsilon: float = 3.125e-4
    batch_size: int = 32
    target_ticks: int = 1000
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
        for name in ("batch_size", "target_ticks", "n_step"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be at least 1")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigurationError(f"alpha={self.alpha!r} must be from 0 to 1, or None for uniform sampling; try 0.5")

    @abstractmethod
    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]:
        """The loss, and each transition's expected target (B,)."""

    def target_sync(self) -> TargetSync:
        """See `PeriodicCopy`."""
        return PeriodicCopy(self.target_ticks)

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
        loss, targets = self.loss(online, target, as_tensors(batch, parameters[0].device))
        return self.descend(parameters, loss.value, errors=loss.errors, targets=targets, max_norm=self.max_grad_norm)

    def resample(self, network: nn.Module, generator: torch.Generator | None = None) -> None:
        """Draw new noise, if ``network`` is a noisy one."""
        resample = getattr(network, "resample_noise", None)
        if resample is not None:
            resample(generator)


class PeriodicCopy(TargetSync):
    """Copies an online network to a target network before the first update in each period of ``target_ticks`` ticks.

    Counted in the ticks of the training, which every learner is told and every checkpoint holds: the target is renewed
    as often with one update a tick as with one in a hundred, with many learners as with one, and after a resumption.

    Args:
        target_ticks: the length of a period; the first one begins at tick 0.
    """

    def __init__(self, target_ticks: int) -> None:
        self._target_ticks = target_ticks
        self._period = -1

    def before_update(self, online: nn.Module, target: nn.Module, tick: int, version: int) -> bool:
        """Copy ``online`` to ``target`` if no update was made in the period of ``tick`` yet; whether it was so."""
        period = tick // self._target_ticks
        if period == self._period:
            return False
        self._period = period
        target.load_state_dict(online.state_dict())
        return True
