"""An update in two halves: a gradient on the weights as they are, and its landing on the weights as they are then.

What the learners of one process share is here: network, target network, Adam state. It knows no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.learn.algorithms.algorithm import Algorithm, UpdateResult
from hocket.learn.algorithms.tensors import torch_generator
from hocket.learn.replay.mixed_replay import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradient:
    """A clipped gradient that has not landed yet."""

    values: list[Tensor]
    result: UpdateResult
    indices: NDArray[np.int64]
    """Indices of the batch; see `Replay.update_priorities`."""


class Updates:
    """Computes gradients of batches from ``replay`` and applies them to ``network``.

    Args:
        algorithm: of learning.
        network: that learns, in place.
        replay: to sample from.
        batch_size: transitions in one gradient; the algorithm's own if None.
        seed: of sampling and, by a generator of its own, of the noise of noisy networks.

    Attributes:
        target: the target network, renewed as `TargetSync` says.
        optimizer: Adam.
        landed: how many gradients have been applied; the version of the weights.
    """

    def __init__(
        self,
        *,
        algorithm: Algorithm,
        network: nn.Module,
        replay: Samples,
        seed: np.random.SeedSequence,
        batch_size: int | None = None,
    ) -> None:
        self._algorithm = algorithm
        self._network = network
        self.target = algorithm.target_of(network)
        self.optimizer = algorithm.optimizer(network)
        self._parameters = list(network.parameters())
        self._replay = replay
        self._batch_size = algorithm.batch_size if batch_size is None else batch_size
        self._rng = np.random.default_rng(seed)
        self._noise = torch_generator(seed)
        self._sync = algorithm.target_sync()
        self._gradients: Callable[..., UpdateResult] | None = None
        self._spare: list[list[Tensor]] = []  # memory of gradients that have landed
        self.landed = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_gradients": None, "_spare": []}

    def gradient(self, tick: int) -> Gradient:
        """Of a fresh batch, on the weights as they are; ``tick`` is how far the agent has come.

        Raises:
            DivergenceError: if it is not finite.
        """
        algorithm = self._algorithm
        self._sync.before_update(self._network, self.target, tick, self.landed)
        beta = algorithm.beta.at(tick) if algorithm.alpha is not None else None
        batch = self._replay.sample(self._batch_size, self._rng, beta=beta)
        values = self._spare.pop() if self._spare else [torch.zeros_like(each) for each in self._parameters]
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.grad = value
        if self._gradients is None:
            self._gradients = algorithm.gradients_of(self._network, self.target)
        result = self._gradients(batch, generator=self._noise)
        return Gradient(values=values, result=result, indices=batch.indices)

    def land(self, gradient: Gradient) -> None:
        """Apply ``gradient`` to the weights, whatever they have become."""
        algorithm = self._algorithm
        for parameter, value in zip(self._parameters, gradient.values, strict=True):
            parameter.grad = value
        self.optimizer.step()
        self._spare.append(gradient.values)
        algorithm.adapt(self._network, self.target, gradient.result)
        if algorithm.alpha is not None:
            self._replay.update_priorities(gradient.indices, gradient.result.errors)
        self.landed += 1
