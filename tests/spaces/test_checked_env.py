"""An environment's values are checked against its spaces: converted if harmless, else refused by name."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

import hocket
from hocket.spaces import CheckedEnv, ObservationCheck

SPACE = Box(-1, 1, (3,), np.float32)


class Given(gym.Env):
    """Returns preset values."""

    action_space = Discrete(2)

    def __init__(self, step=None, reset=None, space=SPACE):
        self.observation_space = space
        zeros = np.zeros(space.shape, space.dtype) if isinstance(space, Box) else None
        self.given_by_step = (zeros, 1.0, False, False, {}) if step is None else step
        self.given_by_reset = (zeros, {}) if reset is None else reset

    def reset(self, *, seed=None, options=None):
        return self.given_by_reset

    def step(self, action):
        return self.given_by_step


def check(observation, space=SPACE):
    return ObservationCheck(space, "Toy-v0")(observation)


def refused(observation, *words, space=SPACE):
    with pytest.raises(hocket.EnvError) as caught:
        check(observation, space)
    for word in ("Toy-v0", str(space), *words):
        assert word in str(caught.value)


def test_an_observation_that_fits_is_not_copied():
    observation = np.ones(3, np.float32)
    assert check(observation) is observation


@pytest.mark.parametrize(
    "observation",
    [[0, 1, 0.5], (0, 1, 0.5), np.array([0, 1, 0.5]), np.array([0, 1, 0.5], np.float16), np.array([0, 1, 0.5], ">f4")],
)
def test_harmless_differences_are_converted(observation):
    converted = check(observation)
    assert converted.dtype == np.float32 and converted.tolist() == [0, 1, 0.5]


def test_numbers_are_observations_of_a_space_of_one():
    assert check(0.5, Box(0, 1, (1,))).tolist() == [0.5]
    assert check(np.float64(0.5), Box(0, 1, ())).tolist() == 0.5


def test_whole_numbers_fit_a_space_of_bytes():
    pixels = Box(0, 255, (2,), np.uint8)
    assert check([0, 255], pixels).dtype == np.uint8
    refused([3.0, 4.0], "float64 values that uint8 cannot hold", space=pixels)  # the next may be 3.5
    refused([0, 256], "int64 values that uint8 cannot hold", space=pixels)
    refused(np.array([0.5, 1]), "float64 values that uint8 cannot hold", space=pixels)
    refused([np.nan, 1], "float64 values that uint8 cannot hold", space=pixels)


@pytest.mark.parametrize(
    ("observation", "fault"),
    [
        (np.zeros(4, np.float32), "has shape (4,), not (3,)"),
        (np.zeros((1, 3), np.float32), "has shape (1, 3), not (3,)"),
        (0.5, "has shape (), not (3,)"),
        ([0, [1], 2], "does not turn into an array"),
        ({"a": 1}, "holds object, not numbers"),
        (None, "holds object, not numbers"),
        (["0", "1", "2"], "not numbers"),
        (np.zeros(3, np.complex64), "holds complex64, not numbers"),
        (np.array([0, np.nan, 0], np.float32), "NaN or infinity, first at index [1]"),
        ([0, 0, np.inf], "NaN or infinity, first at index [2]"),
        ([0, 0, 1e39], "NaN or infinity, first at index [2]"),
    ],
)
def test_unconvertible_values_are_refused(observation, fault):
    refused(observation, fault)


def test_large_finite_numbers_are_not_taken_for_infinite():
    large = np.full(3, 3e38, np.float32)  # their squares are infinite in float32
    assert check(large) is large


@pytest.mark.parametrize(("reward", "number"), [(1, 1.0), (np.float32(0.5), 0.5), (np.array([1.0]), 1.0), (True, 1.0)])
def test_rewards_are_floats(reward, number):
    got = CheckedEnv(Given((np.zeros(3), reward, False, False, {}))).step(0)[1]
    assert type(got) is float and got == number


@pytest.mark.parametrize("reward", [None, float("nan"), np.nan, -np.inf, "1", np.zeros(2), [1, [2]], 1j])
def test_rewards_that_are_no_numbers_are_refused(reward):
    with pytest.raises(hocket.EnvError, match=r"reward .* of Given is not a finite number"):
        CheckedEnv(Given((np.zeros(3), reward, False, False, {}))).step(0)


@pytest.mark.parametrize("end", [True, 1, np.True_, np.array([True])])
def test_ends_are_bools(end):
    _, _, terminated, truncated, _ = CheckedEnv(Given((np.zeros(3), 0.0, end, end, {}))).step(0)
    assert terminated is True and truncated is True


@pytest.mark.parametrize("end", [None, 2, "no", {}, np.zeros(2, bool)])
def test_ends_that_are_no_bools_are_refused(end):
    with pytest.raises(hocket.EnvError, match=r"terminated=.* of Given is not True or False"):
        CheckedEnv(Given((np.zeros(3), 0.0, end, False, {}))).step(0)
    with pytest.raises(hocket.EnvError, match=r"truncated=.* of Given is not True or False"):
        CheckedEnv(Given((np.zeros(3), 0.0, False, end, {}))).step(0)


@pytest.mark.parametrize("result", [(np.zeros(3), 1.0, False, {}), np.zeros(3), None])
def test_a_step_of_the_old_kind_is_refused(result):
    env = Given()
    env.given_by_step = result
    with pytest.raises(hocket.EnvError, match=r"step\(\) of Given returned .*; 5 values are needed"):
        CheckedEnv(env).step(0)


@pytest.mark.parametrize("result", [np.zeros(3), np.zeros(2), (np.zeros(3), 0.0), (0, 1, 2), None])
def test_a_reset_without_info_is_refused(result):
    env = Given()
    env.given_by_reset = result
    with pytest.raises(hocket.EnvError, match=r"reset\(\) of Given returned .*; an observation and a dict of info"):
        CheckedEnv(env).reset()


def test_a_reset_is_checked():
    observation, info = CheckedEnv(Given(reset=([1, 0, 0], {"level": 3}))).reset(seed=1)
    assert observation.dtype == np.float32 and observation.tolist() == [1, 0, 0] and info == {"level": 3}
    assert CheckedEnv(Given(reset=([1, 0, 0], None))).reset()[1] == {}
    with pytest.raises(hocket.EnvError, match=r"has shape \(2,\), not \(3,\)"):
        CheckedEnv(Given(reset=([1, 0], {}))).reset()


def test_observations_of_other_spaces_pass():
    space = Dict(a=Discrete(2))
    assert CheckedEnv(Given(({"a": 1}, 0.0, False, False, {}), space=space)).step(0)[0] == {"a": 1}


def test_a_checked_environment_can_be_pickled():
    copy = pickle.loads(pickle.dumps(CheckedEnv(Given())))
    assert copy.name == "Given" and copy.step(0)[1] == 1.0


def test_large_numbers_are_finite():
    """Their squares are not finite; no warning is given."""
    large = np.full(3, 3e38, np.float32)
    assert ObservationCheck(Box(-np.inf, np.inf, (3,), np.float32), "Large")(large) is large
