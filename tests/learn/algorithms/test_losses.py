import math

import pytest
import torch

from hocket.learn.algorithms.losses import (
    distribution_loss,
    distribution_targets,
    expected_values,
    margin_loss,
    project,
    q_loss,
    taken,
    td_targets,
)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float32)


def close(actual, *expected):
    torch.testing.assert_close(actual, tensor(*expected), rtol=1e-5, atol=1e-6)


def test_targets_take_the_largest_next_value():
    targets = td_targets(tensor(1.0, -2.0), tensor(0.9, 0.729), tensor([1.0, 3.0], [-4.0, -5.0]))
    # 1 + 0.9·3; −2 + 0.9³·(−4), three ticks long.
    close(targets, 3.7, -4.916)


def test_double_selection_takes_the_targets_value_of_the_online_networks_choice():
    rated, selector = tensor([1.0, 3.0, 2.0]), tensor([0.5, 0.1, 0.7])
    # The online network's choice is action 2, which the target network rates 2, not the largest 3 nor the online 0.7.
    close(td_targets(tensor(1.0), tensor(0.5), rated, next_selector=selector), 1 + 0.5 * 2)


@pytest.mark.parametrize("meaningless", [1e9, math.inf, math.nan])
def test_no_bootstrap_where_terminated(meaningless):
    next_values = tensor([meaningless, meaningless], [2.0, 1.0])
    close(td_targets(tensor(5.0, 5.0), tensor(0.0, 0.5), next_values), 5.0, 6.0)


def test_smooth_l1_with_weights_by_hand():
    values = tensor([0.0, 10.0], [1.0, 0.0], [7.0, 7.0])
    targets = tensor(10.5, 4.0, 7.0)
    # Errors 0.5, 3, 0: quadratic 0.5²/2 = 0.125, linear 3 − 0.5 = 2.5, and 0.
    plain = q_loss(values, torch.tensor([1, 0, 0]), targets)
    assert plain.value.item() == pytest.approx((0.125 + 2.5) / 3)
    close(plain.errors, 0.5, 3.0, 0.0)
    weighted = q_loss(values, torch.tensor([1, 0, 0]), targets, weights=tensor(1.0, 0.2, 1.0))
    assert weighted.value.item() == pytest.approx((0.125 + 0.2 * 2.5) / 3)
    close(weighted.errors, 0.5, 3.0, 0.0)


def test_gradients_flow_through_the_taken_values_alone():
    values = tensor([0.0, 10.0], [1.0, 0.0]).requires_grad_()
    next_values = tensor([4.0, 1.0], [1.0, 2.0]).requires_grad_()
    targets = td_targets(tensor(0.0, 0.0), tensor(1.0, 1.0), next_values, next_selector=next_values)
    assert not targets.requires_grad
    loss = q_loss(values, torch.tensor([1, 0]), targets)
    assert not loss.errors.requires_grad
    loss.value.backward()
    # Errors 4 − 10 = −6 and 2 − 1 = 1: slopes +1 and −1 (the corner), each over B = 2.
    close(values.grad, [0.0, 0.5], [-0.5, 0.0])
    assert next_values.grad is None


# ----- distributions: a support of −1, 0, 1, 2


SUPPORT = tensor(-1.0, 0.0, 1.0, 2.0)


def projected(probabilities, reward, discount):
    return project(tensor(probabilities), tensor(reward), tensor(discount), SUPPORT)[0]


def test_a_shift_onto_the_atoms_moves_the_mass_whole():
    close(projected([0.1, 0.2, 0.3, 0.4], 0.0, 1.0), 0.1, 0.2, 0.3, 0.4)
    # +1: −1→0, 0→1, 1→2, 2→3 clipped to 2.
    close(projected([0.1, 0.2, 0.3, 0.4], 1.0, 1.0), 0.0, 0.1, 0.2, 0.7)


def test_mass_between_atoms_is_shared_by_nearness():
    # 0.25 + 0.5·(−1, 0, 1, 2) = −0.25, 0.25, 0.75, 1.25.
    expected = [0.1 * 0.25, 0.1 * 0.75 + 0.2 * 0.75 + 0.3 * 0.25, 0.2 * 0.25 + 0.3 * 0.75 + 0.4 * 0.75, 0.4 * 0.25]
    close(projected([0.1, 0.2, 0.3, 0.4], 0.25, 0.5), *expected)


def test_both_ends_clip():
    close(projected([0.1, 0.2, 0.3, 0.4], 9.0, 1.0), 0.0, 0.0, 0.0, 1.0)
    close(projected([0.1, 0.2, 0.3, 0.4], -9.0, 1.0), 1.0, 0.0, 0.0, 0.0)


