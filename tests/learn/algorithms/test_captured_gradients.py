"""The recorded functions, called here without a graph; tests/test_gpu.py has one."""

import numpy as np
import pytest
import tabular
import torch
from torch import nn

from hocket.errors import DivergenceError
from hocket.learn.algorithms.captured_gradients import CapturedGradients
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.models.qnetwork import q_network

BATCH = tabular.batch_of(tabular.TRANSITIONS)
OTHER = BATCH._replace(rewards=BATCH.rewards + 1)


def networks(algorithm):
    torch.manual_seed(0)
    online = q_network(nn.Identity(), tabular.STATES, tabular.ACTIONS, dueling=algorithm.dueling)
    target = algorithm.target_of(online)
    with torch.no_grad():
        for weights in target.parameters():
            weights.add_(torch.randn_like(weights))
    return online, target


def uncaptured(algorithm, online, target):
    return CapturedGradients(algorithm, online, target, capture=lambda call: call)


@pytest.mark.parametrize("algorithm", [DQN(), DQN(max_grad_norm=0.01, double=False, dueling=True)])
@pytest.mark.parametrize("memory", [False, True])
def test_the_gradient_is_the_algorithms_own(algorithm, memory):
    online, target = networks(algorithm)
    gradients = uncaptured(algorithm, online, target)
    gradients(OTHER)  # recorded
    into = [torch.ones_like(weights) if memory else None for weights in online.parameters()]
    for weights, gradient in zip(online.parameters(), into, strict=True):
        weights.grad = gradient
    result = gradients(BATCH)
    found = [weights.grad.clone() for weights in online.parameters()]
    if memory:
        assert all(weights.grad is gradient for weights, gradient in zip(online.parameters(), into, strict=True))
    expected = algorithm.gradients(online, target, BATCH)
    for one, other in zip(found, online.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
    for name in ("loss", "grad_norm", "target_low", "target_high"):
        assert getattr(result, name) == pytest.approx(getattr(expected, name), rel=1e-6)
    np.testing.assert_allclose(result.errors, expected.errors, rtol=1e-6)


@pytest.mark.parametrize(("weight", "what"), [(float("nan"), "loss"), (1e38, "loss|gradient norm")])
def test_divergence_is_found(weight, what):
    algorithm = DQN()
    online, target = networks(algorithm)
    gradients = uncaptured(algorithm, online, target)
    gradients(BATCH)
    with torch.no_grad():
        next(online.parameters()).fill_(weight)
        next(target.parameters()).fill_(-weight)
    with pytest.raises(DivergenceError, match=f"the ({what}) of an update is"):
        gradients(BATCH)


def test_on_a_cpu_nothing_is_captured():
    algorithm = DQN()
    online, target = networks(algorithm)
    assert not isinstance(algorithm.gradients_of(online, target), CapturedGradients)


def test_only_what_can_be_captured_is(monkeypatch):
    """A subclass may have a loss that waits for the GPU, or that depends on numbers that a graph would keep."""
    monkeypatch.setattr("hocket.learn.algorithms.dqn.device_of", lambda network: torch.device("cuda"))
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)
    for algorithm in (DQN(), DQN(noisy=True), DQN(bfloat16=True), ImitatingDQN()):
        captured = isinstance(algorithm.gradients_of(online, target), CapturedGradients)
        assert captured == (algorithm == DQN())
