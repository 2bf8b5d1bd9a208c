import copy
import pickle

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from hocket.models.qnetwork import minatar_trunk, mlp_trunk, q_network  # noqa: E402
from hocket.models.relu_chain import ChannelsFirst, ReluChain  # noqa: E402


def strided():
    """A convolution that skips places, two linear layers after it."""
    layers = (nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Flatten())
    return ReluChain(*layers, nn.Linear(3 * 3 * 2, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU())


CHAINS = {
    "minatar": (lambda: minatar_trunk(4)[0], (10, 10, 4)),
    "one channel": (lambda: minatar_trunk(1)[0], (10, 10, 1)),
    "mlp": (lambda: mlp_trunk(6)[0], (2, 3)),
    "strided, channels first": (strided, (2, 7, 5)),
}


@pytest.fixture(params=CHAINS, autouse=True)
def made(request):
    make, shape = CHAINS[request.param]
    torch.manual_seed(1)
    return make(), shape


@pytest.mark.parametrize("batch", [1, 32])
def test_values_and_gradients_are_those_of_the_layers_one_by_one(made, batch):
    chain, shape = made
    layers = nn.Sequential(*copy.deepcopy(chain))
    for _ in range(2):  # the second time in memory that has been used
        x = (torch.rand(batch, *shape) < 0.5).float()
        ours, theirs = chain(x), layers(x)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        direction = torch.randn_like(ours)
        ours.backward(direction)
        theirs.backward(direction)
        for one, other in zip(chain.parameters(), layers.parameters(), strict=True):
            assert other.grad.abs().max() > 0
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-5)
        with torch.inference_mode():
            torch.testing.assert_close(chain(x), theirs.detach(), atol=1e-5, rtol=1e-5)


def test_passes_that_overlap_do_not_share_memory(made):
    chain, shape = made
    layers = nn.Sequential(*copy.deepcopy(chain))
    first, second = torch.rand(3, *shape), torch.rand(3, *shape)
    for network in (chain, layers):
        one, other = network(first), network(second)
        with torch.no_grad():
            network(second + 1)
        (one.square().sum() + 3 * other.sum()).backward()
    for one, other in zip(chain.parameters(), layers.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-5)


def test_features_are_not_overwritten_by_a_later_pass(made):
    chain, shape = made
    x = torch.rand(2, *shape)
    with torch.inference_mode():
        before = chain(x)
        kept = before.clone()
        chain(x + 1)
    assert torch.equal(before, kept)


def test_weights_have_the_names_of_the_layers(made):
    chain, _ = made
    layers = nn.Sequential(*copy.deepcopy(chain))
    layers.load_state_dict(chain.state_dict())
    assert list(chain.state_dict()) == list(layers.state_dict())


def test_copies_and_pickles_have_memory_of_their_own(made):
    chain, shape = made
    x = torch.rand(2, *shape)
    expected = chain(x).detach()
    for other in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain))):
        assert other._memory is not chain._memory and not other._memory._free
        torch.testing.assert_close(other(x).detach(), expected)


def test_an_input_that_needs_a_gradient_gets_one(made):
    chain, shape = made
    layers = nn.Sequential(*copy.deepcopy(chain))
    x = torch.rand(2, *shape, requires_grad=True)
    (ours,) = torch.autograd.grad(chain(x).sum(), x)
    (theirs,) = torch.autograd.grad(layers(x).sum(), x)
    torch.testing.assert_close(ours, theirs)


def test_double_precision_goes_layer_by_layer(made):
    chain, shape = made
    x = torch.rand(2, *shape, dtype=torch.float64)
    torch.testing.assert_close(chain.double()(x), nn.Sequential(*chain)(x))


def test_a_second_backward_pass_is_refused(made):
    chain, shape = made
    total = chain(torch.rand(2, *shape)).sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward pass"):
        total.backward()


def test_a_q_network_of_a_chain_takes_bytes_and_booleans():
    torch.manual_seed(0)
    network = q_network(*minatar_trunk(2), 3)
    frames = torch.rand(4, 10, 10, 2) < 0.3
    torch.testing.assert_close(network(frames), network(frames.to(torch.uint8) * 255))


def test_channels_first_copies_nothing():
    x = torch.rand(2, 10, 9, 3)
    moved = ChannelsFirst()(x)
    assert moved.shape == (2, 3, 10, 9) and moved.data_ptr() == x.data_ptr()
