"""DQN (Mnih et al. 2015), with double selection (van Hasselt et al. 2016) unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hocket.learn.algorithms import small_losses
from hocket.learn.algorithms.deep_q import DeepQ, Derived, Tensors, derived_by_hand
from hocket.learn.algorithms.losses import Loss, q_loss, td_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class DQN(DeepQ):
    """Smooth-L1 on temporal-difference errors. Options as `DeepQ`; every part can be switched on by itself.

    ``target_ticks`` and ``adam_epsilon`` as in DQN on MinAtar (Young & Tian 2019: a target network every 1,000 frames;
    Obando-Ceron & Castro 2021: Adam with ε = 3.125e-4).
    """

    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]:
        """See `td_targets` and `q_loss`."""
        targets = self.targets(online, target, batch)
        return q_loss(online(*batch.inputs), batch.actions, targets, weights=batch.weights), targets

    def targets(self, online: nn.Module, target: nn.Module, batch: Tensors) -> Tensor:
        """(B,), see `td_targets`."""
        with torch.no_grad():
            return td_targets(
                batch.rewards,
                batch.discounts,
                target(*batch.next_inputs),
                next_selector=online(*batch.next_inputs) if self.double else None,
            )

    def _derive(self, online: nn.Module, target: nn.Module, batch: Tensors) -> Derived | None:
        """By hand: the slopes of `q_loss` are errors, clipped."""
        learning, rating = derived_by_hand(online), derived_by_hand(target)
        if learning is None or rating is None or type(self).loss is not DQN.loss:
            return None
        with torch.inference_mode():
            selector = learning.values(*batch.next_inputs).numpy() if self.double else None
            rated = rating.values(*batch.next_inputs).numpy()
            targets = small_losses.td_targets(batch.rewards.numpy(), batch.discounts.numpy(), rated, selector)
            values = learning.values(*batch.inputs, keep=True).numpy()
            loss, errors, slopes = small_losses.q_loss(values, batch.actions.numpy(), targets, batch.weights.numpy())
            learning.differentiate(torch.from_numpy(slopes))
        return Derived(loss=loss, errors=errors, targets=targets)
