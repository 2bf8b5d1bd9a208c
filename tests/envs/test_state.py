"""A restored environment continues like the original."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from hocket.envs import make_env
from hocket.envs.state import restore, snapshot
from hocket.errors import CheckpointError

STATEFUL = [
    ("CartPole-v1", {}),
    ("CartPole-v1", {"frame_stack": 3}),
    ("Acrobot-v1", {}),
    ("Pendulum-v1", {}),
    ("MinAtar/Breakout-v1", {}),
    ("MinAtar/Seaquest-v1", {}),
    ("ALE/Boxing-v5", {}),
    ("ALE/Krull-v5", {"frame_stack": 4, "repeat_action_probability": 0.25}),
    ("hocket/Null-v0", {}),
]


@pytest.fixture(autouse=True)
def minatar():
    """MinAtar's games are registered for these tests only."""
    from minatar.gym import register_envs

    register_envs()
    yield
    for id in [id for id in gym.registry if id.startswith("MinAtar/")]:
        del gym.registry[id]


def play(env, actions):
    """The results of all steps and resets."""
    seen = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append((np.array(observation), float(reward), terminated, truncated))
        if terminated or truncated:
            seen.append((np.array(env.reset()[0]), 0.0, False, False))
    return seen


def same(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(one, other, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("id", "options"), STATEFUL)
def test_a_new_environment_continues_from_the_middle_of_an_episode(id, options):
    env = make_env(id, **options)
    env.reset(seed=3)
    env.action_space.seed(5)
    play(env, [env.action_space.sample() for _ in range(57)])
    state = snapshot(env)
    assert state is not None
    actions = [env.action_space.sample() for _ in range(400)]
    expected = play(env, actions)

    new = make_env(id, **options)
    restore(new, state)
    assert np.array_equal([new.action_space.sample() for _ in range(5)], actions[:5])
    assert same(play(new, actions), expected)

    used = make_env(id, **options)
    used.reset(seed=8)
    restore(used, state)
    assert same(play(used, actions), expected)


CHILD = """
import pickle, sys
import test_state as t

id, options, state, actions, expected = pickle.load(open(sys.argv[1], "rb"))
env = t.make_env(id, **options)
t.restore(env, state)
assert t.same(t.play(env, actions), expected)
print("alike")
"""


@pytest.mark.slow
def test_in_another_process(tmp_path, monkeypatch):
    import pickle

    id, options = "ALE/Boxing-v5", {"frame_stack": 2, "repeat_action_probability": 0.25}
    env = make_env(id, **options)
    env.reset(seed=3)
    actions = [int(a) for a in np.random.default_rng(0).integers(18, size=300)]
    play(env, actions[:100])
    state = snapshot(env)
    (tmp_path / "x").write_bytes(pickle.dumps((id, options, state, actions, play(env, actions))))
    monkeypatch.setenv("PYTHONPATH", ":".join([*sys.path, str(__file__).rpartition("/")[0]]))
    command = [sys.executable, "-c", CHILD, tmp_path / "x"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "alike\n"


def test_the_snapshot_stays_as_it_was_taken():
    env = make_env("CartPole-v1")
    env.reset(seed=1)
    state = snapshot(env)
    actions = [0, 1, 1, 0, 1]
    expected = play(env, actions)
    for _ in range(2):
        restore(env, state)
        assert same(play(env, actions), expected)


def test_the_snapshot_of_an_unpicklable_environment_is_none():
    env = make_env("CartPole-v1")
    env.reset(seed=1)
    env.unwrapped.window = (i for i in range(3))  # generators cannot be pickled
    assert snapshot(env) is None


def test_the_snapshot_of_an_environment_that_pickles_as_a_new_one_is_none():
    class Inner(gym.utils.EzPickle):
        def __init__(self):
            super().__init__()
            self.moved = 0

    env = make_env("CartPole-v1")
    env.reset(seed=1)
    env.unwrapped.simulator = Inner()
    assert snapshot(env) is None


def test_another_environment_is_refused():
    env = make_env("CartPole-v1")
    env.reset(seed=1)
    with pytest.raises(CheckpointError, match=r"CartPoleEnv.*this one is .*AcrobotEnv.*options"):
        restore(make_env("Acrobot-v1"), snapshot(env))
    with pytest.raises(CheckpointError, match="FrameStackObservation"):
        restore(make_env("CartPole-v1", frame_stack=2), snapshot(env))
