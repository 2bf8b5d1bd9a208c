"""Demonstrations of `servo_reacher` by an expert, and the expert's training.

    python -m hocket.experiments.reacher_demonstrations     trains the expert and writes its weights

The expert is the actor of hocket's soft actor-critic, trained without delay. Its demonstrations are disturbed, as DART
does (Laskey et al. 2017, arXiv:1703.09327), so that a clone also learns to return from where the expert alone would
never be. The disturbance is the one that delay brings: for 1 to 24 ticks the arm heads for a place where no target is,
as a robot does whose actions were decided before the target jumped. Labels are always what the expert itself would do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

import hocket
from hocket.experiments.servo_reacher import HZ, Floats, ServoReacher, draw_place, towards
from hocket.learn.algorithms.sac import SAC
from hocket.models.actor_and_critics import actor_critic, perceptron, vector_trunk
from hocket.training.training import train

OBSERVED, ACTION = 12, 2
UNITS = (128, 128)
TICKS, EPISODE_TICKS, SEED = 35_000, 200, 0
ALGORITHM = SAC(batch_size=128, gamma=0.9, learning_rate=1e-3, tau=0.02, target_entropy=-4.0)
LEARNER = hocket.RoundRobin(update_every_ticks=1, warm_up_ticks=1000)
REPLAY = hocket.ReplayOptions(capacity=TICKS, reward_scale=10.0)
EVALUATION = hocket.EvaluationOptions(every_ticks=3500, episodes=10)
WEIGHTS = Path("docs/results/servo_reacher_expert.safetensors")

ASTRAY_SHARE, ASTRAY_TICKS, NOISE = 1 / 50, (1, 24), 0.02
"""The chance of a disturbance to begin at a tick, its least and most ticks, and the deviation of noise at all ticks."""


def train_expert(path: Path) -> hocket.TrainResult:
    """Train the expert and write its actor, for `load_expert`."""
    torch.manual_seed(SEED)
    network = actor_critic(lambda: vector_trunk(OBSERVED), gym.spaces.Box(-1, 1, (ACTION,)), hidden=UNITS)
    result = train(
        lambda: gym.wrappers.TimeLimit(ServoReacher(), EPISODE_TICKS),
        network,
        ALGORITHM,
        hocket.TickDispatch(1),
        hocket.Virtual(hz=HZ, latency=hocket.Constant(0.25 / HZ)),
        ticks=TICKS,
        learner=LEARNER,
        replay=REPLAY,
        evaluation=EVALUATION,
        seed=SEED,
    )
    save_file(network.head.state_dict(), path)
    return result


Expert = Callable[[Floats], Floats]
"""Observations ``(B, 12)`` to actions ``(B, 2)``."""


def load_expert(path: Path = WEIGHTS) -> Expert:
    """The expert's mean actions."""
    actor = perceptron(OBSERVED, 2 * ACTION, UNITS)
    actor.load_state_dict(load_file(path))
    return acting(nn.Sequential(actor.requires_grad_(False), Means()))


class Means(nn.Module):
    """Parameters of squashed Gaussians ``(B, 4)`` to the actions of their means."""

    def forward(self, parameters: torch.Tensor) -> torch.Tensor:
        """``(B, 2)``."""
        return torch.tanh(parameters[:, :ACTION])


def acting(network: nn.Module) -> Expert:
    """``network`` as a function of arrays."""

    def act(observations: Floats) -> Floats:
        with torch.inference_mode():
            actions: Floats = network(torch.from_numpy(observations)).numpy()
        return actions

    return act


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """Demonstrations of E episodes of T ticks.

    Attributes:
        observations: (E, T, 12), before each tick.
        labels: (E, T, 2), the expert's actions on them.
        executed: (E, T, 2), the disturbed actions.
    """

    observations: Floats
    labels: Floats
    executed: Floats


def demonstrate(expert: Expert, *, episodes: int, ticks: int, seed: int) -> Shown:
    """Play ``episodes`` episodes of ``ticks`` ticks side by side."""
    rng = np.random.default_rng(seed)
    envs = [ServoReacher() for _ in range(episodes)]
    now = np.stack([env.reset(seed=int(rng.integers(2**31)))[0] for env in envs])
    astray_left = np.zeros(episodes, np.int64)
    places, speeds = np.zeros((episodes, 2)), np.zeros((episodes, 2))
    observations, labels, executed = [], [], []
    for _ in range(ticks):
        for number in np.flatnonzero((astray_left == 0) & (rng.random(episodes) < ASTRAY_SHARE)):
            astray_left[number] = rng.integers(*ASTRAY_TICKS, endpoint=True)
            places[number], end = draw_place(rng), draw_place(rng)
            speeds[number] = end - places[number]
        astray = astray_left > 0
        seen = np.stack([towards(o, places[i], speeds[i]) if astray[i] else o for i, o in enumerate(now)])
        noise = rng.normal(0, NOISE, (episodes, ACTION)).astype(np.float32)
        actions = np.clip(expert(seen) + noise, -1, 1)
        observations.append(now)
        labels.append(expert(now))
        executed.append(actions)
        now = np.stack([env.step(action)[0] for env, action in zip(envs, actions, strict=True)])
        places += speeds / HZ
        astray_left = np.maximum(astray_left - 1, 0)
    for env in envs:
        env.close()

    def by_episode(columns: list[NDArray[np.float32]]) -> Floats:
        return np.stack(columns, axis=1)

    return Shown(observations=by_episode(observations), labels=by_episode(labels), executed=by_episode(executed))


if __name__ == "__main__":
    print(train_expert(WEIGHTS).final)
