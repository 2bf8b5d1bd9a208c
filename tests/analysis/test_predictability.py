import random

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.analysis.predictability import _correlations, _distances, _fit
from hocket.envs import make_env
from hocket.envs.null import NullEnv
from hocket.envs.state import reseed
from hocket.errors import ActionError, ConfigurationError, EnvError
from hocket.theory import TabularEnv, random_mdp, ring


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99, 1.0])
def test_the_rings_dial_is_read_off(rho):
    found = hocket.estimate_predictability(lambda: TabularEnv(ring(6, rho)), states=300, before_ticks=5)
    assert found.low <= found.value <= found.high
    spread = {0.5: 0.12, 0.9: 0.02, 0.99: 0.004, 1.0: 0.0}[rho]
    assert abs(found.value - rho) <= spread
    assert found.low - 0.02 <= rho <= found.high + 0.02
    # The correlation after n ticks is ρ^(2n), for any number of states.
    assert found.correlations[0] == pytest.approx(rho**2, abs=0.15)


@pytest.mark.slow
def test_intervals_hold_the_true_value_at_about_their_confidence():
    hits = 0
    for seed in range(20):
        found = hocket.estimate_predictability(
            lambda: TabularEnv(ring(4, 0.9)), states=60, before_ticks=3, horizons=(1, 2, 4, 8), seed=seed
        )
        hits += found.low <= 0.9 <= found.high
    assert hits >= 15  # 19 expected


def test_deterministic_worlds():
    for env in ("CartPole-v1", "Pendulum-v1"):
        found = hocket.estimate_predictability(lambda env=env: make_env(env), states=10)
        assert (found.value, found.low, found.high) == (1, 1, 1)
        assert found.sources > 0  # there is chance, in the start
    found = hocket.estimate_predictability(NullEnv, states=4)
    assert found.value == 1


def test_actions_may_come_from_a_policy():
    class Noisy(gym.Env):
        """Counts; action 1 throws dice."""

        observation_space = gym.spaces.Box(-1e9, 1e9, (1,))
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.x = float(self.np_random.normal())
            return np.array([self.x]), {}

        def step(self, action):
            self.x = float(self.np_random.normal()) if action else self.x
            return np.array([self.x]), 0.0, False, False, {}

    calm = hocket.estimate_predictability(Noisy, policy=lambda observation: 0, states=30, before_ticks=2)
    assert calm.value == 1
    wild = hocket.estimate_predictability(Noisy, policy=lambda observation: 1, states=60, before_ticks=2)
    assert wild.value < 0.6 and wild.correlations[0] == pytest.approx(0, abs=0.4)


def test_the_outcome_can_be_chosen():
    def pair():
        return gym.wrappers.TransformObservation(
            TabularEnv(ring(5, 0.8)), lambda o: np.array([o[0], 7.0]), gym.spaces.Box(0, 9, (2,))
        )

    assert hocket.estimate_predictability(pair, states=20, outcome=lambda o: o[1:]).value == 1
    assert hocket.estimate_predictability(pair, states=100, outcome=lambda o: o[:1]).value < 0.9


def test_an_environment_that_does_not_repeat_itself_is_refused():
    class Wanton(NullEnv):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            observation[0] = random.SystemRandom().randrange(256)
            return observation, info

    with pytest.raises(ConfigurationError, match="different observations for the same seed"):
        hocket.estimate_predictability(Wanton, states=5, before_ticks=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"horizons": ()}, "horizons"),
        ({"horizons": (0, 1)}, "horizons"),
        ({"states": 1}, "at least 2"),
        ({"policy": hocket.FunctionPolicy(lambda o: 0, chunk_length=2)}, "one action"),
    ],
)
def test_invalid_options_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        hocket.estimate_predictability(NullEnv, **options)


def test_a_limit_leaves_ten_states():
    assert hocket.estimate_predictability(NullEnv, limit_s=0).states == 10


def test_correlations_by_hand():
    # Three states, one step, one number: pairs (0, 0), (1, 3), (2, 0). Mean 1, variance 8/5 over six.
    apart, unrelated = _distances(np.array([[[0.0]], [[1.0]], [[2.0]]]), np.array([[[0.0]], [[3.0]], [[0.0]]]))
    assert apart[:, 0] == pytest.approx(np.array([0, 4, 4]) / 1.6)
    assert unrelated[:, 0] == pytest.approx(np.array([2, 4, 2]) / 1.6 * 1.5)
    assert _correlations(apart.sum(0), unrelated.sum(0)) == pytest.approx([1 - 8 / 12])
    steps = (1, 2, 8)
    exact = np.array([[0.97 ** (2 * n) for n in steps]])
    assert _fit(exact, steps) == pytest.approx([0.97], abs=2e-4)


