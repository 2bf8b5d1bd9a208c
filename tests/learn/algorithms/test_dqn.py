import copy

import numpy as np
import pytest
import tabular
import torch
from torch import nn

from hocket.errors import ConfigurationError, DivergenceError, HocketError
from hocket.learn.algorithms.dqn import DQN
from hocket.models.qnetwork import mlp_trunk, q_network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def batch():
    return tabular.batch_of(tabular.TRANSITIONS)


def table(**options):
    return q_network(nn.Identity(), tabular.STATES, tabular.ACTIONS, **options)


def gradient_of(network):
    return torch.cat([weights.grad.flatten() for weights in network.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(("double", "dueling"), [(False, False), (True, True)])
def test_a_table_learns_the_exact_values(batch, double, dueling):
    online = table(dueling=dueling)
    tabular.learn(DQN(learning_rate=0.03, target_ticks=20, double=double), online, batch, 1500)
    learned = online(torch.eye(tabular.STATES)).detach().numpy()
    assert learned == pytest.approx(tabular.exact_values(), abs=0.02)


@pytest.mark.slow
def test_n_step_transitions_lead_to_the_same_values():
    # One action, rewards 1, 2, 3 and the end: V = 1 + 0.8·V₁, V₁ = 2 + 0.8·3 = 4.4. In two steps at once:
    two_steps = [(0, 0, 1 + 0.8 * 2, 2, 2), (1, 0, 2 + 0.8 * 3, 2, None), (2, 0, 3.0, 1, None)]
    online = q_network(nn.Identity(), 3, 1)
    tabular.learn(DQN(learning_rate=0.03, target_ticks=20, n_step=2), online, tabular.batch_of(two_steps), 1000)
    assert online(torch.eye(3)).flatten().tolist() == pytest.approx([1 + 0.8 * 4.4, 4.4, 3.0], abs=0.02)


def test_double_selection_asks_the_online_network():
    online, target = table(), table()
    with torch.no_grad():
        for network, weight in ((online, [[0.0] * 3, [1.0] * 3]), (target, [[5.0] * 3, [2.0] * 3])):
            network.head.advantage[0].weight.copy_(torch.tensor(weight))
            network.head.advantage[0].bias.zero_()
    batch = tabular.batch_of([(0, 0, 1.0, 1, 1)])
    # Online prefers action 1, which the target network rates 2; alone it would take 5.
    assert DQN(double=True).gradients(online, target, batch).target_high == pytest.approx(1 + 0.8 * 2)
    assert DQN(double=False).gradients(online, target, batch).target_high == pytest.approx(1 + 0.8 * 5)


def test_an_update_reports_its_figures(batch):
    online = table()
    with torch.no_grad():
        for weights in online.parameters():
            weights.zero_()
    result = DQN(max_grad_norm=1e6).gradients(online, copy.deepcopy(online), batch)
    # All values are 0: the errors are the rewards, smooth-L1 of −1, 0.5, 0, −3, 2, 1.
    assert result.errors.tolist() == [-1, 0.5, 0, -3, 2, 1]
    assert result.loss == pytest.approx((0.5 + 0.125 + 0 + 2.5 + 1.5 + 0.5) / 6)
    assert (result.target_low, result.target_high) == (-3, 2)
    assert result.grad_norm == pytest.approx(gradient_of(online).norm().item())


def test_gradients_replace_those_before(batch):
    online = table()
    target = copy.deepcopy(online)
    DQN().gradients(online, target, batch)
    once = gradient_of(online)
    DQN().gradients(online, target, batch)
    assert torch.equal(gradient_of(online), once)


def test_clipping_clips_to_the_global_norm(batch):
    online, clipped = table(dueling=True), None
    target = copy.deepcopy(online)
    batch = batch._replace(states=batch.states * 1000)
    free = DQN(max_grad_norm=1e9).gradients(online, target, batch)
    direction = gradient_of(online) / free.grad_norm
    clipped = DQN(max_grad_norm=0.5).gradients(online, target, batch)
    assert clipped.grad_norm == pytest.approx(free.grad_norm) and free.grad_norm > 100
    torch.testing.assert_close(gradient_of(online), 0.5 * direction, rtol=1e-4, atol=1e-6)
    # And the step is taken with the clipped gradient: as long as the learning rate times the norm, with plain descent.
    before = torch.cat([weights.detach().flatten() for weights in online.parameters()])
    DQN(max_grad_norm=0.5).update(online, target, torch.optim.SGD(online.parameters(), lr=2.0), batch)
    after = torch.cat([weights.detach().flatten() for weights in online.parameters()])
    assert (after - before).norm().item() == pytest.approx(1.0, rel=1e-3)


def test_a_gradient_below_the_norm_stays(batch):
    online = table()
    result = DQN(max_grad_norm=1e9).gradients(online, copy.deepcopy(online), batch)
    assert gradient_of(online).norm().item() == pytest.approx(result.grad_norm)


def test_weights_scale_what_a_transition_teaches(batch):
    online = table()
    target = copy.deepcopy(online)
    only = np.array([0, 0, 0, 2, 0, 0], np.float32)
    DQN(max_grad_norm=1e9).gradients(online, target, batch._replace(weights=only))
    weighted = gradient_of(online)
    DQN(max_grad_norm=1e9).gradients(online, target, tabular.batch_of(tabular.TRANSITIONS[3:4]))
    # Of six transitions the fourth counts double: 2/6 of its step alone.
    torch.testing.assert_close(weighted, gradient_of(online) / 3)


def test_the_target_follows_once_in_a_period(batch):
    """Periods of 3 ticks, two updates a tick: before the first update at ticks 0, 3, 6 and 9."""
    algorithm = DQN(target_ticks=3)
    online = table()
    target = algorithm.target_of(online)
    optimizer, sync = algorithm.optimizer(online), algorithm.target_sync()
    copied = []
    x = torch.eye(tabular.STATES)
    for number in range(20):
        tick = number // 2
        before = target(x)
        if sync.before_update(online, target, tick, number):
            copied.append(number)
            assert torch.equal(target(x), online(x))
        else:
            assert torch.equal(target(x), before)
        before = target(x)
        algorithm.update(online, target, optimizer, batch)
        assert torch.equal(target(x), before)
    assert copied == [0, 6, 12, 18]
    assert not any(weights.requires_grad for weights in target.parameters())


def test_a_period_without_an_update_is_made_up_for_once():
    online, sync = table(), DQN(target_ticks=10).target_sync()
    target = DQN().target_of(online)
    ticks = (9_000, 9_009, 9_055, 9_056, 9_060)
    assert [tick for tick in ticks if sync.before_update(online, target, tick, 0)] == [9_000, 9_055, 9_060]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_an_error_and_changes_nothing(batch, value):
    algorithm, online = DQN(learning_rate=0.25), table()
    before = copy.deepcopy(online.state_dict())
    rewards = batch.rewards.copy()
    rewards[2] = value
    with pytest.raises(DivergenceError, match=rf"loss of an update is {value}.*below 0.25") as caught:
        algorithm.update(online, table(), algorithm.optimizer(online), batch._replace(rewards=rewards))
    assert isinstance(caught.value, HocketError)
    assert all(torch.equal(weights, before[name]) for name, weights in online.state_dict().items())


def test_a_gradient_that_is_no_number_is_an_error_and_changes_nothing(batch):
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 2))

        def forward(self, x):
            return x @ self.weight.sqrt()  # the slope at 0 is infinite

    algorithm, online = DQN(), Root()
    with pytest.raises(DivergenceError, match="gradient norm"):
        algorithm.update(online, algorithm.target_of(online), algorithm.optimizer(online), batch)
    assert torch.equal(online.weight, torch.zeros(3, 2))
    assert online.weight.grad is None


