import pickle
import time

import numpy as np
import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.policies.base import FunctionPolicy, PolicyFactory, Stages, TwoStage

OBSERVATION = np.zeros(1, np.uint8)


def constant(observation):
    return 1


def trunk(observation):
    return int(observation[0])


def head(features, pending_actions):
    return features + int(pending_actions.sum())


class Versioned:
    version = 0

    def __call__(self, observation):
        self.version += 1
        return 0


class VersionedStages(Stages):
    version = 7


class Factory(PolicyFactory):
    """Keeps what it warmed up."""

    preload = ("math",)

    def __init__(self, policy, head_s=0.0):
        self.policy, self.head_s, self.warm = policy, head_s, []

    def build(self):
        return self.policy

    def warm_up(self, policy, *example):
        self.warm.append(policy)


def seconds(call, *inputs):
    began = time.monotonic()
    call(*inputs)
    return time.monotonic() - began


def test_no_answer_comes_sooner():
    policy = hocket.Charged(constant, hocket.Constant(0.05)).build()
    assert seconds(policy, OBSERVATION) >= 0.05
    assert policy(OBSERVATION) == 1


def test_an_answer_that_takes_longer_is_charged_no_more():
    policy = hocket.Charged(lambda observation: time.sleep(0.1), hocket.Constant(0.05)).build()
    assert 0.1 <= min(seconds(policy, OBSERVATION) for _ in range(5)) < 0.15


def test_of_two_stages_the_trunk_is_charged():
    factory = hocket.Charged(TwoStage(trunk, head, pending=2, head_s=0.002), hocket.Constant(0.2))
    assert (factory.pending, factory.head_s, factory.newest) == (2, 0.002, False)
    policy = factory.build()
    assert isinstance(policy, Stages)
    assert seconds(policy.trunk, OBSERVATION) >= 0.2
    pending_actions = np.array([1, 2])
    assert min(seconds(policy.head, 4, pending_actions) for _ in range(5)) < 0.2
    assert policy(np.array([4], np.uint8), pending_actions) == 4 + 3


def test_apart_from_the_charge_it_is_the_same_policy():
    versioned = hocket.Charged(Factory(Versioned()), hocket.Constant(0.0))
    policy = versioned.build()
    assert [policy.version, policy(OBSERVATION), policy.version] == [0, 0, 1]
    assert versioned.preload == ("math",)
    assert hocket.Charged(Factory(VersionedStages(trunk, head), 0.001), hocket.Constant(0.0)).build().version == 7
    assert hocket.Charged(constant, hocket.Constant(0.0)).build().version == 0
    chunks = FunctionPolicy(constant, chunk_length=3, alignment=hocket.Alignment.RELEASE)
    charged = hocket.Charged(chunks, hocket.Constant(0.0))
    assert (charged.chunk_length, charged.alignment) == (3, hocket.Alignment.RELEASE)


@pytest.mark.parametrize("inner", [constant, Stages(trunk, head)])
def test_warming_up_is_free(inner):
    factory = Factory(inner, 0.001 if isinstance(inner, Stages) else 0.0)
    charged = hocket.Charged(factory, hocket.Constant(100.0))
    charged.warm_up(charged.build(), OBSERVATION)
    assert factory.warm == [inner]


def test_it_travels():
    charged = hocket.Charged(TwoStage(trunk, head, pending=2), hocket.LogNormal(0.05, 0.3))
    assert pickle.loads(pickle.dumps(charged)) == charged


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_delay_is_the_charge_in_ticks_rounded_up(executor):
    """2.5 ticks of 20 ms: delay 3, with three workers at each tick."""
    result = hocket.run(
        NullEnv(),
        hocket.Charged(constant, hocket.Constant(0.05)),
        hocket.TickDispatch(4),
        hocket.Realtime(hz=50, executor=executor),
        ticks=80,
    )
    after = result.metrics(after_tick=30)
    fresh = after.ticks.inference >= 0
    delays = after.ticks.delay_ticks[fresh]
    assert delays.min() == 3 == np.median(delays)
    assert fresh.mean() > 0.7
    assert "Constant(duration_s=0.05)" in result.config["policy"]


def test_invalid_charges_are_refused():
    with pytest.raises(ConfigurationError, match=r"latency=0\.05 is not a latency model"):
        hocket.Charged(constant, 0.05)
    with pytest.raises(ConfigurationError, match="policy=5 is not callable"):
        hocket.Charged(5, hocket.Constant(0.05))
    changing = hocket.Changing(hocket.Constant(0.1), hocket.Constant(0.2), at_s=5.0)
    for law in (changing, hocket.PerWorker(hocket.Constant(0.1), (1, 2))):
        with pytest.raises(ConfigurationError, match="depends on the worker or the time"):
            hocket.Charged(constant, law)


def test_virtual_time_does_not_sleep():
    charged = hocket.Charged(constant, hocket.Constant(0.05))
    with pytest.raises(ConfigurationError, match=r"virtual time would not notice.*Constant\(duration_s=0.05\)"):
        hocket.run(
            NullEnv(), charged, hocket.TickDispatch(1), hocket.Virtual(hz=50, latency=hocket.Constant(0.1)), ticks=10
        )
