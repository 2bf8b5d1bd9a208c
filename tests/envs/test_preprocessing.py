import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from hocket.envs.null import NullEnv
from hocket.envs.preprocessing import check_frame_stack, grey_frames, stack_frames
from hocket.errors import ConfigurationError


class Picture(gym.Env):
    """Shows one brightness all over; it grows by 10 a step."""

    action_space = spaces.Discrete(1)

    def __init__(self, shape):
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.brightness = 0

    def _show(self):
        return np.full(self.observation_space.shape, self.brightness, np.uint8)

    def reset(self, *, seed=None, options=None):
        self.brightness = 50
        return self._show(), {}

    def step(self, action):
        self.brightness += 10
        return self._show(), 0.0, False, False, {}


@pytest.mark.parametrize("shape", [(21, 16), (21, 16, 3)])
def test_grey_square_frames_oldest_first(shape):
    env = grey_frames(Picture(shape), size=8, frame_stack=3)
    first, _ = env.reset(seed=0)
    assert env.observation_space == spaces.Box(0, 255, (3, 8, 8), np.uint8)
    assert first in env.observation_space
    # The first frame fills the stack. Grey weights sum to 0.9999999 or 1, so a grey of 50 is 49 or 50.
    assert np.abs(first.astype(int) - 50).max() <= 1
    env.step(0)
    third, *_ = env.step(0)
    assert np.abs(third.astype(int)[:, 0, 0] - [50, 60, 70]).max() <= 1
    assert np.abs(first.astype(int) - 50).max() <= 1  # observations are not overwritten by later ones


def test_one_frame_has_the_axis_too():
    env = grey_frames(Picture((21, 16)), size=8)
    assert env.observation_space.shape == (1, 8, 8)


def test_a_resize_averages_areas():
    env = grey_frames(Picture((2, 2)), size=1)
    env.env.env._show = lambda: np.array([[0, 100], [100, 200]], np.uint8)
    picture, _ = env.reset(seed=0)
    assert picture.item() == 100  # (0 + 100 + 100 + 200) / 4


def test_vectors_are_stacked():
    env = stack_frames(NullEnv(), 2)
    assert env.reset(seed=0)[0].tolist() == [[0], [0]]
    assert env.step(0)[0].tolist() == [[0], [1]]
    assert env.step(0)[0].tolist() == [[1], [2]]


@pytest.mark.parametrize("frame_stack", [0, -1, 1.5, True, None])
def test_a_stack_is_a_number_from_one(frame_stack):
    with pytest.raises(ConfigurationError, match="frame_stack"):
        check_frame_stack(frame_stack)


@pytest.mark.parametrize("size", [0, -84, 8.0])
def test_a_size_is_a_number_from_one(size):
    with pytest.raises(ConfigurationError, match="size"):
        grey_frames(Picture((21, 16)), size=size)


@pytest.mark.parametrize("env", [NullEnv(), NullEnv((8, 8), np.float32), NullEnv((8, 8, 4)), NullEnv((8, 8, 3, 1))])
def test_other_observations_are_refused(env):
    with pytest.raises(ConfigurationError, match="AddRenderObservation"):
        grey_frames(env)


def test_pictures_in_another_range_are_refused():
    dark = NullEnv((8, 8))
    dark.observation_space = spaces.Box(0, 1, (8, 8), np.uint8)
    with pytest.raises(ConfigurationError, match="resized"):
        grey_frames(dark, size=4)
