import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import hocket
from hocket.errors import ConfigurationError
from hocket.theory import AsyncMDP, InducedDelayedSemiMDP, TabularEnv, default_of, random_mdp


def world():
    base = random_mdp(3, 2, 4)
    return AsyncMDP(base.p, np.random.default_rng(0).uniform(size=(3, 2, 3)), default=base.p[:, :, 0] * 0 + 0.5)


def test_it_is_a_gymnasium_environment():
    check_env(TabularEnv(random_mdp(3, 2, 0)), skip_render_check=True)


def test_transitions_and_rewards_follow_the_tables():
    mdp = world()
    env, rng = TabularEnv(mdp), np.random.default_rng(1)
    state = int(env.reset(seed=0)[0][0])
    seen = np.zeros((3, 2, 3))
    for action in rng.integers(0, 2, 30_000).tolist():
        observation, reward, terminated, truncated, _ = env.step(action)
        after = int(observation[0])
        assert reward == mdp.r[state, action, after] and not (terminated or truncated)
        seen[state, action, after] += 1
        state = after
    visits = seen.sum(axis=2, keepdims=True)
    assert visits.min() > 500
    assert (np.abs(seen / visits - mdp.p) <= 4 * np.sqrt(0.25 / visits)).all()


def test_the_start_is_drawn():
    env = TabularEnv(AsyncMDP(np.full((2, 1, 2), 0.5), np.zeros((2, 1)), start=[0.25, 0.75]))
    first = [int(env.reset(seed=seed)[0][0]) for seed in range(2000)]
    assert np.mean(first) == pytest.approx(0.75, abs=0.04)


def test_impossible_transitions_do_not_happen():
    env = TabularEnv(AsyncMDP([[[0, 1, 0]], [[0, 0, 1]], [[1, 0, 0]]], np.zeros((3, 1))))
    env.reset(seed=0)
    assert [int(env.step(0)[0][0]) for _ in range(6)] == [1, 2, 0, 1, 2, 0]


def test_the_default_as_a_run_takes_it():
    assert default_of(random_mdp(3, 2, 0, default=1)) == hocket.Fixed(1)
    chances = np.array([[0.2, 0.8], [1, 0], [0, 1]])
    base = random_mdp(3, 2, 0)
    space = TabularEnv(base).action_space
    behaviour = default_of(AsyncMDP(base.p, base.r, default=chances), seed=1).bind(space, np.random.default_rng())
    drawn = [np.mean([behaviour(np.array([s]), None) for _ in range(2000)]) for s in range(3)]
    assert drawn == pytest.approx([0.8, 0, 1], abs=0.03)


def test_an_agent_with_unknown_pending_actions_is_refused():
    semi = InducedDelayedSemiMDP(random_mdp(3, 2, 0), 1, 3)
    decide = semi.agent(semi.best().policy).build()
    assert decide(np.array([1]), np.array([0, 1])) == semi.best().policy.table[1, 0, 1]
    with pytest.raises(ConfigurationError, match=r"pending actions \(0, 2\) are not all known"):
        decide(np.array([1]), np.array([0, 2]))
