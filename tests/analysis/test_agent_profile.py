import time
from dataclasses import dataclass
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Sequence

import hocket
from hocket.analysis import agent_profile as measuring
from hocket.analysis.agent_profile import default_crowds, measure_agent, variants
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies import bfloat16


@dataclass(frozen=True)
class Sleeps:
    seconds: float

    def __call__(self, *inputs):
        time.sleep(self.seconds)
        return 0


def raises(observation):
    raise ValueError("no")


@pytest.mark.realtime
def test_a_policy_that_waits_is_equally_fast_beside_others():
    agent = measure_agent(NullEnv(), Sleeps(0.02), crowds=(1, 3), count=12, name="it")
    law = agent.latency
    assert agent.name == "it" and isinstance(law, hocket.Crowded) and sorted(law.laws) == [1, 3]
    assert min(law.laws[1].durations_s) >= 0.02 and min(law.laws[3].durations_s) >= 0.02
    assert len(law.laws[1].durations_s) == 12 and 12 <= len(law.laws[3].durations_s) <= 16
    assert np.median(law.laws[3].durations_s) < 2 * np.median(law.laws[1].durations_s)
    assert agent.cores_each < 0.7 and agent.worker_bytes > 100_000  # a worker of Python is megabytes


@pytest.mark.realtime
def test_two_stages_are_timed_by_their_trunk():
    policy = hocket.TwoStage(Sleeps(0.02), Sleeps(0.001), pending=2, newest=True, head_s=0.01)
    agent = measure_agent(NullEnv(), policy, crowds=(1,), count=4)
    assert agent.head_s == 0.01 and 0.02 <= np.median(agent.latency.alone.durations_s) < 0.2
    assert len(agent.latency.alone.durations_s) >= 4


@pytest.mark.realtime
def test_a_policy_that_cannot_be_timed_is_refused_with_the_reason():
    with pytest.raises(PolicyError, match="ValueError: no"):
        measure_agent(NullEnv(), raises, crowds=(1,), count=2)


def test_mismatches_are_refused():
    with pytest.raises(ConfigurationError, match="must contain 1"):
        measure_agent(NullEnv(), Sleeps(0), crowds=(2, 3))
    with pytest.raises(ConfigurationError, match="observation space"):
        measure_agent(gym.wrappers.TransformObservation(NullEnv(), list, Sequence(Discrete(2))), Sleeps(0))


def test_crowds_fill_the_processors_and_one_more(monkeypatch):
    monkeypatch.setattr(measuring, "processors", lambda: 8)
    assert default_crowds(1) == (1, 2, 4, 8, 9)
    assert default_crowds(8) == (1, 2)


def test_variants(monkeypatch):
    monkeypatch.setattr(measuring, "processors", lambda: 4)
    monkeypatch.setattr(measuring, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(bfloat16, "computes_bfloat16", lambda: True)
    names = dict(variants(hocket.TorchPolicy(partial(len, ()))))
    assert list(names) == [
        "1 thread",
        "2 threads",
        "4 threads",
        "1 thread, bfloat16",
        "2 threads, bfloat16",
        "4 threads, bfloat16",
    ]
    assert (names["4 threads, bfloat16"].threads, names["4 threads, bfloat16"].bfloat16) == (4, True)
    monkeypatch.setattr(measuring, "computes_bfloat16", lambda: False)
    assert len(variants(hocket.TorchPolicy(partial(len, ())))) == 3
    [(name, same)] = variants(raises)
    assert name == "" and same.function is raises
