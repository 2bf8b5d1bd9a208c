import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hocket.envs.null import NullEnv
from hocket.envs.registration import register_environments
from hocket.errors import ConfigurationError


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float32])
def test_gymnasiums_checker_passes(dtype):
    check_env(NullEnv((2, 3), dtype), skip_render_check=True)


def test_it_counts():
    env = NullEnv((2, 2), actions=3)
    assert env.reset(seed=0)[0].tolist() == [[0, 0], [0, 0]]
    assert env.step(2)[0].tolist() == [[1, 0], [0, 0]]
    assert env.step(0)[0].tolist() == [[2, 0], [0, 0]]
    assert env.reset()[0].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("dtype", "modulus"), [(np.uint8, 256), (np.int8, 128), (np.uint16, 65_536), (np.float64, 256)]
)
def test_the_count_wraps_inside_the_space(dtype, modulus):
    env = NullEnv(dtype=dtype)
    env.reset()
    counts = [env.step(0)[0] for _ in range(modulus + 1)]
    assert all(count in env.observation_space for count in counts[-3:])
    assert [counts[-3].item(), counts[-2].item(), counts[-1].item()] == [modulus - 1, 0, 1]


def test_an_observation_keeps_its_value():
    env = NullEnv()
    first, _ = env.reset()
    env.step(0)
    assert first.item() == 0


def test_an_episode_is_truncated_at_its_length():
    env = NullEnv(episode_ticks=2)
    env.reset()
    assert env.step(0)[1:] == (0.0, False, False, {})
    assert env.step(0)[1:] == (0.0, False, True, {})


def test_it_is_registered_once_and_bare():
    register_environments()
    env = gym.make("hocket/Null-v0", episode_ticks=5)
    assert isinstance(env, NullEnv)
    assert env.episode_ticks == 5


@pytest.mark.parametrize(
    "option",
    [
        {"observation_shape": ()},
        {"observation_shape": (0,)},
        {"dtype": np.bool_},
        {"actions": 0},
        {"episode_ticks": 0},
    ],
)
def test_bad_options_are_refused_by_name(option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        NullEnv(**option)
