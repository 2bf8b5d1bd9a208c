import copy
import pickle

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.schedules import constant

torch = pytest.importorskip("torch")

from hocket.learn.exploration import EpsilonGreedy, OwnNoise  # noqa: E402
from hocket.learn.policy import LearnedPolicy, greedy_policy  # noqa: E402
from hocket.learn.weights.shared_weights import SharedWeights  # noqa: E402
from hocket.models.qnetwork import mlp_trunk, newest_encoder, q_network  # noqa: E402

SEEN, PENDING_ACTIONS = np.array([0.3, 0.8], np.float32), np.array([2, 1, 3])
AS_INPUT = torch.from_numpy(SEEN)[None], torch.from_numpy(PENDING_ACTIONS)[None]


class Counting:
    """Weights that are one version newer, and larger by one, at every refresh."""

    def __init__(self):
        self.version = 0

    def reader(self, parts=()):
        return self

    def refresh(self, network):
        self.version += 1
        return self.version


class Far:
    tick = 10_000
    interval_ticks = 1


def small(**options):
    torch.manual_seed(1)
    return q_network(*mlp_trunk(2, hidden=8), 3, **options)


def shake(network):
    """New weights, in place."""
    with torch.no_grad():
        for weights in network.parameters():
            weights.normal_()


def by_chance(epsilon, seed=0):
    seed = None if seed is None else np.random.SeedSequence(seed)
    return EpsilonGreedy(actions=3, epsilon=constant(epsilon), ticks=Far(), seed=seed)


def test_greedy_answers_carry_their_version():
    network = small(pending=3)
    policy = LearnedPolicy(network=network, weights=Counting(), in_place=True, first_action=5, pending=3).build()
    for version in (1, 2, 3):
        assert (
            policy(SEEN, PENDING_ACTIONS)
            == 5 + int(network(*AS_INPUT).argmax())
            == greedy_policy(network, 5)(SEEN, PENDING_ACTIONS)
        )
        assert policy.version == version
        shake(network)


@pytest.mark.parametrize("head_s", [0.0, 0.001])
def test_random_actions_run_no_network(head_s):
    network = small(pending=3)
    network.head.forward = network.trunk.forward = None  # calling it is an error
    policy = LearnedPolicy(network=network, in_place=True, exploration=by_chance(1.0), pending=3, head_s=head_s).build()
    drawn = [policy(SEEN, PENDING_ACTIONS) for _ in range(300)]
    assert np.bincount(drawn).min() > 60
    again = LearnedPolicy(network=network, in_place=True, exploration=by_chance(1.0), pending=3, head_s=head_s).build()
    assert [again(SEEN, PENDING_ACTIONS) for _ in range(300)] == drawn


def test_epsilon_is_that_of_the_tick():
    network, clock = small(), Far()
    options = EpsilonGreedy(actions=3, epsilon=by_chance(0).epsilon, ticks=clock)
    policy = LearnedPolicy(network=network, in_place=True, exploration=options).build()
    assert len({policy(SEEN) for _ in range(50)}) == 1
    from hocket.learn.algorithms.schedules import Linear

    options = EpsilonGreedy(actions=3, epsilon=Linear(0.0, 1.0, 10), ticks=clock)
    policy = LearnedPolicy(network=network, in_place=True, exploration=options).build()
    clock.tick = 0
    assert len({policy(SEEN) for _ in range(50)}) == 1
    clock.tick = 10
    assert len({policy(SEEN) for _ in range(50)}) == 3


@pytest.mark.parametrize("interval_ticks", [1, 4, 8])
def test_epsilon_is_a_rate_per_tick(interval_ticks):
    """Of decisions that stand for m ticks 0.9^m are greedy: whatever m, 12,000 ticks without chance are as rare."""
    network, clock = small(), Far()
    clock.interval_ticks = interval_ticks
    network.forward = lambda *inputs: torch.tensor([[0.0, 0.0, 1.0]])
    options = EpsilonGreedy(actions=2, epsilon=by_chance(0.1).epsilon, ticks=clock, seed=np.random.SeedSequence(1))
    policy = LearnedPolicy(network=network, in_place=True, exploration=options).build()
    greedy = np.array([policy(SEEN) == 2 for _ in range(6000)])  # chance has actions 0 and 1 only
    assert greedy.mean() == pytest.approx(0.9**interval_ticks, abs=0.02)  # the standard error is at most 0.0065


