"""`td_targets` and `q_loss` of `hocket.learn.algorithms.losses` on arrays, with the slopes of the loss.

A batch has a few hundred values, on which a call of numpy takes a tenth of one of torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def td_targets(rewards: Floats, discounts: Floats, next_values: Floats, next_selector: Floats | None) -> Floats:
    """(B,); see `hocket.learn.algorithms.losses.td_targets`."""
    rows = np.arange(len(rewards))
    chosen = (next_values if next_selector is None else next_selector).argmax(axis=1)
    # A terminated transition's next state means nothing, its value may be anything: 0 · inf would be NaN.
    future = np.multiply(discounts, next_values[rows, chosen], out=np.zeros_like(rewards), where=discounts != 0)
    targets: Floats = rewards + future
    return targets


def q_loss(values: Floats, actions: Indices, targets: Floats, weights: Floats) -> tuple[float, Floats, Floats]:
    """The loss, the errors (B,) and the loss's slopes by ``values`` (B, A)."""
    rows = np.arange(len(actions))
    errors: Floats = targets - values[rows, actions]
    slopes: NDArray[Any] = np.clip(errors, -1, 1)
    # Smooth L1 is e²/2 for |e| ≤ 1 and |e| − 1/2 beyond: c·(e − c/2) of both, with e clipped to c.
    loss = float((slopes * (errors - slopes / 2) * weights).mean())
    by_value = np.zeros_like(values)
    by_value[rows, actions] = slopes * weights * np.float32(-1 / len(actions))
    return loss, errors, by_value
