import os
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from slow_policies import BrokenBuild, Sleeping, Trouble

import hocket
from hocket.errors import ActionError, ConfigurationError, EnvError, PolicyError

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]

HZ = 50
TICK_S = 1 / HZ
SPACE = Box(0, 10_000, (1,), np.int64)
both = pytest.mark.parametrize(
    "executor", [hocket.Threads(hang_s=20), hocket.Processes()], ids=["threads", "processes"]
)


def agent_of(policy, executor="threads", **options):
    usual = {
        "rule": hocket.TickDispatch(3),
        "hz": HZ,
        "default": hocket.Fixed(0),
        "observation_space": SPACE,
        "action_space": Discrete(10_000),
        "executor": executor,
    }
    return hocket.StaggeredAgent(policy, **{**usual, **options})


def observation(value):
    return np.array([value])


def answer_after(seconds):
    return lambda o: [time.sleep(seconds), int(o[0])][1]


def loop(cycles):
    """Cycle numbers at HZ."""
    began = time.monotonic()
    for cycle in range(cycles):
        yield cycle
        time.sleep(max(0.0, began + (cycle + 1) * TICK_S - time.monotonic()))


@pytest.mark.alone
@both
def test_two_calls_a_cycle(executor):
    """A policy of 2.4 ticks: every tick fresh from the third on, with delay 3, and the action is its observation's."""
    fresh, delays = 0, []
    with agent_of(answer_after(2.4 * TICK_S), executor) as agent:
        agent.observe(observation(0))
        for _ in loop(60):
            time.sleep(TICK_S / 4)
            action = agent.act()
            if agent.last.fresh:
                fresh += 1
                delays.append(agent.last.delay_ticks)
                assert action == agent.last.tick - agent.last.delay_ticks
            else:
                assert action == 0 and agent.last.delay_ticks == 0
            agent.observe(observation(agent.last.tick))
        counts = agent.counts()
    assert fresh >= 48 and counts["fresh"] == fresh
    assert np.mean(np.isin(delays, (3, 4))) >= 0.8 and min(delays) >= 2
    assert counts["fresh"] + counts["default"] + counts["missed"] == agent.last.tick


@pytest.mark.alone
@both
def test_one_call_a_cycle(executor):
    """The same policy in one call a cycle: an observation comes when the next action is due, a tick later."""
    delays = []
    with agent_of(answer_after(2.4 * TICK_S), executor) as agent:
        for _ in loop(60):
            action = agent.act(observation(agent.last.tick))
            if agent.last.fresh:
                delays.append(agent.last.delay_ticks)
                assert action == agent.last.tick - agent.last.delay_ticks
    assert len(delays) >= 48
    assert np.mean(np.isin(delays, (4, 5))) >= 0.8


def test_a_loop_that_is_slow_misses_ticks():
    with agent_of(answer_after(0.001)) as agent:
        for _ in range(10):
            agent.act(observation(1))
            time.sleep(3 * TICK_S)
        assert agent.counts()["missed"] >= 12
        assert agent.last.tick >= 25 and agent.last.fresh


def test_a_loop_that_is_fast_still_gets_a_tick_for_each_call():
    with agent_of(answer_after(0.001)) as agent:
        ticks = []
        for _ in range(50):
            agent.act(observation(1))
            ticks.append(agent.last.tick)
    assert ticks == list(range(1, 51))


def test_it_counts_the_workers_that_are_up():
    told = []
    with agent_of(answer_after(0.001), on_worker_up=lambda *numbers: told.append(numbers)):
        assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@both
def test_act_never_waits_even_for_workers_that_all_hang(executor):
    with agent_of(Sleeping(1.0), executor) as agent:
        took = []
        for _ in range(40):
            began = time.monotonic()
            assert agent.act(observation(1)) in (0, 1)
            took.append(time.monotonic() - began)
            time.sleep(0.005)
        assert max(took) < 0.5 and np.median(took) < 0.01
        assert agent.counts()["default"] >= 35


