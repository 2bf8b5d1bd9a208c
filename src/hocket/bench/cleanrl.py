"""CleanRL's DQN loop, written anew from the published algorithm, as the reference of a benchmark.

Huang et al. 2022, *CleanRL*: ``dqn.py`` and ``dqn_atari.py``. One environment in a ``SyncVectorEnv``, the replay of
Stable-Baselines3, actions by ε-greedy, the mean squared error to the largest value of the target network, Adam in
torch's own way. Without its logging, and with a constant ε.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

if TYPE_CHECKING:
    from torch import nn


class CleanRLLoop:
    """The loop, to be played in parts.

    Args:
        make_env: makes the environment.
        network: makes a network from a batch of observations, as floats, to action values.
        learning_rate: of Adam.
        gamma: discount per step.
        batch_size: transitions of an update.
        buffer_size: transitions in the replay.
        learning_starts: steps before the first update.
        train_frequency: steps between two updates.
        target_network_frequency: steps between two copies of the network to the target network.
        epsilon: share of random actions.
        seed: of everything but the network.

    Attributes:
        updates: how many have been made.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env[Any, Any]],
        network: Callable[[], nn.Module],
        *,
        learning_rate: float,
        gamma: float = 0.99,
        batch_size: int,
        buffer_size: int,
        learning_starts: int,
        train_frequency: int,
        target_network_frequency: int,
        epsilon: float,
        seed: int = 0,
    ) -> None:
        import torch

        buffers = import_module("stable_baselines3.common.buffers")
        self._envs = gym.vector.SyncVectorEnv([lambda: gym.wrappers.RecordEpisodeStatistics(make_env())])
        self._q_network, self._target_network = network(), network()
        self._target_network.load_state_dict(self._q_network.state_dict())
        self._optimizer = torch.optim.Adam(self._q_network.parameters(), lr=learning_rate)
        self._replay = buffers.ReplayBuffer(
            buffer_size,
            self._envs.single_observation_space,
            self._envs.single_action_space,
            "cpu",
            handle_timeout_termination=False,
        )
        self._gamma, self._batch_size, self._epsilon = gamma, batch_size, epsilon
        self._learning_starts, self._train_frequency = learning_starts, train_frequency
        self._target_network_frequency = target_network_frequency
        self._random = random.Random(seed)
        self._observations, _ = self._envs.reset(seed=seed)
        self._step = 0
        self.updates = 0

    def play(self, steps: int) -> None:
        """The next ``steps`` steps."""
        import torch

        envs, replay = self._envs, self._replay
        for _ in range(steps):
            if self._random.random() < self._epsilon:
                actions = np.array([envs.single_action_space.sample() for _ in range(envs.num_envs)])
            else:
                values = self._q_network(torch.Tensor(self._observations))
                actions = torch.argmax(values, dim=1).cpu().numpy()
            observations, rewards, terminations, _, infos = envs.step(actions)
            replay.add(self._observations, observations.copy(), actions, rewards, terminations, [infos])
            self._observations = observations
            self._step += 1
            if self._step > self._learning_starts:
                if self._step % self._train_frequency == 0:
                    self._update()
                if self._step % self._target_network_frequency == 0:
                    self._target_network.load_state_dict(self._q_network.state_dict())

    def close(self) -> None:
        """Close the environment."""
        self._envs.close()

    def _update(self) -> None:
        import torch
        from torch.nn import functional

        data = self._replay.sample(self._batch_size)
        with torch.no_grad():
            best, _ = self._target_network(data.next_observations.float()).max(dim=1)
            targets = data.rewards.flatten() + self._gamma * best * (1 - data.dones.flatten())
        predicted = self._q_network(data.observations.float()).gather(1, data.actions).squeeze()
        loss = functional.mse_loss(targets, predicted)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.updates += 1
