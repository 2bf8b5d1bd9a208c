"""Learning from demonstrations: DQN that keeps the values of other actions below the demonstrated one's.

Which transitions of a batch are demonstrations is the replay's to say (`hocket.learn.replay.mixed_replay`). To the
agent's own the margin does not apply: they are learned from as DQN does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.losses import Loss, margin_loss, q_loss
from hocket.learn.algorithms.tensors import Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class ImitatingDQN(DQN):
    """DQN with a large-margin loss of demonstrations beside its own.

    Hester et al. 2018, *Deep Q-learning from Demonstrations*, for pre-training and for the training that follows, with
    `hocket.DemonstrationOptions` in both. Unlike theirs, the temporal-difference loss is of n steps alone, not of one
    step as well, and weights do not decay.

    Args:
        margin: by how much the demonstrated action's value is to lead.
        margin_weight: of that loss beside the temporal-difference loss; λ₂ there.
    """

    margin: float = 0.8
    margin_weight: float = 1.0

    def __post_init__(self) -> None:
        DQN.__post_init__(self)
        for name in ("margin", "margin_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be a finite number from 0; try 0.8")

    def loss(self, online: nn.Module, target: nn.Module, batch: Tensors) -> tuple[Loss, Tensor]:
        """See `q_loss` and `margin_loss`."""
        targets = self.targets(online, target, batch)
        values = online(*batch.inputs)
        loss = q_loss(values, batch.actions, targets, weights=batch.weights)
        if batch.demonstrated is None:
            return loss, targets
        lead = margin_loss(values, batch.actions, self.margin, weights=batch.weights * batch.demonstrated)
        return Loss(loss.value + self.margin_weight * lead, loss.errors), targets
