import math

import numpy as np
import pytest
from gymnasium import spaces

from hocket.errors import ConfigurationError

torch = pytest.importorskip("torch")

from hocket.models.actor_and_critics import (  # noqa: E402
    ActorCritic,
    actor_critic,
    perceptron,
    squashed,
    vector_trunk,
)

ACTIONS = spaces.Box(np.array([-2.0, 1.0], np.float32), np.array([2.0, 5.0], np.float32))


def made(actions=ACTIONS, **options):
    torch.manual_seed(0)
    return actor_critic(lambda: vector_trunk(3), actions, hidden=(8, 8), **options)


def parameters_of(*pairs):
    """(1, 2, n) of (mean, logarithm of the standard deviation) for each element."""
    return torch.tensor(pairs).T[None]


def test_squashed_actions_and_their_densities():
    parameters, noise = parameters_of((0.5, -1.0), (-0.25, 0.5)), torch.tensor([[0.3, -1.2]])
    actions, log_densities = squashed(parameters, noise)
    expected = 0.0
    for index, (mean, log_std, draw) in enumerate(((0.5, -1.0, 0.3), (-0.25, 0.5, -1.2))):
        action = math.tanh(mean + math.exp(log_std) * draw)
        assert actions[0, index].item() == pytest.approx(action, abs=1e-6)
        # The Gaussian's density over the derivative of tanh.
        expected += -(draw**2) / 2 - log_std - math.log(2 * math.pi) / 2 - math.log(1 - action**2 + 1e-6)
    assert log_densities.item() == pytest.approx(expected, abs=1e-5)


def test_densities_integrate_to_1():
    """Over the actions of one element, by quadrature."""
    noise = torch.linspace(-6, 6, 4001)[:, None]
    actions, log_densities = squashed(parameters_of((0.3, -0.5)).expand(4001, 2, 1), noise)
    assert torch.trapezoid(log_densities.exp(), actions[:, 0]).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_are_in_the_environment_s_units_and_within_its_bounds(dtype):
    actions = spaces.Box(np.array([-2.0, 1.0], dtype), np.array([2.0, 5.0], dtype), dtype=dtype)
    network = made(actions)
    parameters = parameters_of((0.5, 0.0), (-0.25, 0.0))
    mean = network.action(parameters, None)
    assert mean.dtype == dtype and mean in actions
    assert mean.tolist() == pytest.approx([2 * math.tanh(0.5), 3 + 2 * math.tanh(-0.25)], abs=1e-6)
    drawn = network.action(parameters, np.array([0.5, 0.25], np.float32))
    assert drawn.tolist() == pytest.approx([2 * math.tanh(1.0), 3.0], abs=1e-6)
    for far in (-1e9, 1e9):
        assert network.action(parameters_of((far, 0.0), (far, 0.0)), None) in actions
    assert network.scaled(torch.tensor([[2.0, 3.0], [-1.0, 1.0]])).tolist() == [[1.0, 0.0], [-0.5, -1.0]]


def test_bounds_of_any_size():
    largest = float(np.finfo(np.float32).max)
    actions = spaces.Box(np.array([-largest, 2.0], np.float32), np.array([largest, 2.0], np.float32))
    network = made(actions)
    action = network.action(parameters_of((9.0, 0.0), (9.0, 0.0)), None)
    assert np.isfinite(action).all() and action in actions
    assert network.scaled(torch.tensor([[largest / 2, 2.0]])).tolist() == [[0.5, 0.0]]


def test_actions_of_several_axes():
    actions = spaces.Box(-1, 1, (2, 2))
    network = made(actions, pending=1)
    output = network(torch.zeros(1, 3), torch.zeros(1, 1, 5))
    assert output.shape == (1, 2, 4) and network.action(output, np.zeros(4, np.float32)).shape == (2, 2)


def test_two_stages_are_one():
    network = made(pending=2)
    observation, pending = torch.randn(5, 3), torch.rand(5, 2, 3)
    torch.testing.assert_close(
        network.from_features(network.features(observation), pending), network(observation, pending)
    )
    assert network.critics(torch.rand(5, 2), observation, pending).shape == (2, 5)


def newest(**options):
    return made(newest=lambda: vector_trunk(3), **options)