def test_pending_actions_and_arrays_that_may_not_be_written(batch):
    online = q_network(*mlp_trunk(3, hidden=8), 2, pending=2)
    pending = np.array([[0, 1], [2, 2]] * 3)
    with_pending = batch._replace(pending=pending, next_pending=pending[::-1].copy())
    for array in filter(lambda each: each is not None, with_pending):
        array.flags.writeable = False
    algorithm = DQN()
    target = algorithm.target_of(online)
    result = algorithm.update(online, target, algorithm.optimizer(online), with_pending)
    assert np.isfinite(result.loss) and result.errors.shape == (6,)


def test_noise_is_fresh_in_every_update_and_the_generators(batch):
    def noises(seed):
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(5)
        online = table(noisy=True)
        target = algorithm.target_of(online)
        for _ in range(2):
            algorithm.update(online, target, algorithm.optimizer(online), batch, generator=generator)
            yield online.head.advantage[0].input_noise.tolist()

    algorithm = DQN(noisy=True)
    first, second = noises(1)
    assert first != second
    assert [first, second] == list(noises(1)) != list(noises(2))


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": 0.0},
        {"gamma": 1.1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"max_grad_norm": -1.0},
        {"adam_epsilon": float("inf")},
        {"batch_size": 0},
        {"target_ticks": 0},
        {"n_step": 0},
        {"alpha": 1.5},
    ],
)
def test_invalid_arguments_are_refused(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        DQN(**options)
