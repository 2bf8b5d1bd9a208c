"""Arrays that are handed out are copies: changing them affects neither the record nor later ticks."""

import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

import hocket
from hocket.core.description import text
from hocket.hooks.instrument import Instrument

HZ = 50
LATE = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.09))
NEVER = hocket.Virtual(hz=HZ, latency=hocket.Constant(100.0))
CLOCKS = [
    LATE,
    NEVER,
    pytest.param(hocket.Realtime(hz=HZ, executor="threads"), marks=pytest.mark.realtime),
]


class Scaling(gym.Env):
    """A motor that scales its action in place; it hands out its one buffer of observations."""

    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(-1, 1, (1,))

    def __init__(self, episode_ticks=5):
        self.got = []
        self.buffer = np.zeros(3, np.float32)
        self.episode_ticks = episode_ticks

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ticks = 0
        self.buffer[:] = 0
        return self.buffer, {}

    def step(self, action):
        self.got.append(float(action[0]))
        action *= 10
        self.ticks += 1
        self.buffer[:] = self.ticks / 100
        return self.buffer, 1.0, False, self.ticks == self.episode_ticks, {}


def half(observation):
    return np.array([0.5], np.float32)


def spoilt(observation):
    """The same, by a policy that changes its observation in place."""
    seen = observation[0]
    observation[:] = 99
    return np.array([0.5 if seen < 1 else -1], np.float32)


class Same(hocket.Default):
    """A default of the user's that returns its one array, and changes its arguments in place."""

    def bind(self, action_space, rng):
        action = np.array([0.5], np.float32)

        def default(observation, last):
            observation[:] = 99
            if last is not None:
                last *= 3
            return action

        return default


DEFAULTS = [
    hocket.Fixed([0.5]),
    hocket.RepeatLast([0.5]),
    hocket.Fallback(half),
    hocket.Fallback(spoilt),
    Same(),
]


@pytest.mark.parametrize("clock", CLOCKS, ids=["late", "never", "realtime"])
@pytest.mark.parametrize("default", DEFAULTS, ids=text)
@pytest.mark.parametrize("policy", [half, spoilt])
def test_an_environment_may_change_its_actions(default, policy, clock):
    env = Scaling()
    result = hocket.run(env, policy, hocket.TickDispatch(2), clock, ticks=12, default=default)
    assert env.got == [0.5] * 12
    assert [float(action[0]) for action in result.record.actions] == [0.5] * 12


class Spoiler(Instrument):
    """Changes every array that it gets; also a listener."""

    def __init__(self):
        self.seen = []

    def began(self, observation):
        observation[:] = 77

    def ticked(self, moment):
        self.seen.append((moment.observation.copy(), float(moment.action[0])))
        for array in (moment.observation, moment.action, moment.pending_actions, moment.final_observation):
            if array is not None:
                array[...] = 77

    on_tick = ticked


@pytest.mark.parametrize("clock", CLOCKS, ids=["late", "never", "realtime"])
@pytest.mark.parametrize("hook", ["listener", "instruments"])
def test_listeners_and_instruments_may_change_what_they_are_shown(hook, clock):
    env, seen, spoiler = Scaling(), [], Spoiler()

    def watching(observation):
        seen.append(float(observation.max()))
        return half(observation)

    options = {"listener": spoiler} if hook == "listener" else {"instruments": [spoiler]}
    result = hocket.run(
        env, watching, hocket.TickDispatch(1), clock, ticks=12, default=hocket.RepeatLast([0.5]), **options
    )
    assert env.got == [0.5] * 12
    assert max(seen) < 0.05 and env.buffer.max() < 0.05  # of the environment's own: k / 100 in tick k of 5
    assert [float(action[0]) for action in result.record.actions] == [0.5] * 12
    finals = result.record.final_observations
    assert {tick: float(final[0]) for tick, final in finals.items()} == pytest.approx({5: 0.05, 10: 0.05})


def test_values_given_to_a_listener_do_not_change():
    kept = []

    class Keeper:
        def began(self, observation):
            kept.append(observation)

        def ticked(self, moment):
            kept.append(moment.observation)

    hocket.run(Scaling(100), half, hocket.TickDispatch(1), LATE, ticks=12, listener=Keeper())
    assert [float(o[0]) for o in kept] == pytest.approx([k / 100 for k in range(13)])


def test_pending_actions_shown_to_a_listener_are_a_copy():
    class Counting(gym.Env):
        observation_space = Box(-1, 1, (1,), np.float32)
        action_space = Discrete(3)

        def reset(self, *, seed=None, options=None):
            return np.zeros(1, np.float32), {}

        def step(self, action):
            return np.zeros(1, np.float32), 0.0, False, False, {}

    told = []

    def policy(observation, pending):
        told.append(pending.tolist())
        pending[:] = 1
        return 2

    class Zeroing:
        def began(self, observation):
            pass

        def ticked(self, moment):
            told_too.append(moment.pending_actions.tolist())
            moment.pending_actions[...] = 1

    told_too = []
    factory = hocket.FunctionPolicy(policy, pending=2)
    hocket.run(Counting(), factory, hocket.TickDispatch(3), LATE, ticks=30, listener=Zeroing())
    fresh = [row for row in told_too if row]
    assert fresh and all(row in told for row in fresh)


@pytest.mark.realtime
@pytest.mark.parametrize("policy_s", [0, 0.09, 100], ids=["quick", "late", "never"])
@pytest.mark.parametrize("default", DEFAULTS, ids=text)
def test_a_loop_of_ones_own_may_change_its_actions(default, policy_s, nothing_left):
    def policy(observation):
        time.sleep(min(policy_s, 0.5))
        return spoilt(observation)

    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(2),
        hz=HZ,
        default=default,
        observation_space=Scaling.observation_space,
        action_space=Scaling.action_space,
        executor="threads",
    ) as agent:
        buffer = np.zeros(3, np.float32)
        got = []
        for cycle in range(12):
            action = agent.act(buffer)
            got.append(float(action[0]))
            action *= 10
            buffer[:] = 9 if cycle % 2 else 0.1
            time.sleep(1 / HZ)
            buffer[:] = 0
    assert got == [0.5] * 12