def test_workers_of_their_own_have_weights_and_chances_of_their_own():
    network = small()
    factory = LearnedPolicy(network=network, exploration=by_chance(0.5, seed=None))
    one, other = factory.build(), factory.build()
    assert [one(SEEN) for _ in range(60)] != [other(SEEN) for _ in range(60)]
    factory = LearnedPolicy(network=network)
    before, kept = factory.build()(SEEN), factory.build()
    network.head.advantage[-1].bias.data[(before + 1) % 3] += 100
    assert kept(SEEN) == before != greedy_policy(network)(SEEN)


@pytest.mark.parametrize("head_s", [0.0, 0.001])
def test_noise_explores_and_greedy_is_quiet(head_s):
    network = small(pending=3, noisy=True)
    noisy = {"network": network, "in_place": True, "pending": 3, "head_s": head_s}
    policy = LearnedPolicy(**noisy, exploration=OwnNoise(seed=np.random.SeedSequence(0))).build()
    assert len({policy(SEEN, PENDING_ACTIONS) for _ in range(200)}) > 1
    network.resample_noise()
    quiet = LearnedPolicy(**noisy).build()
    means = copy.deepcopy(network)
    means.quieten()
    assert {quiet(SEEN, PENDING_ACTIONS) for _ in range(50)} == {int(means(*AS_INPUT).argmax())}


def test_a_late_head_is_of_the_version_of_its_trunk():
    """Many inferences under way at once, new weights between any two stages: as by networks of their own."""

    class Slow(Counting):
        def refresh(self, network):
            return self.version

    network, weights = small(pending=3, dueling=True, support=(-1.0, 1.0)), Slow()
    policy = LearnedPolicy(network=network, weights=weights, in_place=True, pending=3, head_s=0.001).build()
    rng, begun = np.random.default_rng(0), []
    for step in range(30):
        seen = rng.random(2, np.float32)
        begun.append((policy.trunk(seen), copy.deepcopy(network), seen, weights.version))
        if step % 3 == 2:
            shake(network)
            network.head.grow(*(network.head.support[[0, -1]] * 2).tolist())
            weights.version += 1
    answers = set()
    for features, snapshot, seen, version in begun:
        pending_actions = rng.integers(0, 4, 3)
        expected = int(snapshot(torch.from_numpy(seen)[None], torch.from_numpy(pending_actions)[None]).argmax())
        assert (policy.head(features, pending_actions), policy.version) == (expected, version)
        answers.add(expected)
    assert len(answers) > 1
    # One copy a version, and none of constant parts.
    assert len({id(features.kept.network) for features, *_ in begun}) == 10
    assert all(features.kept.network.trunk is network.trunk for features, *_ in begun)


def test_late_heads_that_have_run_make_room_for_newer_ones():
    network, weights = small(pending=3), Counting()
    policy = LearnedPolicy(network=network, weights=weights, in_place=True, pending=3, head_s=0.001).build()
    waiting, networks = [], set()
    for step in range(40):
        waiting.append((policy.trunk(SEEN), copy.deepcopy(network)))
        networks.add(id(waiting[-1][0].kept.network))
        shake(network)
        if len(waiting) > 3:
            begun, snapshot = waiting.pop(0)
            assert policy.head(begun, PENDING_ACTIONS) == int(snapshot(*AS_INPUT).argmax())
        if step == 20:
            waiting.pop()  # its episode has ended: its head never runs
    assert len(networks) <= 6


@pytest.mark.parametrize("head_s", [0.0, 0.001])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_used_policy_can_be_pickled(head_s, noisy):
    network = small(pending=3, noisy=noisy)
    exploration = OwnNoise() if noisy else by_chance(0.3)
    factory = LearnedPolicy(network=network, in_place=True, exploration=exploration, pending=3, head_s=head_s)
    policy = factory.build()
    for _ in range(10):
        policy(SEEN, PENDING_ACTIONS)
    features = policy.trunk(SEEN) if head_s else None
    again, its_features, its_network = pickle.loads(pickle.dumps((policy, features, network)))
    if head_s:
        assert policy.head(features, PENDING_ACTIONS) == again.head(its_features, PENDING_ACTIONS)
    assert [policy(SEEN, PENDING_ACTIONS) for _ in range(50)] == [again(SEEN, PENDING_ACTIONS) for _ in range(50)]
    # It still acts by the network that learns.
    torch.manual_seed(0)
    shake(network)
    torch.manual_seed(0)
    shake(its_network)
    fresh = factory.build()
    assert policy(SEEN, PENDING_ACTIONS) == again(SEEN, PENDING_ACTIONS)
    assert policy.trunk is not fresh.trunk if head_s else policy is not fresh


DELAY, ALONE = np.array([3]), np.array([0])
NEW = np.array([0.1, 0.9], np.float32)
ALL_UNKNOWN = np.array([3, 3, 3])


def seeing(**options):
    return small(pending=3, newest=newest_encoder((2,), units=4), **options)


