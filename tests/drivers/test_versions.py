"""The version of the weights that answered: from the policy object through every executor to learners and files."""

from dataclasses import dataclass

import numpy as np
import pytest

import hocket
from hocket.core.trace import Trace
from hocket.envs.null import NullEnv
from hocket.policies.base import PolicyFactory
from hocket.testing import replay

HZ = 50
CLOCKS = {
    "virtual": hocket.Virtual(hz=HZ, latency=hocket.Constant(0.03)),
    "threads": hocket.Realtime(hz=HZ, executor="threads"),
    "processes": hocket.Realtime(hz=HZ, executor="processes"),
}


class Following:
    """Its weights are always those of a hundred plus the observation; some observations have version 0."""

    version = 7  # before the first answer

    def __call__(self, observation):
        number = int(observation.flat[0])
        self.version = 0 if number % 5 == 0 else 100 + number
        return number % 3


@dataclass
class FollowingPolicy(PolicyFactory):
    def build(self):
        return Following()


class Kept:
    def __init__(self):
        self.moments = []

    def began(self, observation):
        pass

    def ticked(self, moment):
        self.moments.append(moment)


def version_of(observation):
    return 0 if observation % 5 == 0 else 100 + observation


@pytest.mark.realtime
@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS.keys())
def test_every_answer_carries_the_version_that_gave_it(clock, tmp_path, nothing_left):
    kept = Kept()
    env = NullEnv((1,), dtype=np.int64, actions=3, episode_ticks=17)
    result = hocket.run(env, FollowingPolicy(), hocket.TickDispatch(3), clock, ticks=40, listener=kept)
    inferences = result.metrics().inferences
    answered = inferences.finished_ns >= 0
    assert answered.sum() > 20
    shown = {m.decided_on: m.version for m in kept.moments if m.decided_on >= 0}
    numbers = [version_of(int(o) % 17) for o in inferences.observation[answered]]
    assert inferences.version[answered].tolist() == numbers
    assert set(inferences.version[~answered].tolist()) <= {-1}
    assert len(shown) > 15 and all(version == version_of(o % 17) for o, version in shown.items())
    assert {m.version for m in kept.moments if m.decided_on < 0} <= {-1}
    result.save(tmp_path)
    with np.load(tmp_path / "inferences.npz") as saved:
        assert saved["version"].tolist() == inferences.version.tolist()
    assert replay(Trace.load(tmp_path / "trace.bin"))


def test_a_plain_function_has_version_0(null_run):
    result = null_run(hocket.TickDispatch(2), CLOCKS["virtual"], 20)
    inferences = result.metrics().inferences
    assert set(inferences.version.tolist()) == {-1, 0}
    assert np.array_equal(inferences.version < 0, inferences.finished_ns < 0)


def test_versions_are_forgotten_with_their_inferences(engines):
    env = NullEnv((1,), dtype=np.int64, actions=3, episode_ticks=7)
    hocket.run(env, FollowingPolicy(), hocket.TickDispatch(4), CLOCKS["virtual"], ticks=200)
    assert engines[0]._versions == {} == engines[0]._answers