def test_a_new_episode_discards_what_is_in_flight():
    with agent_of(answer_after(2.4 * TICK_S)) as agent:
        agent.observe(observation(1))
        for cycle in loop(20):
            action = agent.act()
            assert not (cycle >= 10 and action == 1)
            agent.observe(observation(1 if cycle < 9 else 2), episode_ended=cycle == 9)
        assert agent.counts()["discarded"] >= 1


def test_act_refuses_invalid_observations():
    with agent_of(answer_after(0.001), hz=2) as agent:
        with pytest.raises(ConfigurationError, match="new observation"):
            agent.act()
        with pytest.raises(EnvError, match=r"observation .* of the loop has shape \(2,\), not \(1,\)"):
            agent.act(np.zeros(2, np.int64))
        with pytest.raises(EnvError, match=r"float64.*int64"):
            agent.act(np.zeros(1))
        assert agent.counts() == {}  # a refused call has no effect: tick 0 is not yet
        agent.act(observation(1))
        assert agent.last.tick == 1
        with pytest.raises(ConfigurationError, match="new observation"):
            agent.act()
        agent.observe(observation(2))
        with pytest.raises(ConfigurationError, match="twice for tick 1"):
            agent.observe(observation(2))
        assert agent.act() in (0, 1, 2)
    for call in (lambda: agent.act(), lambda: agent.act(observation(1)), lambda: agent.observe(observation(1))):
        with pytest.raises(ConfigurationError, match="closed"):
            call()
    agent.close()


def test_harmless_differences_are_converted_and_nan_is_refused():
    space = Box(-1, 1, (2,), np.float32)
    seen = []

    def policy(observation):
        seen.append((observation.dtype, observation.shape))
        return 1

    with agent_of(policy, observation_space=space) as agent:
        agent.act([0, 0.5])
        time.sleep(TICK_S)
        agent.act((0, 1))
        time.sleep(TICK_S)
        with pytest.raises(EnvError, match=r"of the loop holds NaN or infinity, first at index \[1\]; Box"):
            agent.act(np.array([0, np.nan]))
        agent.act(np.array([0, 0.5]))  # the agent is as it was
        time.sleep(TICK_S)
    assert set(seen) == {(np.dtype(np.float32), (2,))}


def test_a_default_is_needed():
    with pytest.raises(ConfigurationError, match=r"default=None is not a default behaviour; try hocket.RepeatLast"):
        agent_of(answer_after(0.001), default=None)


def test_use_after_close_starts_nothing():
    agent = agent_of(answer_after(0.001))
    agent.close()
    with pytest.raises(ConfigurationError, match="closed"):
        agent.act(observation(1))
    assert agent.counts() == {}


@both
def test_an_exception_inside_the_block_cleans_up(executor):
    with pytest.raises(ZeroDivisionError), agent_of(Sleeping(1.0), executor) as agent:
        agent.act(observation(1))
        raise ZeroDivisionError


@dataclass
class Outage:
    """Answers its observation, and cannot connect while ``flag`` exists."""

    flag: str

    def __call__(self, observation):
        if os.path.exists(self.flag):
            raise ConnectionRefusedError("no server")
        return int(observation[0])


@both
def test_the_agent_recovers_from_an_outage(executor, tmp_path):
    """An outage of 1 s under limits of 0.25 s: each time they are passed is told, the default acts, and it recovers."""
    flag = tmp_path / "down"
    limits = hocket.FailureLimits(outage_s=0.25, rounds=2)
    answers, errors = [], []
    with agent_of(Outage(str(flag)), executor, failures=limits, on_failure=errors.append) as agent:
        fresh_after = 0
        for cycle in loop(1000):
            if cycle == 50:
                flag.touch()
            if cycle == 100:
                flag.unlink()
            answers.append(agent.act(observation(cycle + 1)))
            fresh_after += cycle >= 100 and answers[-1] != 0
            if fresh_after == 40:
                break
        counts = agent.counts()
    assert fresh_after == 40 and set(answers[70:95]) == {0}
    assert 1 <= len(errors) <= 4 and "ConnectionRefusedError: no server" in str(errors[0])
    assert counts["fresh"] + counts["default"] + counts["missed"] >= cycle + 1


