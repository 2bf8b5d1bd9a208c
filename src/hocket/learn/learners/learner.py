"""One learner of weights that others learn as well: sample, snapshot, gradient, and the step in its turn.

Asynchronous: between snapshot and step others may have taken theirs. How many is the update's *staleness*. One alone
is never stale. It runs in a process of its own (``process.py``) or wherever else `Learner.update` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import nn

from hocket.learn.algorithms.algorithm import Algorithm, UpdateResult
from hocket.learn.replay.mixed_replay import Samples
from hocket.learn.weights.shared_step import WeightsWriter
from hocket.learn.weights.shared_weights import SharedWeights, WeightsReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One that has been made, or is about to land.

    Attributes:
        number: counted from 0; it made version ``number + 1``.
        staleness: versions between the one that its gradient was computed on and the one that it was applied to.
        seconds: from its sample to the end of the optimiser's step.
        result: of the gradient.
    """

    number: int
    staleness: int
    seconds: float
    result: UpdateResult


class Learner:
    """A learner with a target network and random numbers of its own.

    Args:
        algorithm: of learning.
        network: of the weights' kind, as the forward and backward passes are to run (`QNetwork.for_learning`). Taken
            over.
        weights: what is learned.
        replay: what is learned from; needs a transition at the first update.
        seed: of sampling and noise.

    The target network is renewed by the snapshots that this learner takes, as the algorithm's `TargetSync` says: other
    learners' targets may be some versions apart from it.
    """

    def __init__(
        self,
        *,
        algorithm: Algorithm,
        network: nn.Module,
        weights: SharedWeights,
        replay: Samples,
        seed: np.random.SeedSequence,
    ) -> None:
        self._algorithm, self._replay = algorithm, replay
        self._online, self._target = network, algorithm.target_of(network)
        self._gradients = algorithm.gradients_of(self._online, self._target)
        self._reader, self._writer = WeightsReader(weights), WeightsWriter(weights, network, algorithm)
        sampling, noise = seed.spawn(2)
        self._sampling = np.random.default_rng(sampling)
        self._noise = torch.Generator().manual_seed(int(noise.generate_state(1, np.uint64)[0] >> 1))
        self._sync = algorithm.target_sync()

    def update(
        self,
        tick: int,
        *,
        landing: Callable[[Update], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Update | None:
        """One update.

        Args:
            tick: of the training, for the target network and β of prioritised replay.
            landing: told of the update before readers can see it; none other lands meanwhile.
            stopped: asked when its turn has come; if so, nothing changes and the answer is None.

        Raises:
            DivergenceError: if the loss or the gradient is not finite; nothing has changed.
        """
        algorithm, online, target = self._algorithm, self._online, self._target
        began = perf_counter()
        beta = algorithm.beta.at(tick) if algorithm.alpha is not None else None
        batch = self._replay.sample(algorithm.batch_size, self._sampling, beta=beta)
        snapshot = self._reader.refresh(online)
        self._sync.before_update(online, target, tick, snapshot)
        algorithm.align(online, target)
        result = self._gradients(batch, generator=self._noise)
        try:
            with self._writer.next_version() as making:
                if stopped is not None and stopped():
                    raise _StopError
                making.step(online)
                algorithm.adapt(making.network, target, result)
                update = Update(
                    number=making.before,
                    staleness=making.before - snapshot,
                    seconds=perf_counter() - began,
                    result=result,
                )
                if landing is not None:
                    landing(update)
        except _StopError:
            return None
        if beta is not None:
            self._replay.update_priorities(batch.indices, result.errors)
        return update


class _StopError(Exception):
    """Leave the next version unmade."""
