import copy

import pytest
import torch
from torch import nn

from hocket.errors import ConfigurationError
from hocket.models.impala import ImpalaNet
from hocket.models.qnetwork import QNetwork, impala_trunk, minatar_trunk, mlp_trunk, newest_encoder, q_network

pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(batch=2, frames=1):
    return torch.randint(0, 256, (batch, frames, 84, 84), dtype=torch.uint8)


def test_the_same_values_as_the_impala_net():
    net = ImpalaNet(1 / 4, 5, frames=2)
    network = q_network(net.trunk, 512, 5)
    network.head.advantage[0].load_state_dict(net.head.state_dict())
    x = pictures(frames=2)
    torch.testing.assert_close(network(x), net(x))
    torch.testing.assert_close(network(x.float() / 255), net(x))


@pytest.mark.filterwarnings("ignore:bfloat16=True on a processor")
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 0.02)])
def test_the_layout_for_learning_changes_neither_values_nor_gradients(deep, bfloat16, tolerance):
    trunk, features = impala_trunk(1 / 4, frames=2, deep=deep)
    plain = q_network(trunk, features, 3)
    prepared = copy.deepcopy(plain).for_learning(bfloat16=bfloat16)
    x, wanted = pictures(frames=2), torch.tensor([[1.0, 2.0, 3.0]])
    outcomes = []
    for network in (plain, prepared):
        values = network(x)
        assert values.dtype == torch.float32
        ((values - wanted) ** 2).mean().backward()
        gradient = torch.cat([weights.grad.flatten() for weights in network.parameters()])
        outcomes.append((values.detach(), gradient))
    (values, gradient), (prepared_values, prepared_gradient) = outcomes
    torch.testing.assert_close(prepared_values, values, atol=tolerance, rtol=tolerance)
    assert (prepared_gradient - gradient).norm() <= max(tolerance, 1e-4) * 3 * gradient.norm()


def test_layouts_apply_to_the_trunks_they_can_apply_to():
    trunks = impala_trunk(1), mlp_trunk(4), minatar_trunk(6)
    blocked = [q_network(*made, 2).for_learning()._blocked for made in trunks]
    assert blocked == [13, 0, 0]  # three sequences of convolution, pooling and two blocks, and the ReLU behind


def test_pending_actions_reach_the_head_one_hot():
    class Recorder(nn.Module):
        actions = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            self.seen = x
            return x

    head = Recorder()
    network = QNetwork(nn.Identity(), head, pending=2)
    network(torch.tensor([[7.0]]), torch.tensor([[1, 2]]))
    # Action 1, then unknown (code 2 of two actions).
    assert head.seen.tolist() == [[7, 0, 1, 0, 0, 0, 1]]


def test_the_two_stages_are_the_whole():
    trunk, features = mlp_trunk(4, hidden=8)
    network = q_network(trunk, features, 2, pending=3)
    x, pending = torch.randn(5, 4), torch.randint(0, 3, (5, 3))
    torch.testing.assert_close(network.from_features(network.features(x), pending), network(x, pending))


def test_the_effect_of_pending_actions_depends_on_the_state():
    trunk, features = mlp_trunk(4, hidden=16)
    network = q_network(trunk, features, 2, pending=1)
    x = torch.randn(2, 4)
    change = network(x, torch.tensor([[0], [0]])) - network(x, torch.tensor([[1], [1]]))
    assert not torch.allclose(change[0], change[1])


@pytest.mark.parametrize("pending", [None, torch.zeros(2, 1), torch.zeros(3, 2)])
def test_pending_actions_of_another_shape_are_refused(pending):
    network = q_network(*mlp_trunk(4), 2, pending=2)
    with pytest.raises(ConfigurationError, match=r"\(2, 2\) are allowed"):
        network(torch.zeros(2, 4), pending)


def newest_network(pending=2, **options):
    return q_network(*mlp_trunk(4, hidden=8), 2, pending=pending, newest=newest_encoder((4,), units=3), **options)


def test_a_head_gets_features_codes_the_delay_and_the_encoded_newest_observation():
    class Recorder(nn.Module):
        actions, features = 2, 1 + 6 + 5 + 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            self.seen = x
            return x

    head = Recorder()
    network = QNetwork(nn.Identity(), head, pending=2, newest=nn.Linear(1, 2, bias=False))
    network.newest.weight.data[:] = torch.tensor([[10.0], [100.0]])
    network(
        torch.tensor([[7.0], [8.0], [9.0]]), torch.tensor([[1, 2], [0, 0], [2, 2]]),
        torch.tensor([[0.1], [0.2], [0.3]]), torch.tensor([3, 9, 0]),
    )  # fmt: skip
    # Features, two codes of two actions and unknown, delays of 0 (none), 1, 2, 3 and more, twice the newest.
    assert head.seen[0].tolist() == pytest.approx([7, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 10])
    assert head.seen[1].tolist() == pytest.approx([8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 20])
    assert head.seen[2].tolist() == pytest.approx([0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 3, 30])
    network.from_features(None, torch.tensor([[2, 2]]), torch.tensor([[0.3]]), torch.tensor([0]))
    assert head.seen.tolist() == [pytest.approx([0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 3, 30])]


