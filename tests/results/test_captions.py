import functools
import re

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.learn.policy import LearnedPolicy
from hocket.models import ImpalaNet
from hocket.models.qnetwork import q_network
from hocket.policies.base import as_factory
from hocket.results.captions import caption, default_fields


def still(observation, action=0):
    return action


class Still:
    def __call__(self, observation):
        return 0

    def act(self, observation):
        return 0


class Broken:
    def __repr__(self):
        raise RuntimeError

    def __call__(self, observation):
        return 0


def trunk():
    import torch

    return torch.nn.Linear(4, 10)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (still, "still"),
        (functools.partial(still, action=1), "still(action=1)"),
        (functools.partial(functools.partial(still, action=1), np.zeros(2)), "still(observation=[0.0, 0.0], action=1)"),
        (Still(), "Still"),
        (Still().act, "Still.act"),
        (Broken(), "<Broken>"),
        (hocket.FunctionPolicy(still, chunk_length=3), "still; chunk_length=3"),
        (hocket.TorchPolicy(functools.partial(ImpalaNet, 1, 18)), "ImpalaNet(width=1, actions=18), 0.9 M parameters"),
        (hocket.TorchPolicy(trunk, threads=2), "trunk; threads=2"),
        (LearnedPolicy(network=q_network(trunk(), 10, 2)), "QNetwork, 72 parameters"),
        (
            hocket.Charged(still, hocket.Constant(0.05)),
            "Charged(policy=still, latency=Constant(duration_s=0.05))",
        ),
    ],
)
def test_policies_are_described_by_their_type(policy, text):
    assert caption(as_factory(policy)) == text


def test_a_lambda_is_described_by_its_place():
    assert re.fullmatch(r"lambda \(test_captions\.py:\d+\)", caption(as_factory(lambda observation: 0)))


def test_the_network_of_a_partial_takes_no_memory_and_a_function_is_not_called():
    calls = []
    hundred_gigabytes = hocket.TorchPolicy(functools.partial(ImpalaNet, 1600, 18))
    assert caption(hundred_gigabytes).endswith(" G parameters")
    assert caption(hocket.TorchPolicy(lambda: calls.append(1))).startswith("lambda (") and calls == []


def test_other_values():
    assert caption(hocket.Fixed(np.int64(3))) == "Fixed(action=3)"
    assert caption(np.zeros((84, 84))) == "array of float64 (84, 84)"
    assert caption(list(range(20))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 20 in all]"
    assert caption((1,)) == "(1,)" and caption({"a": still}) == "{a: still}"
    assert caption(hocket.Overrun.SKIP) == "Overrun.SKIP" and caption(None) == "None"


def test_default_fields():
    assert default_fields(hocket.Constant(0.03)) == []
    assert set(default_fields(hocket.TickDispatch(4))) >= {"quantile", "hold"}
    assert "workers" not in default_fields(hocket.TickDispatch(4))


def test_a_run_says_its_mode_its_policy_and_which_options_are_defaults():
    env = gym.make("CartPole-v1")
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    config = hocket.run(env, still, hocket.TickDispatch(3), clock, ticks=5).config
    assert (config["mode"], config["policy"], config["default"]) == ("delay-only, virtual", "still", "Fixed(action=0)")
    assert "rule.quantile" in config["default_fields"] and "clock.failures" in config["default_fields"]
    assert config["clock"]["failures"] == {"outage_s": 10.0, "rounds": 5}
    assert not {"rule.workers", "clock.latency", "clock.hz"} & set(config["default_fields"])
    measured = hocket.Virtual(hz=50, latency=hocket.analysis.Measured((0.03,)))
    assert hocket.run(env, still, hocket.TickDispatch(3), measured, ticks=5).config["mode"] == "true-size, virtual"


@pytest.mark.realtime
def test_the_mode_of_a_realtime_run():
    env, clock = gym.make("CartPole-v1"), hocket.Realtime(hz=200, executor="threads")
    for policy, mode in (
        (still, "true-size, realtime"),
        (hocket.Charged(still, hocket.Constant(0.01)), "delay-only, realtime"),
    ):
        assert hocket.run(env, policy, hocket.TickDispatch(2), clock, ticks=5).config["mode"] == mode
