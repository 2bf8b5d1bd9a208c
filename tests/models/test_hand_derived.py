"""The gradient by hand is autograd's."""

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from hocket.errors import DivergenceError  # noqa: E402
from hocket.learn.algorithms.dqn import DQN  # noqa: E402
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN  # noqa: E402
from hocket.learn.replay.assembly import Batch  # noqa: E402
from hocket.models.hand_derived import HandDerived  # noqa: E402
from hocket.models.qnetwork import impala_trunk, minatar_trunk, mlp_trunk, newest_encoder, q_network  # noqa: E402

ACTIONS, SIZE = 3, 16
PLANES, ROW = (10, 10, 4), (5,)


def made(shape, pending, newest, hidden, seed, **options):
    torch.manual_seed(seed)
    trunk = minatar_trunk(4) if shape == PLANES else mlp_trunk(5)
    encoder = newest_encoder(shape, units=6) if newest else None
    return q_network(*trunk, ACTIONS, pending=pending, newest=encoder, hidden=hidden, **options)


def batch(shape, pending, newest, seed=0):
    rng = np.random.default_rng(seed)

    def frames(wanted=True):
        if not wanted:
            return np.zeros((SIZE, 0), np.float32)
        drawn = rng.standard_normal((SIZE, *shape)).astype(np.float32)
        return drawn > 1 if shape == PLANES else drawn

    return Batch(
        states=frames(),
        next_states=frames(),
        newest=frames(newest),
        next_newest=frames(newest),
        actions=rng.integers(ACTIONS, size=SIZE),
        rewards=3 * rng.standard_normal(SIZE).astype(np.float32),
        discounts=np.where(rng.random(SIZE) < 0.2, 0, 0.9).astype(np.float32),
        pending=rng.integers(ACTIONS + 1, size=(SIZE, pending)),
        next_pending=rng.integers(ACTIONS + 1, size=(SIZE, pending)),
        delays=rng.integers(6, size=SIZE),
        next_delays=rng.integers(6, size=SIZE),
        weights=rng.random(SIZE).astype(np.float32),
        present=frames(False),
        next_present=frames(False),
        indices=np.arange(SIZE),
    )


class Plain(nn.Module):
    """The same network, with nothing but ``forward``."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        return self.network(*inputs)


def gradients(network):
    return [weights.grad.clone() for weights in network.parameters()]


@pytest.mark.parametrize("shape", [PLANES, ROW])
@pytest.mark.parametrize("hidden", [None, 0, 7])
@pytest.mark.parametrize(("pending", "newest"), [(0, False), (3, False), (0, True), (3, True)])
@pytest.mark.parametrize("double", [False, True])
def test_its_updates_are_those_of_autograd(shape, hidden, pending, newest, double):
    algorithm = DQN(double=double, max_grad_norm=1.0)
    learning, rating = (made(shape, pending, newest, hidden, seed) for seed in (1, 2))
    assert isinstance(learning.by_hand(), HandDerived)
    plain = Plain(copy.deepcopy(learning))
    for seed in range(2):  # the second time in memory that has been used
        sample = batch(shape, pending, newest, seed)
        ours = algorithm.gradients(learning, rating, sample)
        theirs = algorithm.gradients(plain, Plain(rating), sample)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-4)
        assert ours.target_low == pytest.approx(theirs.target_low, rel=1e-5)
        assert ours.target_high == pytest.approx(theirs.target_high, rel=1e-5)
        np.testing.assert_allclose(ours.errors, theirs.errors, atol=1e-5)
        for one, other in zip(gradients(learning), gradients(plain), strict=True):
            assert other.abs().max() > 0
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_copy_has_its_own():
    network = made(ROW, 0, False, None, 1)
    assert network.by_hand() is network.by_hand()
    other = copy.deepcopy(network)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
    x = torch.ones(1, *ROW)
    assert network.by_hand().values(x).abs().max() == 0
    torch.testing.assert_close(other.by_hand().values(x), other(x).detach())
    assert other(x).abs().max() > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: made(ROW, 0, False, None, 1, dueling=True),
        lambda: made(ROW, 0, False, None, 1, noisy=True),
        lambda: made(ROW, 0, False, None, 1, support=(0.0, 1.0)),
        lambda: made(ROW, 0, False, None, 1).double(),
        lambda: q_network(*impala_trunk(1 / 16), ACTIONS),
        lambda: q_network(nn.Sequential(nn.Flatten(), nn.Linear(5, 4)), 4, ACTIONS),
    ],
)
def test_other_networks_are_left_to_autograd(make):
    assert make().by_hand() is None


def test_another_loss_is_left_to_autograd():
    learning, rating = (made(ROW, 0, False, None, seed) for seed in (1, 2))
    sample = batch(ROW, 0, False)
    shown = replace(sample, demonstrated=np.ones(SIZE, bool))
    with_margin = ImitatingDQN(margin=1.0).gradients(learning, rating, shown)
    without = DQN().gradients(learning, rating, sample)
    assert with_margin.loss > without.loss


def test_a_loss_that_is_not_finite_leaves_no_gradient():
    learning, rating = (made(ROW, 0, False, None, seed) for seed in (1, 2))
    sample = batch(ROW, 0, False)
    sample.rewards[3] = np.inf
    with pytest.raises(DivergenceError, match="loss of an update is inf"):
        DQN().gradients(learning, rating, sample)
    assert all(weights.grad is None for weights in learning.parameters())
