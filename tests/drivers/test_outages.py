"""A policy that fails, in virtual time: within the limits the default acts, beyond them the run ends."""

import pytest

import hocket
from hocket.errors import PolicyError


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
