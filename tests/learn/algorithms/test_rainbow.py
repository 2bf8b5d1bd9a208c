import copy

import numpy as np
import pytest
import tabular
import torch
from torch import nn

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.models.qnetwork import q_network

CALM = Rainbow(noisy=False, dueling=False, learning_rate=0.03, target_ticks=20)


pytestmark = pytest.mark.usefixtures("one_thread")


def table(states=tabular.STATES, actions=tabular.ACTIONS, support=(-5.0, 5.0), **options):
    return q_network(nn.Identity(), states, actions, support=support, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("double", "dueling"), [(False, False), (True, True)])
def test_a_table_learns_the_exact_values(double, dueling):
    algorithm = Rainbow(noisy=False, double=double, dueling=dueling, learning_rate=0.03, target_ticks=20)
    online = table(dueling=dueling)
    tabular.learn(algorithm, online, tabular.batch_of(tabular.TRANSITIONS), 1500)
    learned = online(torch.eye(tabular.STATES)).detach().numpy()
    assert learned == pytest.approx(tabular.exact_values(), abs=0.05)


@pytest.mark.slow
def test_with_noise_the_means_learn_them_too_and_the_noise_dies_down():
    algorithm = Rainbow(learning_rate=0.03, target_ticks=20)
    online = table(dueling=True, noisy=True)
    batch = tabular.batch_of(tabular.TRANSITIONS)
    tabular.learn(algorithm, online, batch, 1500)
    online.quieten()
    learned = online(torch.eye(tabular.STATES)).detach().numpy()
    assert learned == pytest.approx(tabular.exact_values(), abs=0.3)


@pytest.mark.slow
def test_distributions_and_not_just_their_means():
    # A coin: +1 or −1, then the end. Every return is one of the two; their mean, 0, never is.
    online = table(1, 1, support=(-1.5, 1.5), atoms=7)
    coin = tabular.batch_of([(0, 0, 1.0, 1, None), (0, 0, -1.0, 1, None)], states=1)
    tabular.learn(CALM, online, coin, 600)
    probabilities = online.log_probabilities(torch.ones(1, 1)).exp().flatten().tolist()
    assert probabilities == pytest.approx([0, 0.5, 0, 0, 0, 0.5, 0], abs=0.02)


@pytest.mark.slow
def test_n_step_transitions_lead_to_the_same_values():
    two_steps = [(0, 0, 1 + 0.8 * 2, 2, 2), (1, 0, 2 + 0.8 * 3, 2, None), (2, 0, 3.0, 1, None)]
    online = table(3, 1, support=(-1.0, 6.0))
    tabular.learn(CALM, online, tabular.batch_of(two_steps), 1000)
    assert online(torch.eye(3)).flatten().tolist() == pytest.approx([1 + 0.8 * 4.4, 4.4, 3.0], abs=0.05)


def test_priorities_are_divergences():
    online = table(2, 1, support=(-2.0, 2.0), atoms=5)
    with torch.no_grad():  # state 0 predicts +1 for sure, state 1 spreads evenly
        weight, bias = online.head.advantage[0].weight, online.head.advantage[0].bias
        weight.zero_()
        bias.zero_()
        weight[3, 0] = 50.0
    batch = tabular.batch_of([(0, 0, 1.0, 1, None), (1, 0, 1.0, 1, None), (0, 0, -1.0, 1, None)], states=2)
    result = CALM.gradients(online, copy.deepcopy(online), batch)
    # KL: 0 where the prediction is right; ln 5 of an even spread over 5 atoms; 50 nats for the excluded.
    assert result.errors.tolist() == pytest.approx([0, np.log(5), 50], abs=1e-3)
    assert result.loss == pytest.approx((np.log(5) + 50) / 3, abs=1e-3)