def test_new_chance_leaves_the_state():
    env = TabularEnv(random_mdp(5, 2, 0))
    env.reset(seed=1)
    for _ in range(7):
        env.step(0)
    state = env._state
    assert reseed(env, 5) >= 1 and env._state == state
    path = [int(env.step(0)[0][0]) for _ in range(20)]
    env.reset(seed=2)
    env._state = state
    reseed(env, 5)
    assert [int(env.step(0)[0][0]) for _ in range(20)] == path


def test_generators_of_every_kind_are_found_once():
    class Many(NullEnv):
        def __init__(self):
            super().__init__()
            self.rng = np.random.default_rng(0)
            self.inside = {"again": self.rng, "old": [np.random.RandomState(0)], "python": random.Random(0)}

    env, other = gym.Wrapper(Many()), gym.Wrapper(Many())
    assert reseed(env, 3) == reseed(other, 3) == 3
    for read in (
        lambda e: e.unwrapped.rng.random(),
        lambda e: e.unwrapped.inside["old"][0].random(),
        lambda e: e.unwrapped.inside["python"].random(),
    ):
        assert read(env) == read(other)
    assert env.unwrapped.rng.random() != np.random.default_rng(0).random()


@pytest.mark.slow
def test_ataris_chance_lies_in_its_emulator():
    pytest.importorskip("ale_py")

    def played(seed):
        env = make_env("ALE/Boxing-v5", repeat_action_probability=0.25)
        env.reset(seed=0)
        for _ in range(60):
            env.step(3)
        before = env.unwrapped.ale.getRAM().copy()
        assert reseed(env, seed) >= 1
        assert (env.unwrapped.ale.getRAM() == before).all()
        rng = np.random.default_rng(0)
        for _ in range(120):
            env.step(int(rng.integers(18)))
        after = env.unwrapped.ale.getRAM().copy()
        env.close()
        return after

    assert (played(1) == played(1)).all()
    assert (played(1) != played(2)).any()


class Scaling(gym.Env):
    """Scales its action in place, and hands out its one buffer of observations."""

    observation_space = gym.spaces.Box(-100, 100, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))
    got = ()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = np.zeros(1, np.float32)
        return self.seen, {}

    def step(self, action):
        Scaling.got.append(float(action[0]))
        action *= 10
        self.seen += action / 100
        return self.seen, 0.0, False, False, {}


ONE_ARRAY = np.array([0.5], np.float32)


def spoiling(observation):
    """Changes its observation, and returns its one array."""
    assert abs(observation[0]) < 99
    observation[:] = 99
    return ONE_ARRAY


@pytest.mark.parametrize("policy", [None, spoiling])
def test_neither_environment_nor_policy_is_given_what_another_holds(policy, monkeypatch):
    monkeypatch.setattr(Scaling, "got", [])
    Scaling.action_space.seed(3)
    alike = gym.spaces.Box(-1, 1, (1,))
    alike.seed(3)

    def spoilt(observation):
        result = observation.copy()
        observation[:] = 99
        return result

    found = hocket.estimate_predictability(
        Scaling, policy=policy, states=4, before_ticks=3, horizons=(1, 2), outcome=spoilt
    )
    assert found.value == 1  # deterministic
    assert max(map(abs, Scaling.got)) <= 1
    assert policy is None or set(Scaling.got) == {0.5}
    assert Scaling.action_space.sample() == alike.sample()  # the user's space is not drawn from


class Giving(NullEnv):
    """Gives something else than it declares, from the third step on."""

    def __init__(self, **values):
        super().__init__((2,), dtype=np.float32)
        self.values, self.steps = values, 0

    def step(self, action):
        self.steps += 1
        names = ("observation", "reward", "terminated", "truncated", "info")
        given = dict(zip(names, super().step(action), strict=True))
        if self.steps >= 3:
            given.update(self.values)
        return tuple(given.values())


@pytest.mark.parametrize(
    "values",
    [
        {"observation": np.zeros(3, np.float32)},
        {"observation": None},
        {"observation": {"a": 1}},
        {"observation": np.full(2, np.nan, np.float32)},
        {"reward": None},
        {"reward": np.inf},
        {"reward": "1"},
        {"terminated": "x"},
    ],
    ids=str,
)
def test_values_of_environments_are_checked_as_in_a_run(values):
    with pytest.raises(EnvError, match=r"of Giving"):
        hocket.estimate_predictability(lambda: Giving(**values), states=2, before_ticks=0, horizons=(8,))


def test_a_reset_without_info_is_refused_and_an_action_outside_too():
    class Bare(NullEnv):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)[0]

    with pytest.raises(EnvError, match=r"reset\(\) of Bare"):
        hocket.estimate_predictability(Bare, states=2)
    with pytest.raises(ActionError, match="outside"):
        hocket.estimate_predictability(NullEnv, policy=lambda observation: 99, states=2)