def as_tensors(*arrays):
    return [torch.from_numpy(array)[None] for array in arrays]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_head_that_sees_the_newest_observation(in_place):
    network = seeing()
    factory = LearnedPolicy(network=network, in_place=in_place, first_action=5, pending=3, head_s=0.001)
    assert factory.newest and factory.tells_delay
    answers = set()
    for _ in range(30):
        shake(network)
        policy, alone = factory.build(), factory.build_alone()
        seen, codes, newest = as_tensors(SEEN, PENDING_ACTIONS, NEW)
        late = int(network(seen, codes, newest, torch.tensor([3])).argmax())
        first = int(network(seen, torch.tensor([[3, 3, 3]]), newest, torch.tensor([0])).argmax())
        assert policy.head(policy.trunk(SEEN), PENDING_ACTIONS, NEW, DELAY) == 5 + late
        assert alone.head(None, ALL_UNKNOWN, NEW, ALONE) == 5 + first
        answers |= {(late, first)}
    assert len(answers) > 3
    assert LearnedPolicy(network=small(pending=3), pending=3, head_s=0.001).build_alone() is None


def test_a_head_alone_is_of_the_newest_version_and_has_no_trunk_of_its_own():
    network, weights = seeing(), Counting()
    alone = LearnedPolicy(network=network, weights=weights, pending=3, head_s=0.001).build_alone()
    alone.head(None, ALL_UNKNOWN, NEW, ALONE)
    assert alone.version == 1
    alone.head(None, ALL_UNKNOWN, NEW, ALONE)
    assert alone.version == 2
    assert alone.head._network.trunk is network.trunk
    assert alone.head._network.head is not network.head


def test_a_head_alone_reads_its_own_part_of_shared_weights():
    network = seeing()
    weights = SharedWeights(network)
    trained = copy.deepcopy(network)
    shake(trained)
    alone = LearnedPolicy(network=network, weights=weights, pending=3, head_s=0.001).build_alone()
    with weights.writing() as (_, block):
        for mine, theirs in zip(block.weights, weights.layout.matching(trained), strict=True):
            mine.copy_(theirs.detach())
    before = [value.clone() for value in network.state_dict().values()]
    unknown, newest = as_tensors(ALL_UNKNOWN, NEW)
    expected = int(trained.from_features(None, unknown, newest, torch.tensor([0])).argmax())
    assert (alone.head(None, ALL_UNKNOWN, NEW, ALONE), alone.version) == (expected, 1)
    acting = alone.head._network
    for part in ("head", "newest"):
        ours, theirs = getattr(acting, part).state_dict(), getattr(trained, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    weights.close()


def test_a_head_alone_explores_by_random_numbers_of_its_own():
    factory = LearnedPolicy(network=seeing(), in_place=True, exploration=by_chance(1.0), pending=3, head_s=0.001)
    policy, alone = factory.build(), factory.build_alone()
    factory.warm_up_alone(alone, ALL_UNKNOWN, NEW, ALONE)  # draws nothing
    drawn = [alone.head(None, ALL_UNKNOWN, NEW, ALONE) for _ in range(300)]
    assert np.bincount(drawn).min() > 60
    assert drawn != [policy(SEEN, PENDING_ACTIONS, NEW, DELAY) for _ in range(300)]
    again = factory.build_alone()
    assert [again.head(None, ALL_UNKNOWN, NEW, ALONE) for _ in range(300)] == drawn


def test_late_heads_that_see_the_newest_observation_keep_the_encoder_of_their_version():
    network, weights = seeing(), Counting()
    policy = LearnedPolicy(network=network, weights=weights, in_place=True, pending=3, head_s=0.001).build()
    waiting, answers = [], set()
    for _ in range(30):
        waiting.append((policy.trunk(SEEN), copy.deepcopy(network)))
        shake(network)
        if len(waiting) > 3:
            begun, snapshot = waiting.pop(0)
            seen, codes, newest = as_tensors(SEEN, PENDING_ACTIONS, NEW)
            expected = int(snapshot(seen, codes, newest, torch.tensor([3])).argmax())
            assert policy.head(begun, PENDING_ACTIONS, NEW, DELAY) == expected
            answers.add(expected)
    assert len(answers) > 1


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigurationError, match=r"head_s=0 runs the network in one stage, and its head sees"):
        LearnedPolicy(network=seeing(), pending=3)
    with pytest.raises(ConfigurationError, match="no noise"):
        LearnedPolicy(network=torch.nn.Linear(2, 3), exploration=OwnNoise())
    with pytest.raises(ConfigurationError, match="one stage"):
        LearnedPolicy(network=torch.nn.Linear(2, 3), head_s=0.001)
