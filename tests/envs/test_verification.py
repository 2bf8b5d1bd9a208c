"""Snapshots are compared with the original; parts that cannot be restored are named."""

import random
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch

from hocket.envs import make_atari, make_env, verify_snapshot
from hocket.envs.atari import StickyActions
from hocket.envs.state import restore, snapshot, take_snapshot
from hocket.errors import CheckpointError, ConfigurationError

ACTIONS = [0, 1, 1, 0, 1, 1, 1, 0, 0, 0] * 4


class Walk(gym.Env):
    """Adds up its actions; `move` may draw the number that is added."""

    observation_space = gym.spaces.Box(-1e6, 1e6, (1,), np.float64)
    action_space = gym.spaces.Discrete(2)
    move = None

    def __init__(self):
        self.place, self.ticks = 0.0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.ticks = 0.0, 0
        return np.array([self.place]), {}

    def step(self, action):
        self.ticks += 1
        self.place += float(action) + (self.move() if self.move else 0.0)
        return np.array([self.place]), self.place, False, self.ticks >= 50, {}


class RewardedByItsBase(gym.Wrapper):
    """Keeps a reference past the layers between, as wrappers do, and another to a list of it."""

    def __init__(self, env):
        super().__init__(env)
        self.base = env.unwrapped
        self.base.trail = self.trail = []

    def step(self, action):
        observation, _, *ends = self.env.step(action)
        self.base.trail.append(self.base.place)
        return observation, self.base.place + len(self.trail), *ends


class DrawsFromModules(Walk):
    def move(self):
        return random.random() + np.random.random()


class DrawsFromTorch(Walk):
    def move(self):
        return torch.rand(()).item()


class MakesAFunctionInReset(Walk):
    def reset(self, **options):
        start = super().reset(**options)
        add = float(self.np_random.random())
        self.move = lambda: add
        return start


class KeepsAFunction(Walk):
    def __init__(self):
        super().__init__()
        self.move = lambda: self.place / 7
        self.bound, self.known = self._double, np.sin

    def _double(self):
        return 2 * self.place

    def step(self, action):
        observation, _, *ends = super().step(action)
        return observation, self.bound() + float(self.known(self.place)), *ends


class KeepsItsStateElsewhere(Walk):
    """In its class, which no snapshot holds."""

    calls = 0

    def move(self):
        type(self).calls += 1
        return float(self.calls)


class KeepsAnIterator(Walk):
    def __init__(self):
        super().__init__()
        self.log = (number for number in range(3))


class ClonesItsOwnObject(Walk):
    """Its clone holds an object that an attribute holds as well."""

    def reset(self, **options):
        self.trail = [0.0]
        return super().reset(**options)

    def move(self):
        self.trail = [*self.trail, self.place]
        return float(len(self.trail))

    def clone_state(self, include_rng=True):
        return {"trail": self.trail, "place": (self.place, self.ticks)}

    def restore_state(self, state):
        self.trail, (self.place, self.ticks) = state["trail"], state["place"]


class ClonesAnIterator(Walk):
    def clone_state(self, include_rng=True):
        return (number for number in range(3))

    def restore_state(self, state):
        pass


class Drifts(Walk):
    """Its clone lacks the number of ticks."""

    def clone_state(self, include_rng=True):
        return self.place

    def restore_state(self, state):
        self.place = state


def wrapped(env):
    return RewardedByItsBase(gym.wrappers.TimeAwareObservation(gym.wrappers.TimeLimit(env, 30)))


def rewards(env, actions):
    paid = []
    for action in actions:
        _, reward, terminated, truncated, _ = env.step(action)
        paid.append(reward)
        if terminated or truncated:
            env.reset()
    return paid


def test_references_between_layers_point_into_the_copy():
    env, copy = wrapped(Walk()), wrapped(Walk())
    env.reset(seed=1)
    rewards(env, ACTIONS[:7])
    state = snapshot(env)
    expected = rewards(env, ACTIONS)
    restore(copy, state)
    assert copy.base is copy.unwrapped and copy.trail is copy.unwrapped.trail
    assert rewards(copy, ACTIONS) == expected


