"""Losses of soft actor-critic, as functions of tensors.

They know no network, no replay and no delay: a transition's reward is already Σγ^i·r and its discount already γ^n, or 0
where the episode terminated. α is the temperature, the weight of the entropy.

Shapes: B transitions. Source: Haarnoja et al. 2018, *Soft Actor-Critic Algorithms and Applications* (arXiv:1812.05905).
"""

from __future__ import annotations

from hocket.errors import MissingExtraError
from hocket.learn.algorithms.losses import Loss

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error


def soft_targets(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, next_log_densities: Tensor, temperature: Tensor
) -> Tensor:
    """``rewards + discounts · (min over critics of next_values − α · next_log_densities)``, shape (B,): equation 3.

    Args:
        rewards: (B,), Σγ^i·r over the transition's ticks.
        discounts: (B,), γ^n, 0 where terminated.
        next_values: (2, B), of the target critics, for actions that the actor draws in the next states.
        next_log_densities: (B,), of these actions.
        temperature: α.
    """
    soft = next_values.amin(dim=0) - temperature * next_log_densities
    # A terminated transition's next state means nothing, its value may be anything: 0 · inf would be NaN.
    return (rewards + torch.where(discounts == 0, 0.0, discounts * soft)).detach()


def critics_loss(values: Tensor, targets: Tensor) -> Loss:
    """Half the mean squared error of each critic, added up: equation 5.

    Args:
        values: (2, B), of the actions taken.
        targets: (B,), from `soft_targets`.

    Returns:
        the loss, and each transition's temporal-difference error, the mean of both critics'.
    """
    errors = targets - values
    return Loss(0.5 * errors.square().mean(dim=1).sum(), errors.detach().mean(dim=0))


def actor_loss(values: Tensor, log_densities: Tensor, temperature: Tensor) -> Tensor:
    """``mean of α · log_densities − min over critics of values``: equation 9.

    Args:
        values: (2, B), of actions that the actor draws, as functions of its weights.
        log_densities: (B,), of these actions.
        temperature: α.
    """
    return (temperature * log_densities - values.amin(dim=0)).mean()


def temperature_loss(log_temperature: Tensor, log_densities: Tensor, target_entropy: float) -> Tensor:
    """``−log α · mean of (log_densities + target_entropy)``: raises α while the entropy is below its target.

    Equation 18 with log α in place of α, as in the authors' code.

    Args:
        log_temperature: (1,).
        log_densities: (B,), of actions that the actor draws.
        target_entropy: of the actor's distributions.
    """
    return -(log_temperature * (log_densities.detach().mean() + target_entropy)).sum()