def test_without_on_failure_the_agent_warns():
    limits = hocket.FailureLimits(outage_s=0, rounds=1)
    failing = agent_of(lambda o: 1 // 0, failures=limits)
    with failing as agent, pytest.warns(RuntimeWarning, match="ZeroDivisionError") as warned:
        for _ in loop(1000):
            assert agent.act(observation(1)) == 0
            if len(warned):
                break


def test_on_failure_may_raise():
    def end(error):
        raise error

    limits = hocket.FailureLimits(outage_s=0, rounds=1)
    failing = agent_of(lambda o: 1 // 0, failures=limits, on_failure=end)
    with failing as agent, pytest.raises(PolicyError, match="ZeroDivisionError"):
        for _ in loop(1000):
            agent.act(observation(1))


@both
def test_an_outage_shorter_than_the_limits_is_not_an_error(executor, tmp_path):
    """6 workers and 0.4 s: about 20 failures."""
    flag = tmp_path / "down"
    with agent_of(Outage(str(flag)), executor, rule=hocket.TickDispatch(6)) as agent:
        for cycle in loop(100):
            if cycle == 30:
                flag.touch()
            if cycle == 50:
                flag.unlink()
            agent.act(observation(cycle + 1))
        assert agent.counts()["failed"] >= 10 and agent.counts()["fresh"] >= 50


def test_single_failures_fall_to_the_default():
    with agent_of(Trouble("raises", every=10)) as agent:
        for cycle in loop(60):
            agent.act(observation(cycle))
        counts = agent.counts()
    assert 4 <= counts["failed"] <= 7 and counts["fresh"] >= 40


def test_an_error_of_the_default_is_the_users():
    with agent_of(Sleeping(1.0), default=hocket.Fallback(lambda o: -1)) as agent, pytest.raises(ActionError):
        agent.act(observation(1))


def test_a_policy_that_cannot_be_built():
    with pytest.raises(PolicyError, match="cannot find the weights"):
        agent_of(BrokenBuild(), "processes")


def test_the_background_thread_ends():
    agent = agent_of(answer_after(0.001))
    agent.act(observation(1))
    assert "hocket-agent" in {thread.name for thread in threading.enumerate()}
    agent.close()
    assert "hocket-agent" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.alone
@both
def test_two_agents_at_once(executor):
    with agent_of(answer_after(0.01), executor) as left, agent_of(answer_after(0.03), executor) as right:
        for cycle in loop(40):
            assert left.act(observation(cycle)) <= cycle
            assert right.act(observation(5000 + cycle)) in (0, *range(5000, 5001 + cycle))
        assert left.counts()["fresh"] >= 30 and right.counts()["fresh"] >= 28


@pytest.mark.parametrize(
    "options",
    [
        {"hz": 0},
        {"rule": "tick-dispatch"},
        {"failures": 5},
        {"on_failure": 5},
        {"on_stale": print},
        {"observation_space": Dict({})},
        {"action_space": Dict({})},
        {"default": hocket.Fixed(-1)},
        {"executor": "fibres"},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError):
        agent_of(answer_after(0.001), **options)


def test_a_slow_loop_is_warned_of():
    slow = pytest.warns(RuntimeWarning, match=r"does not hold 50 Hz: \d+ cycles .* ticks were missed")
    with slow as told, agent_of(answer_after(0.0)) as agent:
        for _ in range(20):
            agent.act(observation(0))
            time.sleep(1.6 * TICK_S)
    assert len(told) == 1