@pytest.mark.parametrize("kind", [DrawsFromModules, DrawsFromTorch])
def test_process_wide_generators_belong_to_the_snapshot(kind):
    env = kind()
    env.reset(seed=1)
    state = snapshot(env)
    expected = rewards(env, ACTIONS)
    copy = kind()
    restore(copy, state)
    assert rewards(copy, ACTIONS) == expected


def test_attributes_that_the_original_has_no_more_are_removed():
    env, copy = Walk(), Walk()
    copy.stale = 3
    restore(copy, snapshot(env))
    assert not hasattr(copy, "stale")


@pytest.mark.parametrize(
    "make_env",
    [
        Walk,
        lambda: wrapped(Walk()),
        lambda: wrapped(DrawsFromModules()),
        DrawsFromTorch,
        KeepsAFunction,
        ClonesItsOwnObject,
        partial(make_env, "CartPole-v1", frame_stack=2),
        partial(make_env, "Pendulum-v1"),
        partial(make_env, "hocket/Null-v0"),
    ],
)
def test_environments_restored_bit_for_bit_pass(make_env):
    assert verify_snapshot(make_env, steps=60) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "probability"), [("Boxing", 0.0), ("Boxing", 0.25), ("Breakout", 0.25), ("Qbert", 0.25)]
)
def test_atari_games_with_and_without_sticky_actions(id, probability):
    assert verify_snapshot(lambda: make_atari(id, repeat_action_probability=probability)) is None
    reason = verify_snapshot(partial(gym.make, f"ALE/{id}-v5", frameskip=4, repeat_action_probability=probability))
    assert reason is None if probability == 0 else "lacks the previous action" in reason


def test_a_sticky_action_is_repeated_after_a_restore():
    env = make_atari("Boxing", repeat_action_probability=1.0)
    env.reset(seed=1)
    sticky = env
    while not isinstance(sticky, StickyActions):
        sticky = sticky.env
    sticky.repeat_action_probability = 0.0
    env.step(5)
    sticky.repeat_action_probability = 1.0
    state = snapshot(env)
    copy = make_atari("Boxing", repeat_action_probability=1.0)
    restore(copy, state)
    for _ in range(20):
        assert np.array_equal(env.step(0)[0], copy.step(2)[0])


@pytest.mark.slow
def test_an_emulators_sound_is_not_in_its_state():
    make_env = partial(gym.make, "ALE/Breakout-v5", sound_obs=True, repeat_action_probability=0.0)
    assert "observation" in verify_snapshot(make_env)


@pytest.mark.parametrize(
    ("make_env", "reason"),
    [
        (MakesAFunctionInReset, r"MakesAFunctionInReset\.move is a function.*try making it in __init__"),
        (KeepsItsStateElsewhere, r"another observation 1 steps after.*np_random"),
        (KeepsAnIterator, r"KeepsAnIterator\.log of type generator cannot be saved"),
        (ClonesAnIterator, r"ClonesAnIterator\.clone_state returned generator, which cannot be pickled.*try returning"),
        (Drifts, r"another truncated \(False, not True\) "),
        (lambda env=Walk(): env, r"the same environment twice"),  # noqa: B008
    ],
)
def test_differences_after_a_restore_are_named(make_env, reason):
    import re

    found = verify_snapshot(make_env, steps=70)
    assert found is not None and re.search(reason, found), found


def test_the_process_is_left_as_it_was():
    before = random.getstate(), np.random.get_state()[1].tolist()
    verify_snapshot(DrawsFromModules, steps=5)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_taking_a_snapshot_changes_nothing():
    env, undisturbed = wrapped(DrawsFromModules()), wrapped(DrawsFromModules())
    played = []
    for each in (env, undisturbed):
        random.seed(1)
        np.random.seed(1)
        each.reset(seed=1)
        played.append([])
        for action in ACTIONS:
            if each is env:
                take_snapshot(each)
            played[-1] += rewards(each, [action])
    assert played[0] == played[1]


def test_a_failed_snapshot_is_reported_with_its_reason():
    env = KeepsAnIterator()
    assert snapshot(env) is None
    with pytest.raises(CheckpointError, match=r"KeepsAnIterator\.log.*__getstate__"):
        take_snapshot(env)


def test_no_steps_are_refused():
    with pytest.raises(ConfigurationError, match="steps=0 must be at least 1"):
        verify_snapshot(Walk, steps=0)
