import copy
import math

import pytest
import torch
from torch import nn

from hocket.errors import ConfigurationError
from hocket.models.heads import DistributionalHead, NoisyLinear, ValueHead

pytestmark = pytest.mark.usefixtures("one_thread")


def set_weights(layer, weight, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))


def test_a_plain_head_is_a_linear_layer():
    head = ValueHead(2, 3)
    set_weights(head.advantage[0], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 5.0])
    assert head(torch.tensor([[2.0, 3.0]])).tolist() == [[2.0, 3.0, 10.0]]


def test_dueling_subtracts_the_mean_advantage():
    head = ValueHead(1, 3, dueling=True)
    set_weights(head.advantage[0], [[1.0], [2.0], [6.0]], [0.0, 0.0, 0.0])
    set_weights(head.value[0], [[10.0]], [1.0])
    # At 2: V = 21, A = 2, 4, 12 with mean 6.
    assert head(torch.tensor([[2.0]])).tolist() == [[17.0, 19.0, 27.0]]


def test_hidden_layers_and_sizes():
    head = ValueHead(8, 3, dueling=True, hidden=5)
    # (8·5 + 5) + (5·outputs + outputs), once with 3 outputs and once with 1.
    assert sum(weights.numel() for weights in head.parameters()) == (45 + 18) + (45 + 6)
    assert head(torch.zeros(4, 8)).shape == (4, 3)


@pytest.mark.parametrize("dueling", [False, True])
def test_distributions_sum_to_one_and_values_are_their_means(dueling):
    head = DistributionalHead(6, 3, v_min=-2, v_max=4, atoms=7, dueling=dueling, hidden=5)
    x = torch.randn(10, 6)
    probabilities = head.log_probabilities(x).exp()
    assert probabilities.shape == (10, 3, 7)
    torch.testing.assert_close(probabilities.sum(2), torch.ones(10, 3))
    assert head.support.tolist() == [-2, -1, 0, 1, 2, 3, 4]
    torch.testing.assert_close(head(x), (probabilities * head.support).sum(2))


def test_dueling_distributions_subtract_the_mean_of_each_atom():
    head = DistributionalHead(1, 2, v_min=0, v_max=1, atoms=2, dueling=True)
    set_weights(head.advantage[0], [[0.0]] * 4, [1.0, 2.0, 3.0, 6.0])  # actions × atoms
    set_weights(head.value[0], [[0.0]] * 2, [10.0, 20.0])
    # Mean advantages 2 and 4: logits 10 + 1 − 2, 20 + 2 − 4; 10 + 3 − 2, 20 + 6 − 4.
    assert head.combined(torch.zeros(1, 1)).tolist() == [[[9.0, 18.0], [11.0, 22.0]]]


def test_the_support_travels_with_the_weights():
    source = DistributionalHead(2, 2, v_min=-7, v_max=7, atoms=3)
    copied = DistributionalHead(2, 2, v_min=0, v_max=1, atoms=3)
    copied.load_state_dict(source.state_dict())
    assert copied.support.tolist() == [-7, 0, 7]


# ----- noise


def test_a_quiet_layer_is_the_linear_one_of_its_means():
    noisy, linear = NoisyLinear(5, 4), nn.Linear(5, 4)
    linear.load_state_dict({"weight": noisy.weight, "bias": noisy.bias})
    x = torch.randn(3, 5)
    torch.testing.assert_close(noisy(x), linear(x))
    noisy.resample()
    assert not torch.allclose(noisy(x), linear(x))
    noisy.quieten()
    torch.testing.assert_close(noisy(x), linear(x))


