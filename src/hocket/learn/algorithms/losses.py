"""Losses of deep Q-learning, as functions of tensors.

They know no network, no replay and no delay: a transition's reward is already Σγ^i·r and its discount already
γ^n, or 0 where the episode terminated. Gradients flow through the values of the taken actions and through nothing else.

Shapes: B transitions, A actions, N atoms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hocket.errors import MissingExtraError

try:
    import torch
    from torch import Tensor
    from torch.autograd.function import once_differentiable
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("Learning (torch)", "train") from error


class Loss(NamedTuple):
    """The value of a loss: the number to minimise, and each transition's error (B,), detached."""

    value: Tensor
    errors: Tensor


def taken(per_action: Tensor, actions: Tensor) -> Tensor:
    """The entries of the taken actions: (B, A, …) and (B,) to (B, …)."""
    if per_action.ndim == 2:  # the same as below, in half the time
        return per_action.gather(1, actions[:, None]).squeeze(1)
    return per_action[torch.arange(len(actions), device=actions.device), actions]


def td_targets(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, *, next_selector: Tensor | None = None
) -> Tensor:
    """``rewards + discounts · max over actions of next_values``, shape (B,).

    Args:
        rewards: (B,), Σγ^i·r over the transition's ticks.
        discounts: (B,), γ^n, 0 where terminated.
        next_values: (B, A), the target network's.
        next_selector: (B, A), the online network's values of the same states: these then choose the action and
            ``next_values`` only rates it (van Hasselt et al. 2016, *Double Q-learning*, equation 4).
    """
    chosen = (next_values if next_selector is None else next_selector).argmax(dim=1)
    # A terminated transition's next state means nothing, its value may be anything: 0 · inf would be NaN.
    future = torch.where(discounts == 0, 0.0, discounts * taken(next_values, chosen))
    return (rewards + future).detach()


def q_loss(values: Tensor, actions: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Loss:
    """Smooth-L1 between the taken actions' values and ``targets``, averaged with ``weights`` (Mnih et al. 2015).

    Args:
        values: (B, A), the online network's.
        actions: (B,), integers.
        targets: (B,), from `td_targets`.
        weights: (B,), importance weights of prioritised replay; all 1 by default. The sum is divided by B, not by
            their sum: they are meant to make rare updates smaller (Schaul et al. 2016, §3.4).

    Returns:
        the loss, and the temporal-difference errors ``targets − values``.
    """
    value, errors = _SmoothL1.apply(values, actions, targets, weights)  # type: ignore[no-untyped-call]
    return Loss(value, errors)


class _SmoothL1(torch.autograd.Function):
    """`q_loss` as one node of the graph: on small networks its parts take as long as the network."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, actions: Tensor, targets: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        predicted = taken(values, actions)
        errors = targets - predicted
        ctx.save_for_backward(values, actions, errors, weights)
        ctx.mark_non_differentiable(errors)
        return _mean(functional.smooth_l1_loss(predicted, targets, reduction="none"), weights), errors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        values, actions, errors, weights = ctx.saved_tensors
        slopes = errors.clamp(-1, 1)
        if weights is not None:
            slopes = slopes * weights
        slopes = slopes * (-of_loss / len(errors))
        return torch.zeros_like(values).scatter_(1, actions[:, None], slopes[:, None]), None, None, None


def margin_loss(values: Tensor, actions: Tensor, margin: float, *, weights: Tensor | None = None) -> Tensor:
    """By how much other actions come within ``margin`` of the taken ones, averaged with ``weights`` as in `q_loss`.

    ``max over a of (Q(a) + margin·[a ≠ taken]) − Q(taken)``: Hester et al. 2018, *Deep Q-learning from
    Demonstrations*, equation 2.

    Args:
        values: (B, A), the online network's.
        actions: (B,), the demonstrated ones.
        margin: in units of value.
        weights: (B,).
    """
    others = torch.full_like(values, margin).scatter_(1, actions[:, None], 0.0)
    each = (values + others).max(dim=1).values - taken(values, actions)
    return _mean(each, weights)


def project(probabilities: Tensor, rewards: Tensor, discounts: Tensor, support: Tensor) -> Tensor:
    """The distribution of ``reward + discount · Z`` brought back onto the support of Z, shape (B, N).

    Each shifted atom's mass goes to its two neighbours in proportion to nearness, and to the outermost atom from
    beyond the ends (Bellemare et al. 2017, *A Distributional Perspective*, equation 7, as it stands there: an atom's
    share is ``max(0, 1 − distance / spacing)``, which needs no special case where an atom is hit exactly).

    Args:
        probabilities: (B, N) of Z, rows summing to 1.
        rewards: (B,).
        discounts: (B,), γ^n, 0 where terminated.
        support: (N,), evenly spaced, ascending.
    """
    spacing = (support[-1] - support[0]) / (len(support) - 1)
    shifted = rewards[:, None] + discounts[:, None] * support
    shifted = shifted.clamp(support[0], support[-1])
    # shares[b, i, j]: how much of shifted atom j falls to atom i.
    shares = (1 - (shifted[:, None, :] - support[None, :, None]).abs() / spacing).clamp_(0, 1)
    return torch.bmm(shares, probabilities[:, :, None])[:, :, 0]


def expected_values(probabilities: Tensor, support: Tensor) -> Tensor:
    """Means of distributions: (…, N) and (N,) to (…)."""
    return probabilities @ support


def distribution_targets(
    rewards: Tensor,
    discounts: Tensor,
    next_probabilities: Tensor,
    support: Tensor,
    *,
    next_selector: Tensor | None = None,
) -> Tensor:
    """The projected distribution of each transition's target, (B, N); arguments as in `td_targets`.

    Args:
        rewards: (B,).
        discounts: (B,).
        next_probabilities: (B, A, N), the target network's.
        support: (N,).
        next_selector: (B, A), the online network's *expected values* of the same states.
    """
    selector = expected_values(next_probabilities, support) if next_selector is None else next_selector
    chosen = taken(next_probabilities, selector.argmax(dim=1))
    return project(chosen, rewards, discounts, support).detach()


def distribution_loss(
    log_probabilities: Tensor, actions: Tensor, targets: Tensor, *, weights: Tensor | None = None
) -> Loss:
    """Cross-entropy of the taken actions' distributions to ``targets``, averaged with ``weights`` as in `q_loss`.

    Args:
        log_probabilities: (B, A, N), the online network's.
        actions: (B,), integers.
        targets: (B, N), from `distribution_targets`.
        weights: (B,).

    Returns:
        the loss, and each transition's Kullback-Leibler divergence: the cross-entropy without the target's own
        entropy, which no learning removes. Rainbow's priorities (Hessel et al. 2018).
    """
    each = -(targets * taken(log_probabilities, actions)).sum(dim=1)
    entropy = -torch.special.xlogy(targets, targets).sum(dim=1)
    return Loss(_mean(each, weights), (each - entropy).clamp(min=0).detach())


def _mean(each: Tensor, weights: Tensor | None) -> Tensor:
    return each.mean() if weights is None else (each * weights).mean()
