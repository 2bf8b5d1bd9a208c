"""The losses on arrays are those on tensors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.learn.algorithms import losses, small_losses  # noqa: E402


@pytest.fixture
def numbers():
    rng = np.random.default_rng(4)
    return {
        "rewards": 2 * rng.standard_normal(12).astype(np.float32),
        "discounts": np.where(rng.random(12) < 0.3, 0, 0.9).astype(np.float32),
        "values": rng.standard_normal((12, 3)).astype(np.float32),
        "selector": rng.standard_normal((12, 3)).astype(np.float32),
        "actions": rng.integers(3, size=12),
        "weights": rng.random(12).astype(np.float32),
    }


@pytest.mark.parametrize("double", [False, True])
def test_targets(numbers, double):
    selector = numbers["selector"] if double else None
    ours = small_losses.td_targets(numbers["rewards"], numbers["discounts"], numbers["values"], selector)
    theirs = losses.td_targets(
        *(torch.from_numpy(numbers[name]) for name in ("rewards", "discounts", "values")),
        next_selector=torch.from_numpy(selector) if double else None,
    )
    np.testing.assert_array_equal(ours, theirs.numpy())
    assert ours.dtype == np.float32


def test_the_next_value_of_a_terminated_transition_does_not_matter():
    values = np.full((2, 3), np.inf, np.float32)
    values[1] = 1.0
    targets = small_losses.td_targets(np.ones(2, np.float32), np.array([0, 0.5], np.float32), values, None)
    np.testing.assert_array_equal(targets, [1.0, 1.5])


def test_loss_errors_and_slopes(numbers):
    targets = np.linspace(-4, 4, 12).astype(np.float32)
    loss, errors, slopes = small_losses.q_loss(numbers["values"], numbers["actions"], targets, numbers["weights"])
    values = torch.from_numpy(numbers["values"]).requires_grad_()
    theirs = losses.q_loss(
        values,
        torch.from_numpy(numbers["actions"]),
        torch.from_numpy(targets),
        weights=torch.from_numpy(numbers["weights"]),
    )
    theirs.value.backward()
    assert loss == pytest.approx(theirs.value.item(), rel=1e-6)
    np.testing.assert_array_equal(errors, theirs.errors.numpy())
    np.testing.assert_allclose(slopes, values.grad.numpy(), rtol=1e-6)
    assert (abs(errors) > 1).any() and (abs(errors) < 1).any()


def test_one_error_by_hand():
    # An error of 2 beyond the square: a loss of 2 − 1/2, a slope of −1; times the weight 1/2, over two transitions.
    loss, errors, slopes = small_losses.q_loss(
        np.array([[1, 5], [0, 0]], np.float32),
        np.array([0, 1]),
        np.array([3, 0], np.float32),
        np.array([0.5, 1], np.float32),
    )
    assert loss == 0.375
    np.testing.assert_array_equal(errors, [2, 0])
    np.testing.assert_array_equal(slopes, [[-0.25, 0], [0, 0]])
