"""A learner beside the tick loop of a virtual run: it listens to every tick and updates now and then.

An update takes no virtual time here: it lands in the tick that it belongs to. What it learns from is what happened, and
every policy call sees the weights as they were when its inference started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hocket.errors import ConfigurationError
from hocket.learn.deep_q import DeepQ
from hocket.learn.replay import Replay
from hocket.learn.schedules import Linear, epsilon_greedy
from hocket.learn.transitions import Decided, TransitionBuilder
from hocket.policy import Policy
from hocket.record import Moment


@dataclass(kw_only=True)
class BackgroundLearner:
    """Learns from every tick as it happens.

    Args:
        algorithm: `DQN` or `Rainbow`.
        network: that learns, and by which the agent acts: observations, and codes if it takes any, to action values.
        actions: of the environment.
        replay: new and empty, for its frames and codes.
        first_action: of the Discrete action space (its ``start``).
        update_every: ticks between two updates.
        warm_up: ticks before the first update.
        epsilon: of ε-greedy, by tick; not asked if the algorithm is noisy.
        seed: of exploring, sampling and noise.

    Attributes:
        tick: the last one heard of.
        updates: how many there were.
        losses: of each update.
    """

    algorithm: DeepQ
    network: nn.Module
    actions: int
    replay: Replay
    first_action: int = 0
    update_every: int = 4
    warm_up: int = 1000
    epsilon: Linear = field(default=Linear(1.0, 0.05, 10_000))
    seed: int = 0

    def __post_init__(self) -> None:
        if self.update_every < 1:
            raise ConfigurationError(f"update_every={self.update_every!r} must be at least 1; try 4")
        if self.warm_up < 1:
            raise ConfigurationError(f"warm_up={self.warm_up!r} must be at least 1; try 1000")
        exploring, sampling = (np.random.default_rng(s) for s in np.random.SeedSequence(self.seed).spawn(2))
        self._exploring, self._sampling = exploring, sampling
        self._noise = torch.Generator().manual_seed(self.seed)
        self._target = self.algorithm.target_of(self.network)
        self._optimizer = self.algorithm.optimizer(self.network)
        self._builder = TransitionBuilder(self.algorithm.gamma)
        self.tick = 0
        self.updates = 0
        self.losses: list[float] = []

    def began(self, observation: Any) -> None:
        """See `Listener`."""
        self.replay.add_frame(0, observation, first=True)

    def ticked(self, moment: Moment) -> None:
        """See `Listener`: keep what happened, and learn if it is time."""
        self.tick = tick = moment.tick
        ended = moment.final_observation is not None
        decided = None
        if moment.decided_on >= 0:
            decided = Decided(
                tick=tick,
                observation=moment.decided_on,
                action=moment.action - self.first_action,
                pending=moment.codes,
            )
        closed = self._builder.tick(
            tick,
            moment.reward,
            decided=decided,
            terminated=moment.terminated,
            truncated=moment.truncated,
            final_pending=moment.final_codes,
        )
        if ended:
            self.replay.add_frame(tick, moment.final_observation)
        for transition in closed:
            self.replay.add_transition(
                transition.decided.observation,
                transition.decided.action,
                reward=transition.reward,
                discount=transition.discount,
                next_tick=transition.next_observation,
                pending=transition.decided.pending or None,
                next_pending=transition.next_pending or None,
            )
        self.replay.add_frame(tick, moment.observation, first=ended)
        if tick >= self.warm_up and tick % self.update_every == 0 and len(self.replay):
            self._update()

    def _update(self) -> None:
        algorithm = self.algorithm
        beta = algorithm.beta.at(self.tick) if algorithm.alpha is not None else None
        batch = self.replay.sample(algorithm.batch_size, self._sampling, beta=beta)
        result = algorithm.update(self.network, self._target, self._optimizer, batch, generator=self._noise)
        if beta is not None:
            self.replay.update_priorities(batch.indices, result.errors)
        self.updates += 1
        self.losses.append(result.loss)
        algorithm.sync_target(self.network, self._target, self.updates)

    def exploring_policy(self) -> Policy:
        """Acts by the network as it is at each call: ε-greedy, or by its own noise."""
        greedy = greedy_policy(self.network, self.first_action)
        exploring, first, actions = self._exploring, self.first_action, self.actions

        def policy(*inputs: NDArray[Any]) -> int:
            if self.algorithm.noisy:
                self.algorithm.resample(self.network, self._noise)
                return greedy(*inputs)
            epsilon = self.epsilon.at(self.tick)
            return first + epsilon_greedy(greedy(*inputs) - first, actions=actions, epsilon=epsilon, rng=exploring)

        return policy


def greedy_policy(network: nn.Module, first_action: int = 0) -> Callable[..., int]:
    """The action of the highest value, for an observation and, if ``network`` takes them, the pending codes."""

    def policy(*inputs: NDArray[Any]) -> int:
        with torch.inference_mode():
            values = network(*(torch.from_numpy(np.array(x)).unsqueeze(0) for x in inputs))
            return first_action + int(values.argmax(1).item())

    return policy