def test_a_terminated_transitions_target_is_its_reward():
    close(projected([0.1, 0.2, 0.3, 0.4], 1.0, 0.0), 0.0, 0.0, 1.0, 0.0)
    close(projected([0.1, 0.2, 0.3, 0.4], -0.75, 0.0), 0.75, 0.25, 0.0, 0.0)


def test_a_discount_over_several_ticks_and_a_negative_support():
    support = tensor(-4.0, -3.0, -2.0, -1.0)
    result = project(tensor([0.0, 1.0, 0.0, 0.0]), tensor(-1.9), tensor(0.9**2), support)[0]
    # −1.9 + 0.81·(−3) = −4.33, beyond the end. With reward −0.5: −2.93 = 0.93 of −3 and 0.07 of −2.
    close(result, 1.0, 0.0, 0.0, 0.0)
    result = project(tensor([0.0, 1.0, 0.0, 0.0]), tensor(-0.5), tensor(0.9**2), support)[0]
    close(result, 0.0, 0.93, 0.07, 0.0)


def test_projection_agrees_with_the_papers_loop_and_keeps_mass_and_mean():
    torch.manual_seed(0)
    batch, atoms = 64, 51
    support = torch.linspace(-10, 10, atoms, dtype=torch.float64)
    probabilities = torch.rand(batch, atoms, dtype=torch.float64).softmax(1)
    rewards, discounts = torch.randn(batch, dtype=torch.float64) * 4, torch.rand(batch, dtype=torch.float64)
    result = project(probabilities, rewards, discounts, support)
    expected = torch.zeros_like(probabilities)
    for row in range(batch):  # Bellemare et al. 2017, algorithm 1
        for j in range(atoms):
            b = (min(max(float(rewards[row] + discounts[row] * support[j]), -10), 10) + 10) / 0.4
            lower, upper = math.floor(b), math.ceil(b)
            expected[row, lower] += probabilities[row, j] * (upper - b if upper > lower else 1)
            expected[row, min(upper, atoms - 1)] += probabilities[row, j] * (b - lower)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(result.sum(1), torch.ones(batch, dtype=torch.float64))
    inside = rewards.abs() + 10 * discounts < 10
    assert inside.sum() > 5
    means = rewards + discounts * expected_values(probabilities, support)
    torch.testing.assert_close(expected_values(result, support)[inside], means[inside])


def test_distributional_double_selection():
    # Means: action 0 is surely 2, action 1 surely −1.
    next_probabilities = tensor([[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    reward, discount = tensor(0.0), tensor(1.0)
    close(distribution_targets(reward, discount, next_probabilities, SUPPORT)[0], 0.0, 0.0, 0.0, 1.0)
    selected = distribution_targets(reward, discount, next_probabilities, SUPPORT, next_selector=tensor([0.0, 1.0]))
    close(selected[0], 1.0, 0.0, 0.0, 0.0)


def test_cross_entropy_and_divergence_by_hand():
    log_probabilities = tensor([[0.5, 0.5], [0.1, 0.9]], [[0.25, 0.75], [0.5, 0.5]]).log()
    targets = tensor([0.0, 1.0], [0.25, 0.75])
    loss = distribution_loss(log_probabilities, torch.tensor([1, 0]), targets, weights=tensor(1.0, 0.5))
    first = -math.log(0.9)
    second = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert loss.value.item() == pytest.approx((first + 0.5 * second) / 2)
    # A sure target has no entropy; the second prediction is the target itself.
    close(loss.errors, first, 0.0)


def test_taken_picks_one_action_a_row():
    close(
        taken(tensor([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]), torch.tensor([1, 0])), [3.0, 4.0], [5.0, 6.0]
    )


def test_margin_loss_by_hand():
    values = torch.tensor([[1.0, 0.5, 0.0], [0.2, 0.1, 3.0], [5.0, 1.0, 1.0]], requires_grad=True)
    actions = torch.tensor([0, 1, 0])
    # max(1, 0.5 + 0.8, 0 + 0.8) − 1; max(0.2 + 0.8, 0.1, 3 + 0.8) − 0.1; max(5, 1.8, 1.8) − 5
    assert margin_loss(values, actions, 0.8).item() == pytest.approx((0.3 + 3.7 + 0) / 3)
    weighted = margin_loss(values, actions, 0.8, weights=torch.tensor([1.0, 0.5, 1.0]))
    assert weighted.item() == pytest.approx((0.3 + 1.85 + 0) / 3)
    weighted.backward()
    expected = torch.tensor([[-1, 1, 0], [0, -0.5, 0.5], [0, 0, 0]]) / 3
    torch.testing.assert_close(values.grad, expected)
