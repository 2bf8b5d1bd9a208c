"""Exploration of a learning agent: random actions, or the network's own noise. Options, and the explorer that each
worker makes of them with random numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import nn

from hocket.learn.algorithms.schedules import Linear, by_chance
from hocket.learn.learners.split_update import torch_generator


class TickCounter(Protocol):
    """The agent's tick: a `hocket.learn.replay.collector.Collector`, or a number in shared memory."""

    @property
    def tick(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """Now and then an action by chance.

    Args:
        actions: how many there are.
        epsilon: how often, by tick.
        ticks: says which tick it is.
        seed: None takes each worker's from the system: in workers of their own they must differ.
    """

    actions: int
    epsilon: Linear
    ticks: TickCounter
    seed: np.random.SeedSequence | None = None

    def beside(self) -> EpsilonGreedy:
        """The same with other random numbers, for a second explorer of the same agent."""
        return replace(self, seed=_beside(self.seed))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNoise:
    """The noise of a noisy network, drawn anew for each inference; ``seed`` as `EpsilonGreedy`."""

    seed: np.random.SeedSequence | None = None

    def beside(self) -> OwnNoise:
        """See `EpsilonGreedy`."""
        return replace(self, seed=_beside(self.seed))


def _beside(seed: np.random.SeedSequence | None) -> np.random.SeedSequence | None:
    if seed is None:
        return None
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 1))


Exploration = EpsilonGreedy | OwnNoise
"""A way of exploring."""


class Explorer:
    """In one worker; this one explores nothing.

    Attributes:
        changes_network: True if `prepare` changes the network, so that each inference needs a call of its own.
    """

    changes_network = False

    def action(self) -> int | None:
        """An action by chance, counted from 0, or None: the greedy one it is."""
        return None

    def prepare(self, network: nn.Module) -> None:
        """Make ``network`` ready for an inference."""


class _ByChance(Explorer):
    def __init__(self, options: EpsilonGreedy) -> None:
        self._options = options
        self._rng = np.random.default_rng(options.seed)

    def action(self) -> int | None:
        options = self._options
        return by_chance(options.actions, options.epsilon.at(options.ticks.tick), self._rng)


class _ByNoise(Explorer):
    changes_network = True

    def __init__(self, options: OwnNoise) -> None:
        self._noise: torch.Generator = torch_generator(options.seed or np.random.SeedSequence())

    def prepare(self, network: nn.Module) -> None:
        network.resample_noise(self._noise)  # type: ignore[operator]


def explorer(exploration: Exploration | None) -> Explorer:
    """For one worker; None explores nothing."""
    if exploration is None:
        return Explorer()
    return _ByChance(exploration) if isinstance(exploration, EpsilonGreedy) else _ByNoise(exploration)
