import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Sequence
from leftover_processes import eventually, workers_of_ours

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies.base import FunctionPolicy, TwoStage

KINDS = [hocket.Threads(), hocket.Processes()]


def slow(observation):
    assert observation.shape == (3,)
    time.sleep(0.02)
    return 1


def with_pending_actions(observation, pending_actions):
    assert pending_actions.shape == (2,)
    return slow(observation)


def with_delay(observation, pending_actions, delay):
    assert delay.shape == (1,)
    return with_pending_actions(observation, pending_actions)


def raising(observation):
    raise ValueError("the policy's own words")


def trunk(observation):
    return slow(observation) + 3


def head(features, pending_actions, newest):
    time.sleep(0.05)
    assert features == 4 and pending_actions.shape == (2,) and newest.shape == (3,)
    return 1


def broken_head(features):
    raise ValueError("the head's own words")


def env():
    return NullEnv(observation_shape=(3,), actions=2)


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert eventually(lambda: not workers_of_ours(), 3.0)


@pytest.mark.realtime
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "policy",
    [
        slow,
        FunctionPolicy(with_pending_actions, pending=2),
        FunctionPolicy(with_delay, pending=2, delay_told=True),
        TwoStage(FunctionPolicy(slow, chunk_length=2), broken_head, pending=2, newest=True),
    ],
)
def test_it_takes_what_the_policy_takes(kind, policy):
    measured = hocket.measure(env(), policy, count=6, executor=kind)
    assert isinstance(measured, hocket.analysis.Measured) and len(measured.durations_s) == 6
    assert min(measured.durations_s) >= 0.02
    assert np.median(measured.durations_s) < 0.2


@pytest.mark.realtime
@pytest.mark.parametrize("kind", KINDS)
def test_of_two_stages_the_trunk_is_timed(kind):
    measured = hocket.measure(env(), TwoStage(trunk, head, pending=2, newest=True), count=6, executor=kind)
    assert len(measured.durations_s) == 6
    assert 0.02 <= min(measured.durations_s) < 0.05  # for any time of the head


@pytest.mark.realtime
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("policy", "words"), [(raising, "the policy's own words"), (TwoStage(slow, broken_head), "the head's own words")]
)
def test_a_policy_that_raises(kind, policy, words):
    with pytest.raises(PolicyError, match=f"could not be timed(.|\n)*ValueError: {words}"):
        hocket.measure(env(), policy, count=3, executor=kind)


@pytest.mark.realtime
def test_a_policy_that_hangs():
    with pytest.raises(PolicyError, match=r"hung: no answer within hang_s=0\.3"):
        hocket.measure(env(), lambda observation: time.sleep(60), executor=hocket.Processes(hang_s=0.3))


def test_unmeasurable_policies_are_refused():
    with pytest.raises(ConfigurationError, match="count=0"):
        hocket.measure(env(), slow, count=0)
    with pytest.raises(ConfigurationError, match="Sequence"):
        hocket.measure(gym.wrappers.TransformObservation(env(), list, Sequence(Discrete(2))), slow)
    with pytest.raises(ConfigurationError, match="policy=5 is not callable"):
        hocket.measure(env(), 5)


@pytest.mark.realtime
def test_a_law_of_its_own():
    """Virtual time charges the measured times, and calls them true-size."""
    measured = hocket.measure(env(), slow, count=3, executor=hocket.Threads())
    clock = hocket.Virtual(hz=50, latency=measured)
    result = hocket.run(env(), slow, hocket.TickDispatch(4), clock, ticks=20)
    assert result.metrics(10).ticks.delay_ticks.min() >= 2  # above 20 ms
