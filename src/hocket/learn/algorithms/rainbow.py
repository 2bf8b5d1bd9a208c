"""Rainbow (Hessel et al. 2018): distributions of returns, double, dueling, noisy, prioritised, n-step.

n-step returns and priorities are the replay's work, dueling and noise the network's; this file has the loss on
distributions and sees to it that their support holds the environment's returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.algorithm import UpdateResult
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.losses import Loss, distribution_loss, distribution_targets, expected_values, taken
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.algorithms.tensors import Tensors
from hocket.learn.algorithms.value_support import Support

_BETA = Linear(0.6, 1.0, 100_000)
_MARGIN = 1 / 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rainbow(DeepQ):
    """Cross-entropy between categorical distributions of returns. Options as `DeepQ`, with Rainbow's own defaults.

    ``target_ticks`` as Obando-Ceron & Castro 2021, *Revisiting Rainbow*, on small problems; on Atari at frame skip 4
    Hessel et al. have 8,000 agent steps.

    Args:
        atoms: an option of the network, read where it is built.
        grow: widen the support as soon as a transition's expected target comes within a twentieth of its range of an
            end: returns spread around what is expected. Otherwise what lies beyond is counted as the end.
    """

    adam_epsilon: float = 1.5e-4
    n_step: int = 3
    dueling: bool = True
    noisy: bool = True
    alpha: float | None = 0.2
    beta: Linear = _BETA
    atoms: int = 51
    grow: bool = True

    def __post_init__(self) -> None:
        DeepQ.__post_init__(self)
        if self.atoms < 2:
            raise ConfigurationError(f"atoms={self.atoms!r} must be at least 2; try 51")

    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]:
        """See `distribution_targets` and `distribution_loss`.

        The networks need ``log_probabilities`` and ``head.support``, as `hocket.models.qnetwork.QNetwork` has them.
        """
        learning, rating = _distributional(online), _distributional(target)
        support = rating.head.support
        with torch.no_grad():
            probabilities = rating.log_probabilities(*batch.next_inputs).exp()
            values = expected_values(probabilities, support)
            selector = online(*batch.next_inputs) if self.double else values
            targets = distribution_targets(
                batch.rewards, batch.discounts, probabilities, support, next_selector=selector
            )
            means = batch.rewards + batch.discounts * taken(values, selector.argmax(dim=1))
        log_probabilities = learning.log_probabilities(*batch.inputs)
        return distribution_loss(log_probabilities, batch.actions, targets, weights=batch.weights), means

    def adapt(self, online: nn.Module, target: nn.Module, result: UpdateResult) -> bool:
        """Widen the support of both networks if the batch's targets need it, as `Support.grown`.

        In place and of the same shapes: with weights in shared memory call it on these, with the lock that updates
        them held. A gradient computed before fits them less well and does no harm.
        """
        if not self.grow:
            return False
        heads = [_distributional(network).head for network in (online, target)]
        ends = heads[0].support.tolist()
        support = Support(ends[0], ends[-1], len(ends))
        margin = _MARGIN * (support.v_max - support.v_min)
        grown = support.grown(result.target_low - margin, result.target_high + margin)
        if grown == support:
            return False
        for head in heads:
            head.grow(grown.v_min, grown.v_max)
        return True

    def align(self, online: nn.Module, target: nn.Module) -> bool:
        """Give ``target`` the support of ``online``, which is at least as wide."""
        learning, rating = _distributional(online).head, _distributional(target).head
        ends, theirs = learning.support[[0, -1]].tolist(), rating.support[[0, -1]].tolist()
        if ends == theirs:
            return False
        rating.grow(*ends)
        rating.support.copy_(learning.support)
        return True


def _distributional(network: nn.Module) -> Any:
    if not (hasattr(network, "log_probabilities") and hasattr(getattr(network, "head", None), "support")):
        raise ConfigurationError(
            f"Rainbow learns distributions of returns and {type(network).__name__} has none; try a QNetwork with a "
            "DistributionalHead: q_network(..., support=(v_min, v_max))"
        )
    return network
