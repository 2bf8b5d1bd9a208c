"""A policy that fails, in virtual time: within the limits the default acts, beyond them the run ends."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies import OnStale
from hocket.spaces import Default, HoldThenStop


def test_limits_are_of_virtual_seconds(null_run):
    """One worker at 50 Hz and 10 ms fails at every tick: the 101st failure is 2 s after the first."""
    calls = []

    def policy(observation):
        calls.append(1)
        raise RuntimeError("the policy's own words")

    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01), failures=hocket.FailureLimits(outage_s=2, rounds=3))
    with pytest.raises(PolicyError, match="101 inferences failed in a row within 2 s"):
        null_run(hocket.Unstaggered(1), clock, 5000, policy)
    assert len(calls) == 101


def test_a_virtual_run_acts_by_its_default_during_an_outage(null_run):
    """An outage of 3 s, observations 50 to 199: 150 failures of six workers, 25 rounds, but shorter than 10 s."""

    def policy(observation):
        if 50 <= observation[0] < 200:
            raise ConnectionRefusedError
        return 1

    result = null_run(hocket.TickDispatch(6), hocket.Virtual(hz=50, latency=hocket.Constant(0.01)), 250, policy)
    ticks = result.metrics().ticks
    assert result.summary().outcomes["failed"] == 150
    assert ticks.tick[ticks.inference < 0].tolist() == list(range(51, 201))


def test_a_short_run_whose_policy_never_worked_ends_with_its_traceback(null_run):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    with pytest.raises(PolicyError, match="ZeroDivisionError"):
        null_run(hocket.TickDispatch(2), clock, 20, lambda observation: 1 // 0)


def outage(first, after):
    """A policy that fails on the observations from ``first`` up to ``after``."""

    def policy(observation):
        if first <= observation[0] < after:
            raise ConnectionRefusedError("no server")
        return 1

    return policy


def test_on_failure_is_called_in_place_of_ending_the_run(null_run):
    """From observation 50 on one worker fails each tick of 20 ms: the 26th failure is 0.5 s after the first."""
    errors = []
    clock = hocket.Virtual(
        hz=50,
        latency=hocket.Constant(0.01),
        failures=hocket.FailureLimits(outage_s=0.5, rounds=2),
        on_failure=errors.append,
    )
    result = null_run(hocket.Unstaggered(1), clock, 150, outage(50, 1000))
    assert result.summary().outcomes["failed"] == 100 and len(errors) == 3  # at the failures 26, 52 and 78
    assert "26 inferences failed in a row within 0.5 s" in str(errors[0]) and "no server" in str(errors[0])


def test_on_failure_may_end_the_run(null_run):
    def end(error):
        raise error

    clock = hocket.Virtual(
        hz=50, latency=hocket.Constant(0.01), failures=hocket.FailureLimits(outage_s=0, rounds=1), on_failure=end
    )
    with pytest.raises(PolicyError, match="no server"):
        null_run(hocket.Unstaggered(1), clock, 50, outage(0, 1000))


def test_on_failure_takes_the_verdict_at_the_end(null_run):
    errors = []
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01), on_failure=errors.append)
    null_run(hocket.Unstaggered(1), clock, 20, outage(0, 1000))
    assert len(errors) == 1


def test_a_stale_action_calls_the_safe_state(null_run):
    """Tick 50 is the last fresh one. The action is older than 0.1 s, 5 ticks, from tick 56 to tick 70 on."""
    calls = []
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01), on_stale=OnStale(calls.append, 0.1))
    null_run(hocket.Unstaggered(1), clock, 100, outage(50, 70))
    assert np.allclose(calls, np.arange(6, 21) / 50)


def test_before_the_first_action_the_age_counts_from_tick_0(null_run):
    """Inferences of 190 ms: tick 10 is the first fresh one."""
    calls = []
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.19), on_stale=OnStale(calls.append, 0.1))
    null_run(hocket.TickDispatch(10), clock, 20)
    assert np.allclose(calls, [0.12, 0.14, 0.16, 0.18])


def test_an_error_of_the_safe_state_ends_the_run_with_its_record(null_run):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01), on_stale=OnStale(lambda idle_s: 1 / 0, 0.1))
    with pytest.raises(ZeroDivisionError) as caught:
        null_run(hocket.Unstaggered(1), clock, 100, outage(50, 100))
    assert len(caught.value.result.record.ticks) == 55


class Swing(gym.Env):
    """Observes the number of the tick."""

    observation_space = gym.spaces.Box(0, 1000, (1,), np.int64)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tick = 0
        return np.array([0]), {}

    def step(self, action):
        self.tick += 1
        return np.array([self.tick]), 0.0, False, False, {}


@pytest.mark.parametrize(
    ("stop", "stopped"),
    [([0.0], 0.0), ([-0.25], -0.25), (hocket.Fallback(lambda observation: [0.125]), 0.125)],
    ids=["zero", "an action", "a default"],
)
def test_hold_then_stop(stop, stopped):
    """Ticks 1 to 20 are fresh, 21 to 25 hold for 0.1 s, the others up to 40 stop."""

    def policy(observation):
        return [0.5] if not 20 <= observation[0] < 40 else 1 // 0

    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    default = HoldThenStop(hold_s=0.1, stop=stop)
    result = hocket.run(Swing(), policy, hocket.Unstaggered(1), clock, ticks=50, default=default)
    actions = [float(action[0]) for action in result.record.actions]
    assert actions == [0.5] * 25 + [stopped] * 15 + [0.5] * 10


def test_hold_then_stop_begins_with_the_stop():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.05))
    default = HoldThenStop(hold_s=10, stop=[-1])
    result = hocket.run(Swing(), lambda o: [0.5], hocket.TickDispatch(3), clock, ticks=5, default=default)
    assert [float(action[0]) for action in result.record.actions] == [-1, -1, 0.5, 0.5, 0.5]


STOPPING = HoldThenStop(hold_s=0.5, stop=[0])


@dataclass(frozen=True)
class Gripping(Default):
    """A default of a user, by means of another one that counts time."""

    def bind(self, action_space, rng):
        return HoldThenStop(hold_s=0.1, stop=[0]).bind(action_space, rng)


def test_a_default_of_another_class_that_counts_time():
    """As `test_hold_then_stop`, without the last ten ticks."""
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    policy = hocket.FunctionPolicy(lambda observation: [0.5] if observation[0] < 20 else 1 // 0)
    result = hocket.run(Swing(), policy, hocket.Unstaggered(1), clock, ticks=40, default=Gripping())
    assert [float(action[0]) for action in result.record.actions] == [0.5] * 25 + [0] * 15


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigurationError, match=r"hold_s=-1 must be a number of at least 0 seconds; try 0\.5"):
        HoldThenStop(hold_s=-1, stop=[0])
    with pytest.raises(ConfigurationError, match=r"older_than_s=0 must be greater than 0 seconds; try 0\.5"):
        OnStale(print, older_than_s=0)
    with pytest.raises(ConfigurationError, match=r"OnStale.* needs a function of one number of seconds"):
        OnStale(0.5, print)
    with pytest.raises(ConfigurationError, match=r"on_stale=.* must be an OnStale; try hocket\.policies\.OnStale"):
        hocket.Virtual(hz=50, latency=hocket.Constant(0.01), on_stale=print)
    with pytest.raises(ConfigurationError, match="on_failure=5 must be a function of one PolicyError"):
        hocket.Realtime(hz=50, on_failure=5)
    with pytest.raises(ConfigurationError, match="counts seconds, and here are none"):
        hocket.InducedDelay(Swing(), default=STOPPING)
    with pytest.raises(ConfigurationError, match="counts seconds, and here are none"):
        hocket.InducedDelay(Swing(), default=Gripping())
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    for stop, words in (([2], "outside"), (STOPPING, "counts time itself"), (Gripping(), "itself")):
        default = HoldThenStop(hold_s=0.5, stop=stop)
        with pytest.raises(ValueError, match=words):
            hocket.run(Swing(), lambda o: [0], hocket.Unstaggered(1), clock, ticks=1, default=default)
