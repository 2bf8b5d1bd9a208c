"""A policy whose chunks name the tick of each action: every executed action is for its own tick."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st

import hocket
from hocket.envs.null import NullEnv
from hocket.policies.base import FunctionPolicy
from hocket.testing import replay

HZ, HORIZON, TICKS = 50, 16, 60
RULES = [
    hocket.Sequential(),
    hocket.Unstaggered(2),
    hocket.OneInFlight(),
    hocket.MaxTime(2),
    hocket.ExpectedTime(2),
    hocket.TickDispatch(2),
    hocket.TickDispatch(2, hold=False),
    hocket.TickDispatch("auto", max_workers=4),
    hocket.TickDispatch(3, quantile="auto"),
]


@dataclass
class NamesTicks:
    """Answers with the numbers of the ticks after the observation, which counts the ticks of its episode."""

    length: int
    seconds: float = 0.0

    def __call__(self, observation):
        time.sleep(self.seconds)
        return int(observation[0]) + 1 + np.arange(self.length)


def run(rule, clock, length=HORIZON, seconds=0.0, *, ticks=TICKS, episode_ticks=None):
    env = NullEnv((1,), np.int64, actions=256 + length, episode_ticks=episode_ticks)
    return hocket.run(env, FunctionPolicy(NamesTicks(length, seconds), length), rule, clock, ticks=ticks)


def check(result, episode_ticks=None):
    """The executed actions are those of their own ticks: none twice, none out of order."""
    ticks, actions = result.metrics().ticks, np.asarray(result.record.actions)
    own = ticks.tick if episode_ticks is None else (ticks.tick - 1) % episode_ticks + 1
    assert (actions[ticks.fresh] == own[ticks.fresh]).all()
    assert (ticks.step[ticks.fresh] == ticks.delay_ticks[ticks.fresh] - 1).all()
    replay(result.record.trace, validate=True)
    return ticks.fresh


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_every_action_is_for_its_own_tick(rule):
    # 150 ms are 7.5 ticks: nothing is answered before tick 8.
    fresh = check(run(rule, hocket.Virtual(hz=HZ, latency=hocket.Constant(0.15))))
    assert not fresh[:7].any() and fresh[7:].mean() > (0.5 if rule == hocket.Sequential() else 0.95)


@pytest.mark.realtime
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_every_action_is_for_its_own_tick_on_the_wall_clock(rule):
    clock = hocket.Realtime(hz=HZ, executor="threads")
    assert check(run(rule, clock, seconds=0.15)).any()


@settings(max_examples=max(20, settings().max_examples // 2))
@given(
    rule=st.sampled_from(RULES),
    latencies_ticks=st.lists(st.floats(0.1, 25), min_size=1, max_size=6),
    length=st.integers(2, HORIZON),
    episode_ticks=st.sampled_from([None, 25]),
)
def test_random_inference_times(rule, latencies_ticks, length, episode_ticks):
    law = hocket.Empirical([ticks / HZ for ticks in latencies_ticks])
    check(run(rule, hocket.Virtual(hz=HZ, latency=law), length, episode_ticks=episode_ticks), episode_ticks)


@pytest.mark.realtime
def test_an_agent_acts_with_the_steps_for_its_own_ticks():
    acted = []
    with hocket.StaggeredAgent(
        FunctionPolicy(NamesTicks(HORIZON, 0.05), HORIZON),
        rule=hocket.TickDispatch(2),
        hz=HZ,
        default=hocket.Fixed(0),
        observation_space=Box(0, 10_000, (1,), np.int64),
        action_space=Discrete(20_000),
        executor="threads",
    ) as agent:
        agent.observe([0])
        for _ in range(30):
            time.sleep(1 / HZ)
            acted.append((agent.act(), agent.last))
            agent.observe([agent.last.tick])
    fresh = [(action, last.tick) for action, last in acted if last.fresh]
    assert fresh and all(action == tick for action, tick in fresh)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_aligned_to_the_release_the_first_step_comes_first(rule):
    policy = FunctionPolicy(NamesTicks(HORIZON), HORIZON, alignment=hocket.Alignment.RELEASE)
    env = NullEnv((1,), np.int64, actions=300)
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.15))
    ticks = hocket.run(env, policy, rule, clock, ticks=TICKS).metrics().ticks
    first = {inference: int(at) for at, inference in reversed([*enumerate(ticks.inference)]) if inference >= 0}
    assert len(first) >= 2 and {int(ticks.step[at]) for at in first.values()} == {0}
