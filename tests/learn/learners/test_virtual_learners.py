import copy
import io

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.learn.replay.replay import Replay

torch = pytest.importorskip("torch")

from hocket.hooks.record import Moment  # noqa: E402
from hocket.learn.algorithms.dqn import DQN  # noqa: E402
from hocket.learn.algorithms.rainbow import Rainbow  # noqa: E402
from hocket.learn.algorithms.schedules import constant  # noqa: E402
from hocket.learn.learners.split_update import Updates  # noqa: E402
from hocket.learn.learners.virtual import VirtualLearners  # noqa: E402
from hocket.learn.replay.collector import Collector  # noqa: E402
from hocket.models.qnetwork import mlp_trunk, q_network  # noqa: E402
from hocket.spaces.codec import NOTHING_PENDING  # noqa: E402

SECOND = 1_000_000_000
AFTER, BEFORE = hocket.Learn.AFTER_INFERENCE, hocket.Learn.BEFORE_INFERENCE


class Noise(gym.Env):
    """Two numbers by chance; action 0 pays. In tick 60 ``reward`` is paid and ``shown`` is seen, if they are given."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, episode_ticks=10, reward=None, shown=None):
        self._episode_ticks, self._reward, self._shown = episode_ticks, reward, shown
        self._ticks = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.random(2, np.float32), {}

    def step(self, action):
        self._ticks += 1
        reward, seen = float(action == 0), self.np_random.random(2, np.float32)
        if self._ticks == 60:
            reward = reward if self._reward is None else self._reward
            seen = seen if self._shown is None else np.full_like(seen, self._shown)
        return seen, reward, False, self._ticks % self._episode_ticks == 0, {}


def small(seed=0, **options):
    torch.manual_seed(seed)
    return q_network(*mlp_trunk(2, hidden=8), 3, **options)


def in_turn(learners, *, update_every_ticks=1, warm_up_ticks=3):
    return hocket.RoundRobin(learners, update_every_ticks=update_every_ticks, warm_up_ticks=warm_up_ticks)


def learn(ticks, learner, learning_s, *, latency_s=0.5, rule=None, make_env=Noise, network=None, **options):
    """A tick a second; the first update may start at tick 3."""
    algorithm = options.pop("algorithm", DQN(batch_size=4, learning_rate=1e-2, target_ticks=5, n_step=1))
    known = {
        "replay": hocket.ReplayOptions(capacity=500),
        "evaluation": hocket.EvaluationOptions(every_ticks=1000, episodes=1),
    }
    return hocket.train(
        make_env,
        small() if network is None else network,
        algorithm,
        hocket.TickDispatch(2) if rule is None else rule,
        hocket.Virtual(hz=1, latency=hocket.Constant(latency_s), learning=hocket.Constant(learning_s)),
        ticks=ticks,
        learner=learner,
        **{**known, **options},
    )


def table(result):
    """Start, landing and staleness of every update; times in ticks."""
    rows = zip(result.started_ns, result.landed_ns, result.stalenesses, strict=True)
    return [(started / SECOND, landed / SECOND, staleness) for started, landed, staleness in rows]


def test_three_learners_of_two_and_a_half_ticks():
    # One is due each tick from tick 3 on, and one of three learners is always free by then. While an update runs, those
    # of the two ticks before it land: two but for the first ones.
    assert table(learn(11, in_turn(3), 2.5)) == [
        (3, 5.5, 0),
        (4, 6.5, 1),  # 5.5
        (5, 7.5, 2),  # 5.5, 6.5
        (6, 8.5, 2),  # 6.5, 7.5
        (7, 9.5, 2),
        (8, 10.5, 2),
    ]


def test_a_due_update_waits_for_the_first_free_learner():
    assert table(learn(12, in_turn(2), 2.5)) == [
        (3, 5.5, 0),
        (4, 6.5, 1),
        (5.5, 8, 1),  # due at 5; 6.5 landed meanwhile
        (6.5, 9, 1),
        (8, 10.5, 1),  # due at 7; starts before tick 8 is shown
        (9, 11.5, 1),
    ]


def test_as_many_as_they_can():
    # All three start at once, and from then on they land at the same time, in order, two behind.
    assert table(learn(9, in_turn(3, update_every_ticks=None), 2.5)) == [
        *[(3, 5.5, staleness) for staleness in (0, 1, 2)],
        *[(5.5, 8, 2)] * 3,
    ]
    with pytest.raises(ConfigurationError, match="update_every_ticks=None"):
        learn(9, in_turn(3, update_every_ticks=None), 0.0)


def test_one_synchronous_batch(monkeypatch):
    sizes, sample = [], Replay.sample

    def sampled(self, size, rng, *, beta=None):
        sizes.append(size)
        return sample(self, size, rng, beta=beta)

    monkeypatch.setattr(Replay, "sample", sampled)
    result = learn(11, hocket.ParallelBatch(3, update_every_ticks=1, warm_up_ticks=3), 2.5)
    assert table(result) == [(3, 5.5, 0), (5.5, 8, 0), (8, 10.5, 0)]
    assert sizes == [12] * 4  # the last one has not landed


def test_one_synchronous_batch_waits_for_its_slowest_learner():
    clock = hocket.Virtual(
        hz=1, latency=hocket.Constant(0.5), learning=hocket.PerWorker(hocket.Constant(1.0), (1.0, 2.5, 2.0))
    )
    result = hocket.train(
        Noise, small(), DQN(n_step=1), hocket.TickDispatch(2), clock, ticks=9,
        learner=hocket.ParallelBatch(3, update_every_ticks=1, warm_up_ticks=3),
        replay=hocket.ReplayOptions(capacity=100),
        evaluation=hocket.EvaluationOptions(every_ticks=1000, episodes=1),
    )  # fmt: skip
    assert table(result) == [(3, 5.5, 0), (5.5, 8, 0)]


@pytest.mark.parametrize(
    ("learning_s", "latency_s", "rule"),
    [(2.5, 1.3, hocket.Unstaggered(1)), (1.0, 0.5, hocket.TickDispatch(2)), (0.0, 1.3, hocket.Unstaggered(2))],
)
def test_an_inference_sees_what_has_landed_when_it_starts(learning_s, latency_s, rule):
    result = learn(60, in_turn(2, update_every_ticks=2), learning_s, latency_s=latency_s, rule=rule)
    inferences, landed_ns = result.run.metrics().inferences, np.asarray(result.landed_ns)
    done = inferences.finished_ns >= 0
    if learning_s:
        by_now = [(landed_ns <= started_ns).sum() for started_ns in inferences.started_ns[done]]
    else:  # an update that starts at a tick lands after the inferences that start there
        by_now = [(landed_ns < started_ns).sum() for started_ns in inferences.started_ns[done]]
    assert inferences.version[done].tolist() == by_now
    assert len(set(by_now)) > 20


def test_a_landing_between_two_ticks_by_hand():
    # Free-running inferences of 1.3 ticks start at 0, 1.3, 2.6, 3.9, 5.2, 6.5; the updates of ticks 4 and 6 take half
    # a tick: 4.5 lies between the starts at 3.9 and 5.2, and 6.5 is just when one starts.
    result = learn(8, in_turn(1, update_every_ticks=2), 0.5, latency_s=1.3, rule=hocket.Unstaggered(1))
    assert table(result) == [(4, 4.5, 0), (6, 6.5, 0)]
    assert result.run.metrics().inferences.version.tolist()[:6] == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(("order", "first"), [(AFTER, 9.5), (BEFORE, 12.0)])
def test_in_the_loop(order, first):
    # Inference 1.5, learning 2.2 ticks: a cycle of 4 ticks, with observations 0, 4, 8, ... The first transition is
    # there once the second decision has executed. After inference: in tick 6, learning is from 5.5 and from 9.5. Before
    # inference: in tick 8, but learning from 8 on begins with the observation, before the tick's transition is known.
    learner, rule = hocket.InLoop(warm_up_ticks=3), hocket.Sequential(order)
    result = learn(52, learner, 2.2, latency_s=1.5, rule=rule, make_env=lambda: Noise(1000))
    started = np.array(result.started_ns) / SECOND
    assert started.tolist() == pytest.approx([first + 4 * i for i in range(len(started))])
    assert (np.array(result.landed_ns) / SECOND).tolist() == pytest.approx((started + 2.2).tolist())
    assert set(result.stalenesses) == {0} and result.updates >= 9
    inferences = result.run.metrics().inferences
    done = inferences.finished_ns >= 0
    # The next observation waits for the landing, after which every inference sees one more.
    by_now = [(np.asarray(result.landed_ns) <= begun).sum() for begun in inferences.started_ns[done]]
    assert inferences.version[done].tolist() == by_now
    assert by_now[-5:] == list(range(by_now[-1] - 4, by_now[-1] + 1))


def test_no_time_is_the_plain_loop(monkeypatch):
    batches, sample = [], Replay.sample

    def sampled(self, *args, **options):
        batches.append(sample(self, *args, **options))
        return copy.deepcopy(batches[-1])

    monkeypatch.setattr(Replay, "sample", sampled)
    result = learn(200, in_turn(1, update_every_ticks=4, warm_up_ticks=50), 0.0)
    algorithm, online = DQN(batch_size=4, learning_rate=1e-2, target_ticks=5, n_step=1), small()
    target, optimizer, losses = algorithm.target_of(online), algorithm.optimizer(online), []
    sync = algorithm.target_sync()
    for tick, batch in zip(range(52, 201, 4), batches, strict=True):
        sync.before_update(online, target, tick, len(losses))
        losses.append(algorithm.update(online, target, optimizer, batch).loss)
    assert list(result.losses) == losses
    assert list(result.started_ns) == list(result.landed_ns) == [tick * SECOND for tick in range(52, 201, 4)]
    assert set(result.stalenesses) == {0}


def filled(network, algorithm, **options):
    replay = Replay(100, (2,), np.float32, n_step=algorithm.n_step, alpha=algorithm.alpha, **options)
    collector, rng = Collector(replay, gamma=0.9), np.random.default_rng(3)
    collector.began(rng.random(2, np.float32))
    for tick in range(1, 40):
        collector.ticked(moment(tick, rng))
    return collector


def moment(tick, rng):
    return Moment(
        tick=tick,
        decided_on=tick - 1,
        action=int(rng.integers(3)),
        pending_actions=NOTHING_PENDING,
        reward=float(rng.random()),
        terminated=False,
        truncated=False,
        observation=rng.random(2, np.float32),
        final_observation=None,
        final_pending_actions=NOTHING_PENDING,
    )


def test_a_gradient_is_of_the_weights_of_its_start():
    """Two gradients on the same weights, landing one after the other: as on networks of their own."""
    algorithm, network = DQN(batch_size=8, learning_rate=1e-2), small()
    collector = filled(network, algorithm)
    shared, rng = copy.deepcopy(network), np.random.default_rng(np.random.SeedSequence(5))
    optimizer, target = algorithm.optimizer(shared), algorithm.target_of(network)
    snapshots = [copy.deepcopy(network), copy.deepcopy(network)]
    for snapshot in snapshots:
        algorithm.gradients(snapshot, target, collector.replay.sample(8, rng))
    for snapshot in snapshots:
        for ours, theirs in zip(shared.parameters(), snapshot.parameters(), strict=True):
            ours.grad = theirs.grad
        optimizer.step()
    updates = Updates(algorithm=algorithm, network=network, replay=collector.replay, seed=np.random.SeedSequence(5))
    gradients = [updates.gradient(40), updates.gradient(40)]
    for gradient in gradients:
        updates.land(gradient)
    for ours, theirs in zip(network.parameters(), shared.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert updates.landed == 2


@pytest.mark.parametrize("ticks_between", [1, 4, 33])
def test_the_target_is_renewed_as_often_at_any_pace(ticks_between):
    """In 300 ticks with periods of 50: at the first update at or past 0, 50, ..., 250."""
    algorithm, network = DQN(batch_size=4, learning_rate=1e-2, target_ticks=50), small()
    collector = filled(network, algorithm)
    updates = Updates(algorithm=algorithm, network=network, replay=collector.replay, seed=np.random.SeedSequence(5))
    copied = []
    for tick in range(0, 300, ticks_between):
        before = [weights.clone() for weights in updates.target.parameters()]
        newest = [weights.clone() for weights in network.parameters()]
        updates.land(updates.gradient(tick))
        after = list(updates.target.parameters())
        if all(map(torch.equal, after, newest)):
            copied.append(tick)
        else:
            assert all(map(torch.equal, after, before))
    expected = [next(tick for tick in range(0, 300, ticks_between) if tick >= due) for due in range(0, 300, 50)]
    assert copied == expected and len(copied) == 6


def test_priorities_and_the_support_change_at_the_landing():
    algorithm = Rainbow(batch_size=8, n_step=1, noisy=False)
    network = small(support=(-1.0, 1.0), dueling=True)
    collector = filled(network, algorithm)
    updates = Updates(algorithm=algorithm, network=network, replay=collector.replay, seed=np.random.SeedSequence(5))
    seen = collector.replay.snapshot()["largest_priority"], network.head.support.clone()
    gradient = updates.gradient(40)
    assert collector.replay.snapshot()["largest_priority"] == seen[0] and network.head.support.equal(seen[1])
    updates.land(gradient)
    leaves = collector.replay.snapshot()["priorities"]
    assert len(set(leaves[np.unique(gradient.indices)])) > 1
    assert network.head.support[-1] > 1  # returns of up to 1 leave no margin below 1


@pytest.mark.parametrize("broken", [{"reward": 1e39}, {"shown": 3e38}])
def test_non_finite_values_end_learning_only(broken):
    with pytest.warns(RuntimeWarning, match="learning stopped at tick") as warned:
        result = learn(200, in_turn(2), 1.5, make_env=lambda: Noise(**broken))
    assert len(warned) == 1
    assert "only finite ones can be learned from" in result.error
    # One update a tick from tick 3 on; some 60 ticks later every broken transition has been in a batch.
    assert 50 < result.updates < 150
    assert result.run.summary().ticks == 200 and result.run.summary().coverage > 0.9
    assert np.isfinite(result.losses).all()
    assert all(torch.isfinite(weights).all() for weights in result.network.parameters())
    assert learn(30, in_turn(2), 1.5).error is None


def test_incompatible_options_are_refused():
    for learner, rule, says in (
        (hocket.InLoop(), hocket.TickDispatch(2), "never does"),
        (hocket.InLoop(), hocket.Sequential(), "never does"),
        (hocket.RoundRobin(1), hocket.Sequential(AFTER), "would wait"),
        (hocket.ParallelBatch(2), hocket.Sequential(BEFORE), "would wait"),
        (3, hocket.TickDispatch(2), "learner=3"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            learn(5, learner, 0.0, rule=rule)


class _Without(cloudpickle.CloudPickler):
    """Leaves out the replay, which is shared memory, and takes it from outside."""

    def persistent_id(self, value):
        return "replay" if isinstance(value, Replay) else None


@pytest.mark.slow
def test_in_the_middle_it_can_be_pickled_and_continues_alike():
    algorithm, network = Rainbow(batch_size=8), small(support=(-1.0, 1.0), dueling=True, noisy=True)
    collector = filled(network, algorithm)
    updates = Updates(algorithm=algorithm, network=network, replay=collector.replay, seed=np.random.SeedSequence(5))
    learners = VirtualLearners(
        in_turn(3), updates=updates, collector=collector, durations=hocket.LogNormal(2.5, 0.4),
        seed=np.random.SeedSequence(1),
    )  # fmt: skip

    def advance(learners, begin, end):
        rng = np.random.default_rng(begin)
        for tick in range(begin, end):
            learners.advance(tick * SECOND)
            learners.ticked(moment(tick, rng))

    advance(learners, 40, 60)
    assert learners._under_way
    pickled, kept = io.BytesIO(), collector.replay.snapshot()
    _Without(pickled).dump((learners, network))
    unpickler = cloudpickle.pickle.Unpickler(io.BytesIO(pickled.getvalue()))
    replay = Replay(100, (2,), np.float32, n_step=algorithm.n_step, alpha=algorithm.alpha)
    replay.restore(kept)
    unpickler.persistent_load = lambda name: replay
    again, its_network = unpickler.load()
    advance(learners, 60, 90)
    advance(again, 60, 90)
    assert again.log.losses == learners.log.losses and again.log.landed_ns == learners.log.landed_ns
    assert len(learners.log) > 40
    for ours, theirs in zip(network.parameters(), its_network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_late_binding_is_of_the_version_at_the_start():
    result = learn(
        80, in_turn(2), 1.5, latency_s=2.5, rule=hocket.TickDispatch(4), network=small(pending=2),
        acting=hocket.ActingOptions(epsilon=constant(0.2), late_binding=True), make_env=lambda: Noise(1000),
    )  # fmt: skip
    inferences, landed_ns = result.run.metrics().inferences, np.asarray(result.landed_ns)
    done = inferences.finished_ns >= 0
    assert done.sum() > 40
    by_now = [(landed_ns <= started_ns).sum() for started_ns in inferences.started_ns[done]]
    assert inferences.version[done].tolist() == by_now
    # One starts and one update lands each tick. Bound for the third tick from its start, while more land, it answers
    # by the weights of its start.
    assert set(np.diff(by_now[5:])) == {1}
    with pytest.raises(ConfigurationError, match="late_binding=True"):
        learn(80, in_turn(2), 1.5, acting=hocket.ActingOptions(late_binding=True))
