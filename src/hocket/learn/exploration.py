"""Exploration of a learning agent: random actions, the network's own noise, or an actor's distributions.

Options, and the explorer that each worker makes of them with random numbers of its own.

ε is a rate per tick, so that a sequential agent, which decides every d ticks, explores as much as a staggered one,
which decides at every tick: see `hocket.learn.algorithms.schedules.over_ticks`. The ticks that a decision will stand
for are unknown when it is made; those between the last two executed decisions are taken in their place. In the long
run they are the same numbers, one decision later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn

from hocket.learn.algorithms.schedules import Linear, by_chance, over_ticks
from hocket.learn.algorithms.tensors import torch_generator


class TickCounter(Protocol):
    """The agent's tick, and the ticks between its last two executed decisions (1 before there are two).

    A `hocket.learn.replay.collector.Collector`, or numbers in shared memory.
    """

    @property
    def tick(self) -> int: ...
    @property
    def interval_ticks(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """Now and then an action by chance.

    Args:
        actions: how many there are.
        epsilon: how often per tick, by tick.
        ticks: says which tick it is, and how far decisions are apart.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Actions of a Box: any of them at first, then those that the actor draws from its distributions.

    Args:
        actions: the bounded action space.
        random_ticks: until this tick actions are uniformly random.
        ticks: says which tick it is.
        seed: as `EpsilonGreedy`.
    """

    actions: spaces.Box
    random_ticks: int
    ticks: TickCounter
    seed: np.random.SeedSequence | None = None

    def beside(self) -> Drawn:
        """See `EpsilonGreedy`."""
        return replace(self, seed=_beside(self.seed))


Exploration = EpsilonGreedy | OwnNoise | Drawn
"""A way of exploring."""


class Explorer:
    """In one worker; this one explores nothing.

    Attributes:
        changes_network: True if `prepare` changes the network, so that each inference needs a call of its own.
    """

    changes_network = False

    def action(self) -> Any:
        """An action by chance, of Discrete ones counted from 0, or None: the network's it is."""
        return None

    def noise(self) -> NDArray[np.float32] | None:
        """The noise of an actor's next action, or None: the mean it is."""
        return None

    def prepare(self, network: nn.Module) -> None:
        """Make ``network`` ready for an inference."""


class _ByChance(Explorer):
    def __init__(self, options: EpsilonGreedy) -> None:
        self._options = options
        self._rng = np.random.default_rng(options.seed)

    def action(self) -> int | None:
        options = self._options
        ticks = options.ticks
        return by_chance(options.actions, over_ticks(options.epsilon.at(ticks.tick), ticks.interval_ticks), self._rng)


class _ByNoise(Explorer):
    changes_network = True

    def __init__(self, options: OwnNoise) -> None:
        self._noise: torch.Generator = torch_generator(options.seed or np.random.SeedSequence())

    def prepare(self, network: nn.Module) -> None:
        network.resample_noise(self._noise)  # type: ignore[operator]


class _ByDrawing(Explorer):
    def __init__(self, options: Drawn) -> None:
        self._options = options
        self._rng = np.random.default_rng(options.seed)
        self._size = math.prod(options.actions.shape)

    def action(self) -> NDArray[Any] | None:
        options, space = self._options, self._options.actions
        if options.ticks.tick >= options.random_ticks:
            return None
        return np.clip(self._rng.uniform(space.low, space.high).astype(space.dtype), space.low, space.high)

    def noise(self) -> NDArray[np.float32]:
        return self._rng.standard_normal(self._size, np.float32)


def explorer(exploration: Exploration | None) -> Explorer:
    """For one worker; None explores nothing."""
    if exploration is None:
        return Explorer()
    if isinstance(exploration, EpsilonGreedy):
        return _ByChance(exploration)
    return _ByDrawing(exploration) if isinstance(exploration, Drawn) else _ByNoise(exploration)
