"""TrainingLog from demonstrations alone: the greedy policy takes the demonstrated actions."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

import hocket
from hocket.errors import ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.models.qnetwork import q_network

SHAPES = 4


class Match(gym.Env):
    """Shows one of four shapes; pays 1 for its number. Twenty ticks an episode, actions from 1 on."""

    observation_space = spaces.Box(0, 1, (SHAPES,), np.float32)
    action_space = spaces.Discrete(SHAPES, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks = 0
        return self._show(), {}

    def step(self, action):
        reward = float(action == self._shape + 1)
        self._ticks += 1
        return self._show(), reward, False, self._ticks == 20, {}

    def _show(self):
        self._shape = int(self.np_random.integers(SHAPES))
        return np.eye(SHAPES, dtype=np.float32)[self._shape]


def network(**options):
    torch.manual_seed(0)
    return q_network(nn.Identity(), SHAPES, SHAPES, **options)


def shown():
    return hocket.demonstrate(Match(), lambda observation: int(observation.argmax()) + 1, episodes=10)


def taken(net):
    return net(torch.eye(SHAPES)).argmax(dim=1).tolist()


@pytest.mark.slow
def test_the_greedy_policy_takes_the_demonstrated_actions():
    net, numbers = network(), []
    losses = hocket.pretrain(
        shown(),
        net,
        ImitatingDQN(gamma=0.5, learning_rate=0.03, target_ticks=20),
        actions=Match.action_space,
        updates=400,
        on_update=lambda number, loss: numbers.append(number),
    )
    assert taken(net) == [0, 1, 2, 3]
    assert numbers == list(range(1, 401)) and len(losses) == 400
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 5
    values = net(torch.eye(SHAPES)).detach()
    assert values.max(dim=1).values.tolist() == pytest.approx([2.0] * SHAPES, abs=0.3)  # 1 + γ + γ² + …
    others = values[~torch.eye(SHAPES, dtype=torch.bool)]
    assert (others < 2.0 - 0.5).all()  # by the margin


def test_without_a_margin_other_actions_do_not_change():
    """Plain Q-learning on demonstrations moves the taken actions' values alone."""
    net = network()
    before = net(torch.eye(SHAPES)).detach()
    hocket.pretrain(shown(), net, DQN(gamma=0.5, learning_rate=0.03, target_ticks=20), actions=Match.action_space,
                    updates=200)  # fmt: skip
    moved = (net(torch.eye(SHAPES)).detach() - before).abs()
    assert moved.diag().min() > 0.5


@pytest.mark.slow
def test_the_same_seed_learns_the_same():
    results = []
    for _ in range(2):
        net = network()
        algorithm = ImitatingDQN(target_ticks=20)
        results.append(hocket.pretrain(shown(), net, algorithm, actions=Match.action_space, updates=20, seed=3))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delay_ticks": 0}, "delay_ticks=0"),
        ({"updates": 0}, "updates=0"),
        ({"delay_ticks": 30}, "no episode is longer than delay_ticks=30"),
        ({"actions": spaces.Discrete(3)}, "actions from 1 to 4 do not fit"),
        ({"network": network(pending=2)}, "takes 2 pending actions"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    given = {"network": network(), "algorithm": DQN(), "actions": Match.action_space, "updates": 1, **options}
    with pytest.raises(ConfigurationError, match=message):
        hocket.pretrain(demonstrations=shown(), **given)


def test_invalid_margins_are_refused():
    with pytest.raises(ConfigurationError, match=r"margin=-1.*try 0.8"):
        ImitatingDQN(margin=-1)
    with pytest.raises(ConfigurationError, match="gamma=2"):
        ImitatingDQN(gamma=2)
