"""DQN (Mnih et al. 2015), with double selection (van Hasselt et al. 2016) unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hocket.learn.algorithms.algorithm import UpdateResult
from hocket.learn.algorithms.captured_gradients import CapturedGradients
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.losses import Loss, q_loss, td_targets
from hocket.learn.algorithms.tensors import Tensors
from hocket.policies.devices import device_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DQN(DeepQ):
    """Smooth-L1 on temporal-difference errors. Options as `DeepQ`; every part can be switched on by itself.

    ``target_ticks``, ``adam_epsilon`` and ``n_step`` as in DQN on MinAtar (Young & Tian 2019: a target network every
    1,000 frames; Obando-Ceron & Castro 2021: Adam with ε = 3.125e-4, returns of 3 steps). Mnih et al. 2015 have
    ``n_step=1`` and ``double=False``.
    """

    n_step: int = 3

    def gradients_of(self, online: nn.Module, target: nn.Module) -> Callable[..., UpdateResult]:
        """See `Algorithm`; on a GPU one CUDA graph, for plain layers in float32, and for this class's own loss."""
        plain = type(self) is DQN and not self.bfloat16 and not self.noisy
        if plain and device_of(online).type == "cuda":
            return CapturedGradients(self, online, target)
        return DeepQ.gradients_of(self, online, target)

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