def test_weights_scale_what_a_transition_teaches():
    online = table()
    target = copy.deepcopy(online)
    batch = tabular.batch_of(tabular.TRANSITIONS)
    only = np.array([0, 0, 0, 2, 0, 0], np.float32)
    CALM.gradients(online, target, batch._replace(weights=only))
    weighted = [weights.grad.clone() for weights in online.parameters()]
    CALM.gradients(online, target, tabular.batch_of(tabular.TRANSITIONS[3:4]))
    for one, other in zip(weighted, online.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad / 3)


def test_double_selection_asks_the_online_network():
    online, target = table(2, 2, atoms=11), table(2, 2, atoms=11)
    with torch.no_grad():
        for network, atoms in ((online, (4, 7)), (target, (9, 6))):  # atom i is i − 5
            head = network.head.advantage[0]
            head.weight.zero_()
            head.bias.zero_()
            head.bias.view(2, 11)[torch.arange(2), torch.tensor(atoms)] = 50.0
    batch = tabular.batch_of([(0, 0, 1.0, 1, 1)], states=2)
    # Online: −1 and 2, so action 1, which the target network rates 1. The target's own choice is action 0, 4.
    assert CALM.gradients(online, target, batch).target_high == pytest.approx(1 + 0.8 * 1)
    alone = Rainbow(double=False).gradients(online, target, batch)
    assert alone.target_high == pytest.approx(1 + 0.8 * 4)


# ----- the support


@pytest.mark.slow
def test_the_support_grows_to_hold_negative_returns():
    online = table(1, 1, support=(-1.0, 1.0))
    batch = tabular.batch_of([(0, 0, -10.0, 1, None)], states=1)
    target, results = tabular.learn(CALM, online, batch, 500)
    assert results[0].target_low == -10
    # Each time by the whole range: −1, −3, −7, −15.
    for network in (online, target):
        assert network.head.support[[0, -1]].tolist() == [-15, 1]
    assert online(torch.ones(1, 1)).item() == pytest.approx(-10, abs=0.1)


@pytest.mark.slow
def test_a_support_grows_with_its_own_bootstrapped_targets():
    # 1 per tick for ever is worth 1 / (1 − 0.8) = 5, beyond a support that ends at 1.5.
    online = table(1, 1, support=(-1.5, 1.5))
    tabular.learn(CALM, online, tabular.batch_of([(0, 0, 1.0, 1, 0)], states=1), 1500)
    assert online.head.support[-1] >= 5
    assert online(torch.ones(1, 1)).item() == pytest.approx(5, abs=0.1)


@pytest.mark.slow
def test_without_growth_what_lies_beyond_counts_as_the_end():
    online = table(1, 1, support=(-1.0, 1.0))
    fixed = Rainbow(noisy=False, learning_rate=0.03, grow=False)
    tabular.learn(fixed, online, tabular.batch_of([(0, 0, -10.0, 1, None)], states=1), 500)
    assert online.head.support[[0, -1]].tolist() == [-1, 1]
    assert online(torch.ones(1, 1)).item() == pytest.approx(-1, abs=0.05)


def test_a_support_that_holds_its_returns_stays():
    online = table()
    _, results = tabular.learn(CALM, online, tabular.batch_of(tabular.TRANSITIONS), 50)
    assert online.head.support[[0, -1]].tolist() == [-5, 5]
    assert not CALM.adapt(online, online, results[-1])


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="atoms=1"):
        Rainbow(atoms=1)
    with pytest.raises(ConfigurationError, match="gamma=2"):
        Rainbow(gamma=2)
    values = q_network(nn.Identity(), 3, 2)
    with pytest.raises(ConfigurationError, match="support="):
        CALM.gradients(values, values, tabular.batch_of(tabular.TRANSITIONS))


def test_a_support_grows_before_a_target_reaches_its_end():
    online = table(1, 1, support=(-10.0, 10.0))
    for reward, end in ((8.9, 10), (9.1, 30)):  # a twentieth of 20 is 1
        batch = tabular.batch_of([(0, 0, reward, 1, None)], states=1)
        tabular.learn(CALM, online, batch, 1)
        assert online.head.support[[0, -1]].tolist() == [-10, end]
