import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.policies import Interpolated, Interpolation

LINEAR, HOLD = Interpolation.LINEAR, Interpolation.HOLD
OBSERVATION, RELEASE = hocket.Alignment.OBSERVATION, hocket.Alignment.RELEASE


def chunks(length, alignment=OBSERVATION, dtype=np.float32):
    def policy(observation):
        return np.arange(length, dtype=dtype)[:, np.newaxis]

    return hocket.FunctionPolicy(policy, length, alignment=alignment)


@pytest.mark.parametrize(
    ("policy_hz", "loop_hz", "alignment", "interpolation", "expected"),
    [
        # Steps are due at 2, 4 and 6 ticks of 1/60 s after the observation; the last one is held for a period.
        (30, 60, OBSERVATION, LINEAR, [0, 0, 0.5, 1, 1.5, 2, 2]),
        (30, 60, OBSERVATION, HOLD, [0, 0, 0, 1, 1, 2, 2]),
        # At 0, 2 and 4 ticks after the release.
        (30, 60, RELEASE, LINEAR, [0, 0.5, 1, 1.5, 2, 2]),
        (30, 60, RELEASE, HOLD, [0, 0, 1, 1, 2, 2]),
        # At 5/3, 10/3 and 5 ticks; the period ends at 20/3.
        (30, 50, OBSERVATION, LINEAR, [0, 0.2, 0.8, 1.4, 2, 2]),
        (30, 50, OBSERVATION, HOLD, [0, 0, 0, 1, 2, 2]),
        (30, 30, OBSERVATION, LINEAR, [0, 1, 2]),
        (30, 30, RELEASE, HOLD, [0, 1, 2]),
        # A slower loop: at 1/2, 1 and 3/2 ticks.
        (60, 30, OBSERVATION, LINEAR, [1]),
    ],
)
def test_by_hand(policy_hz, loop_hz, alignment, interpolation, expected):
    factory = Interpolated(chunks(3, alignment), policy_hz=policy_hz, loop_hz=loop_hz, interpolation=interpolation)
    answer = factory.build()(np.zeros(1))
    assert answer.dtype == np.float32 and answer[:, 0].tolist() == pytest.approx(expected)
    assert factory.chunk_length == len(expected) and factory.alignment is alignment


def test_the_rates_of_an_arm():
    """8 steps at 30 Hz last 9 periods, 150 ticks at 500 Hz, the last of which is the next step's."""
    factory = Interpolated(chunks(8), policy_hz=30, loop_hz=500)
    assert factory.chunk_length == 149
    answer = factory.build()(np.zeros(1))[:, 0]
    assert np.diff(answer).max() == pytest.approx(0.06, abs=1e-6)  # 30/500 of a step


def test_in_a_run_each_action_is_for_its_time():
    """A policy at 25 Hz names the time of its steps, in periods of the environment at 50 Hz; the chunk of 7 steps."""
    space = gym.spaces.Box(0, 1000, (1,), np.float32)

    class Clock(gym.Env):
        observation_space = action_space = space

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.tick = 0
            return np.zeros(1, np.float32), {}

        def step(self, action):
            self.tick += 1
            return np.full(1, self.tick, np.float32), 0.0, False, False, {}

    slow = hocket.FunctionPolicy(lambda o: o[0] + 2 * np.arange(1, 8)[:, np.newaxis].astype(np.float32), 7)
    policy = Interpolated(slow, policy_hz=25, loop_hz=50)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.1))
    result = hocket.run(Clock(), policy, hocket.TickDispatch(2), clock, ticks=60)
    fresh = result.metrics().ticks.fresh
    assert fresh[4:].all()
    actions = np.array([float(action[0]) for action in result.record.actions])
    assert actions[fresh].tolist() == np.arange(1, 61)[fresh].tolist()


def test_it_keeps_what_its_policy_says():
    class Versioned(hocket.PolicyFactory):
        chunk_length = 4
        waits = True
        preload = ("numpy",)
        warmed = ()

        def build(self):
            policy = lambda observation: np.zeros((2, 1))  # noqa: E731
            policy.version = 7
            return policy

        def warm_up(self, policy, *example):
            self.warmed = (policy(*example).shape, *example)

    inner = Versioned()
    factory = Interpolated(inner, policy_hz=10, loop_hz=20)
    policy = factory.build()
    assert (policy.version, factory.waits, factory.preload) == (7, True, ("numpy",))
    assert policy(0).shape == (5, 1)  # of a chunk that is shorter than it may be
    factory.warm_up(policy, 3)
    assert inner.warmed == ((2, 1), 3)


def test_discrete_actions_are_held_and_not_mixed():
    policy = hocket.FunctionPolicy(lambda o: [0, 1, 1], 3)
    env = gym.make("CartPole-v1")
    clock = hocket.Virtual(hz=60, latency=hocket.Constant(0.01))
    held = Interpolated(policy, policy_hz=30, loop_hz=60, interpolation=HOLD)
    assert hocket.run(env, held, hocket.TickDispatch(1), clock, ticks=9).summary().outcomes["failed"] == 0
    mixed = hocket.run(
        env,
        Interpolated(policy, policy_hz=30, loop_hz=60),
        hocket.TickDispatch(1),
        hocket.Virtual(hz=60, latency=hocket.Constant(0.01), on_failure=print),
        ticks=9,
    )
    assert "actions of int64 cannot be interpolated linearly; try hocket.policies.Interpolation.HOLD" in str(
        mixed.record.errors
    )


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigurationError, match="has chunks of one action"):
        Interpolated(lambda o: 0, policy_hz=30, loop_hz=60)
    with pytest.raises(ConfigurationError, match="interpolation='linear' is none of Interpolation"):
        Interpolated(chunks(3), policy_hz=30, loop_hz=60, interpolation="linear")
    told = hocket.FunctionPolicy(lambda observation, pending: [0], 3, pending=2)
    for policy in (told, hocket.TwoStage(chunks(3), lambda plan: plan[0])):
        with pytest.raises(ConfigurationError, match="has a head or is told pending actions or a delay"):
            Interpolated(policy, policy_hz=30, loop_hz=60)
    for rates in ({"policy_hz": 0, "loop_hz": 60}, {"policy_hz": 30, "loop_hz": "fast"}):
        with pytest.raises(ConfigurationError, match="hz="):
            Interpolated(chunks(3), **rates)