def test_noise_is_the_outer_product_and_may_change_before_the_backward_pass():
    layer = NoisyLinear(3, 2)
    layer.resample()
    x = torch.randn(4, 3)
    weight = layer.weight + layer.weight_spread * torch.outer(layer.output_noise, layer.input_noise)
    bias = layer.bias + layer.bias_spread * layer.output_noise
    output = layer(x)
    torch.testing.assert_close(output, x @ weight.T + bias)
    expected = torch.autograd.grad((x @ weight.T + bias).sum(), list(layer.parameters()))
    layer.resample()
    output.sum().backward()
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_the_noises_statistics():
    layer = NoisyLinear(100_000, 1)
    layer.resample(torch.Generator().manual_seed(3))
    noise = layer.input_noise
    # f(x) = sign(x)√|x|: mean 0, E f² = E|x| = √(2/π), E f⁴ = E x² = 1. Standard errors below 0.003.
    assert noise.mean().item() == pytest.approx(0, abs=0.015)
    assert noise.square().mean().item() == pytest.approx(math.sqrt(2 / math.pi), abs=0.015)
    assert noise.pow(4).mean().item() == pytest.approx(1, abs=0.03)


def test_initial_means_and_spreads():
    layer = NoisyLinear(400, 300)
    assert layer.weight.abs().max() <= 1 / 20
    assert layer.weight.std().item() == pytest.approx(1 / 20 / math.sqrt(3), rel=0.02)
    assert torch.all(layer.weight_spread == 0.5 / 20)
    assert torch.all(layer.bias_spread == 0.5 / 20)


def test_noise_by_generator_under_inference_mode_and_learning_afterwards():
    one, other = NoisyLinear(4, 4), NoisyLinear(4, 4)
    with torch.inference_mode():
        one.resample(torch.Generator().manual_seed(1))
        one(torch.zeros(1, 4))
    other.resample(torch.Generator().manual_seed(1))
    assert torch.equal(one.input_noise, other.input_noise)
    assert torch.equal(one.output_noise, other.output_noise)
    one(torch.ones(1, 4)).sum().backward()
    assert one.weight_spread.grad.abs().sum() > 0
    assert set(one.state_dict()) == {"weight", "bias", "weight_spread", "bias_spread"}


# ----- growth


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("ends", [(-1.0, 9.0), (-6.0, 4.0)])
def test_growth_keeps_the_distributions_about_as_they_were(dueling, noisy, ends):
    head = DistributionalHead(4, 3, v_min=-1, v_max=4, atoms=51, dueling=dueling, noisy=noisy, hidden=8)
    with torch.no_grad():  # bell curves around 1 and 2, a spacing of 0.1
        bell = torch.stack([-((head.support - centre) ** 2) / 0.5 for centre in (1.0, 2.0, 2.0)])
        head.advantage[-1].bias.copy_(bell.flatten())
        if head.value is not None:
            head.value[-1].bias.copy_(bell.mean(0))
    memory = [weights.data_ptr() for weights in head.state_dict().values()]
    x = torch.randn(16, 4)
    before = head(x)
    head.grow(*ends)
    assert (head.support[0].item(), head.support[-1].item()) == ends
    assert memory == [weights.data_ptr() for weights in head.state_dict().values()]
    torch.testing.assert_close(head(x), before, atol=0.15, rtol=0)
    beyond = (head.support < -1.01) | (head.support > 4.01)
    assert head.log_probabilities(x).exp()[..., beyond].sum(2).max() < 0.02


def test_growth_to_the_same_range_changes_nothing():
    head = DistributionalHead(4, 3, v_min=-1, v_max=4, atoms=11, dueling=True)
    before = copy.deepcopy(head.state_dict())
    head.grow(-1, 4)
    for name, weights in head.state_dict().items():
        torch.testing.assert_close(weights, before[name])


def test_invalid_arguments_are_refused():
    head = DistributionalHead(4, 3, v_min=-1, v_max=4, atoms=11)
    with pytest.raises(ConfigurationError, match="may only grow"):
        head.grow(0, 4)
    with pytest.raises(ConfigurationError, match="may only grow"):
        head.grow(-1, math.inf)
    with pytest.raises(ConfigurationError, match="no support"):
        DistributionalHead(4, 3, v_min=1, v_max=1)
    with pytest.raises(ConfigurationError, match="actions=0"):
        ValueHead(4, 0)