@pytest.mark.parametrize("pending", [0, 2])
@pytest.mark.parametrize("support", [None, (-1.0, 1.0)])
def test_the_two_stages_with_the_newest_observation_are_the_whole(pending, support):
    network = newest_network(pending, support=support, dueling=True)
    x, newest = torch.randn(5, 4), torch.randn(5, 4)
    codes = torch.randint(0, 3, (5, pending))
    delays = torch.tensor([1, 2, 3, 0, 0])
    values = network(x, codes, newest, delays)
    torch.testing.assert_close(network.from_features(network.features(x), codes, newest, delays), values)
    torch.testing.assert_close(network.from_features(None, codes[3:], newest[3:], delays[3:]), values[3:])
    if support:
        torch.testing.assert_close(
            network.log_probabilities(x, codes, newest, delays).exp() @ network.head.support, values
        )


def test_all_parts_learn_from_what_they_see():
    """Without features the trunk learns nothing; with them trunk, encoder and head all do."""
    network = newest_network()
    inputs = torch.randn(2, 4), torch.zeros(2, 2, dtype=torch.long), torch.randn(2, 4)
    for delays, trunk_learns in ((torch.tensor([0, 0]), False), (torch.tensor([3, 3]), True)):
        network.zero_grad()
        network(*inputs, delays).square().sum().backward()
        assert any(weights.grad.abs().sum() > 0 for weights in network.trunk.parameters()) == trunk_learns
        for part in (network.newest, network.head):
            assert all(weights.grad.abs().sum() > 0 for weights in list(part.parameters())[:1])


def test_newest_observations_are_scaled_as_the_others():
    network = q_network(nn.Flatten(), 3, 2, newest=(nn.Flatten(), 3), hidden=0)
    seen = torch.tensor([[51, 102, 255]], dtype=torch.uint8)
    by_bytes = network(seen, None, seen, torch.tensor([1]))
    torch.testing.assert_close(by_bytes, network(seen / 255, None, seen / 255, torch.tensor([1])))


@pytest.mark.parametrize(
    ("newest", "delays"),
    [(None, torch.tensor([1, 1])), (torch.zeros(2, 4), None), (torch.zeros(3, 4), torch.tensor([1, 1]))],
)
def test_newest_observations_that_do_not_fit_are_refused(newest, delays):
    with pytest.raises(ConfigurationError, match=r"newest .*, delays .*; a head that sees .* needs \(2, …\)"):
        newest_network()(torch.zeros(2, 4), torch.zeros(2, 2, dtype=torch.long), newest, delays)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        # Eight filters of 10x10 at 8x8 places, four of 3x3 at as many, or none; then 32 units.
        ((4, 84, 84), 8 * 401 + 513 * 32),
        ((10, 10, 4), 4 * 37 + 257 * 32),
        ((4,), 5 * 32),
        ((4, 5), 21 * 32),
    ],
)
def test_encoders_are_small(shape, parameters):
    encoder, outputs = newest_encoder(shape)
    assert encoder(torch.rand(3, *shape)).shape == (3, outputs) == (3, 32)
    assert sum(weights.numel() for weights in encoder.parameters()) == parameters
    with pytest.raises(ConfigurationError, match="units=0"):
        newest_encoder(shape, units=0)


def test_minatar_observations_as_they_come():
    network = q_network(*minatar_trunk(4), 3)
    assert network(torch.rand(5, 10, 10, 4) > 0.5).shape == (5, 3)
    with pytest.raises(ConfigurationError, match="channels=0"):
        minatar_trunk(0)


def test_bytes_are_scaled_as_asked():
    seen = q_network(nn.Flatten(), 4, 2, byte_scale=1.0).features(torch.tensor([[0, 1, 2, 255]], dtype=torch.uint8))
    assert seen.tolist() == [[0, 1, 2, 255]]


def test_noise_in_the_whole_network():
    network = q_network(*mlp_trunk(4), 2, noisy=True, dueling=True, support=(-1, 1), atoms=5)
    x = torch.randn(3, 4)
    quiet = network(x)
    with torch.inference_mode():
        network.resample_noise(torch.Generator().manual_seed(0))
        assert not torch.allclose(network(x), quiet)
        network.quieten()
        torch.testing.assert_close(network(x), quiet)


def test_values_have_no_distribution():
    with pytest.raises(ConfigurationError, match="support="):
        q_network(*mlp_trunk(4), 2).log_probabilities(torch.zeros(1, 4))