def test_the_head_sees_the_newest_observation_and_its_delay():
    network = newest(pending=2)
    seen = []
    network.head = torch.nn.Sequential(perceptron(3 + 6 + 5 + 3, 4, ()))
    network.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].tolist()))
    late, now = torch.tensor([[7.0, 8.0, 9.0]]), torch.tensor([[4.0, 5.0, 6.0]])
    rows = torch.tensor([[[1.0, 5.0, 1.0], [0.0, 0.0, 0.0]]])
    for delay, codes in ((3, [0, 0, 0, 1, 0]), (4, [0, 0, 0, 0, 1]), (9, [0, 0, 0, 0, 1])):
        network(late, rows, now, torch.tensor([delay]))
        assert seen.pop() == [[7, 8, 9, 0.5, 1, 1, 0, 0, 0, *codes, 4, 5, 6]]
    # Without features, whatever is in their place.
    network(late, rows, now, torch.tensor([0]))
    network.from_features(None, rows, now, torch.tensor([0]))
    assert seen == [[[0, 0, 0, 0.5, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 4, 5, 6]]] * 2


def test_critics_see_what_the_actor_sees_or_the_observation_alone():
    inputs = torch.rand(5, 3), torch.rand(5, 2, 3), torch.rand(5, 3), torch.tensor([0, 1, 2, 3, 4])
    network = newest(pending=2)
    assert network.critics.late_inputs == (2, True)
    values = network.critics(torch.rand(5, 2), *inputs)
    assert values.shape == (2, 5) and not torch.equal(values[0], values[1])
    undelayed = newest(pending=2, undelayed=True)
    assert undelayed.critics.late_inputs == (0, False)
    assert undelayed.critics(torch.rand(5, 2), inputs[0]).shape == (2, 5)
    with pytest.raises(ConfigurationError, match=r"newest none, delays none; .* needs \(5, …\)"):
        network(*inputs[:2])
    with pytest.raises(ConfigurationError, match=r"delays \(1,\)"):
        network(*inputs[:3], torch.tensor([1]))


def test_pending_actions_are_scaled_and_unknown_ones_are_zeros():
    network = made(pending=2)
    seen = []
    network.head = torch.nn.Sequential(perceptron(3 + 6, 4, ()))
    network.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    observation = torch.tensor([[7.0, 8.0, 9.0]])
    network(observation, torch.tensor([[[1.0, 5.0, 1.0], [0.0, 0.0, 0.0]]]))
    assert seen[0].tolist() == [[7, 8, 9, 0.5, 1, 1, 0, 0, 0]]


def test_the_spread_stays_within_its_range():
    network = made()
    with torch.no_grad():
        network.head[-1].bias.copy_(torch.tensor([0.0, 0.0, 99.0, -99.0]))
    assert network(torch.zeros(1, 3))[0, 1].tolist() == [2.0, -20.0]


def test_bytes_are_scaled():
    network = made()
    picture = torch.tensor([[255, 0, 51]], dtype=torch.uint8)
    torch.testing.assert_close(network(picture), network(torch.tensor([[1.0, 0.0, 0.2]])))


def test_what_does_not_fit_is_refused():
    network = made(pending=2)
    with pytest.raises(ConfigurationError, match=r"shape \(1, 1, 3\); those of shape \(1, 2, 3\)"):
        network(torch.zeros(1, 3), torch.zeros(1, 1, 3))
    with pytest.raises(ConfigurationError, match="pending actions: none"):
        network(torch.zeros(1, 3))
    with pytest.raises(ConfigurationError, match="Box of floats, not Discrete"):
        made(spaces.Discrete(2))
    with pytest.raises(ConfigurationError, match="Box of floats, not Box"):
        made(spaces.Box(0, 3, (2,), np.int64))
    with pytest.raises(ConfigurationError, match=r"and .* has none; try "):
        made(spaces.Box(-np.inf, np.inf, (2,)))
    with pytest.raises(
        ConfigurationError, match=r"critics of 1 pending actions, without .* beside an actor of 2, without"
    ):
        ActorCritic(network.trunk, network.head, made(pending=1).critics, ACTIONS, features=3, pending=2)
