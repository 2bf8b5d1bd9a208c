"""A step of Adam on shared weights: the next version out of the present one and a gradient from anywhere.

Torch's own optimiser takes it, on networks whose weights lie in the shared memory; so the numbers are those of plain
training. The lock is held for the step alone, not for the gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hocket.learn.algorithms.algorithm import Algorithm
from hocket.learn.weights.shared_weights import Block, SharedWeights


class NextVersion:
    """The next version in the making.

    Attributes:
        before: the number of the version that it begins as.
        network: whose weights it is. Not for inference; its noise, if any, is quiet.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.before = 0
        self.network = network
        self._optimizer = optimizer

    def step(self, gradients_of: nn.Module) -> None:
        """One step of the optimiser with the gradients that lie in ``gradients_of``, a network of the same kind."""
        for mine, theirs in zip(self.network.parameters(), gradients_of.parameters(), strict=True):
            gradient = theirs.grad
            if gradient is not None and (gradient.stride() != mine.stride() or gradient.device != mine.device):
                # The fused step runs through all memories alike, whatever their strides say.
                gradient = torch.empty_like(mine).copy_(gradient)
            mine.grad = gradient
        self._optimizer.step()
        for mine in self.network.parameters():
            mine.grad = None


class WeightsWriter:
    """Makes versions, in turn with any other process's writer.

    Args:
        weights: to write.
        network: of their kind, on whatever device; only copied.
        algorithm: whose optimiser to use.
    """

    def __init__(self, weights: SharedWeights, network: nn.Module, algorithm: Algorithm) -> None:
        self._weights = weights
        self._makings: dict[int, NextVersion] = {}
        for block in weights.blocks:
            self._makings[id(block)] = _making(weights, block, copy.deepcopy(network).cpu(), algorithm)

    @contextmanager
    def next_version(self) -> Iterator[NextVersion]:
        """Hold the lock and make the next version: it is published in the end, or forgotten if the body raises."""
        with self._weights.writing() as (before, block):
            making = self._makings[id(block)]
            making.before = before
            yield making


def _making(weights: SharedWeights, block: Block, network: nn.Module, algorithm: Algorithm) -> NextVersion:
    weights.attach(network, block)
    optimizer = algorithm.optimizer(network)
    state = zip(network.parameters(), block.steps, block.first, block.second, strict=True)
    for parameter, step, first, second in state:
        optimizer.state[parameter] = {"step": step, "exp_avg": first, "exp_avg_sq": second}
    return NextVersion(network, optimizer)
