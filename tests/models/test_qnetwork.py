import copy

import pytest
import torch
from torch import nn

from hocket.errors import ConfigurationError
from hocket.models.impala import ImpalaNet
from hocket.models.qnetwork import QNetwork, impala_trunk, minatar_trunk, mlp_trunk, q_network


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


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
