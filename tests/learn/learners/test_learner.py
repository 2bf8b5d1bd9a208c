import copy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from sharing import same, table, tabular_replay, tensors

from hocket.errors import DivergenceError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.learners.learner import Learner
from hocket.learn.weights.shared_weights import SharedWeights, WeightsReader

CALM = DQN(learning_rate=0.03, target_ticks=20)


pytestmark = pytest.mark.usefixtures("one_thread")


def learner(weights, replay, algorithm=CALM, network=None, seed=0):
    return Learner(
        algorithm=algorithm,
        network=copy.deepcopy(network) if network is not None else table(),
        weights=weights,
        replay=replay,
        seed=np.random.SeedSequence(seed),
    )


def test_one_alone_is_plain_learning():
    """Bit for bit `DeepQ.update` with its target sync on the batches that it draws; never stale."""
    replay, network = tabular_replay(), table()
    target, optimizer = CALM.target_of(network), CALM.optimizer(network)
    weights = SharedWeights(network)
    alone, rng = learner(weights, replay), np.random.default_rng(np.random.SeedSequence(0).spawn(2)[0])
    sync = CALM.target_sync()
    for number in range(100):
        update = alone.update(number)
        sync.before_update(network, target, number, number)
        result = CALM.update(network, target, optimizer, replay.sample(CALM.batch_size, rng))
        assert (update.number, update.staleness) == (number, 0)
        assert update.result.loss == result.loss
    acting = table()
    WeightsReader(weights).refresh(acting)
    assert same(acting, network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken(DQN):
    """Other learners update between its gradient and its turn."""

    others: list = field(default_factory=list)

    def gradients(self, online, target, batch, *, generator=None):
        result = DQN.gradients(self, online, target, batch, generator=generator)
        for other in self.others:
            assert other.update(0).staleness == 0
        return result


@pytest.mark.parametrize("shared", [False, True])
def test_staleness_is_how_many_came_in_between(shared):
    replay, weights = tabular_replay(), SharedWeights(table(), shared=shared)
    quick = learner(weights, replay, seed=1)
    slow = learner(weights, replay, Overtaken(others=[quick] * 3))
    update = slow.update(0)
    assert (update.number, update.staleness) == (3, 3)
    assert weights.version == 4


def test_the_target_is_of_the_first_update_in_a_period_of_ticks():
    replay, weights = tabular_replay(), SharedWeights(table())
    algorithm = DQN(learning_rate=0.03, target_ticks=3)
    watched, other = learner(weights, replay, algorithm), learner(weights, replay, algorithm, seed=1)

    def target():
        return [tensor.clone() for tensor in tensors(watched._target)]

    def newest():
        return list(map(torch.from_numpy, (v for k, v in weights.state().items() if k.startswith("weights."))))

    def equal(ours, theirs):
        return all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))

    other.update(0)
    of_version_1 = newest()
    for tick in (1, 2):  # on versions 1 and 2
        watched.update(tick)
        assert equal(target(), of_version_1)
    other.update(4)
    of_version_4 = newest()
    for tick in (5, 5, 5, 5):  # as many updates a tick as there may be
        watched.update(tick)
        assert equal(target(), of_version_4), "the first one at tick 3 or later"
    of_version_8 = newest()
    watched.update(9)
    assert equal(target(), of_version_8)


@pytest.mark.slow
def test_a_support_grows_for_all_learners():
    """One learner meets a return of −10; the other's older target covers it as well."""
    algorithm = Rainbow(noisy=False, dueling=False, learning_rate=0.03, alpha=None, n_step=1)
    network = table(support=(-1.0, 1.0))
    weights = SharedWeights(network)
    far = learner(weights, tabular_replay([(0, 0, -10.0, 1, None)]), algorithm, network)
    near = learner(weights, tabular_replay([(1, 0, 0.5, 1, None)]), algorithm, network)
    near.update(0)
    for _ in range(400):
        far.update(0)
        near.update(0)
        assert near._target.head.support[0] <= -10
    WeightsReader(weights).refresh(network)
    assert network(torch.eye(3))[:2, 0].tolist() == pytest.approx([-10, 0.5], abs=0.2)


def test_priorities_follow():
    replay = tabular_replay(alpha=1.0)
    weights = SharedWeights(table())
    alone = learner(weights, replay, DQN(alpha=1.0, batch_size=64))
    update = alone.update(0)
    assert len(update.result.errors) == 64
    kept = replay.snapshot()["priorities"]
    assert kept.max() == pytest.approx(np.abs(update.result.errors).max(), abs=1e-5)


def test_nothing_lands_after_a_stop():
    replay, weights = tabular_replay(), SharedWeights(table())
    before = weights.state()
    assert learner(weights, replay).update(0, stopped=lambda: True) is None
    after = weights.state()
    assert weights.version == 0
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_divergence_changes_nothing():
    replay = tabular_replay([(0, 0, 1.0, 1, None)])
    replay._arrays["records"]["reward"][0] = np.nan
    weights = SharedWeights(table())
    before = weights.state()
    with pytest.raises(DivergenceError, match="loss of an update is nan"):
        learner(weights, replay).update(0)
    after = weights.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)
