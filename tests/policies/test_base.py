import pickle

import pytest

from hocket.errors import ConfigurationError
from hocket.policies.base import Alignment, FunctionPolicy, PolicyFactory, Stages, TwoStage, as_factory, built


class Doubling(PolicyFactory):
    def build(self):
        return lambda observation: 2 * observation


def test_a_function_becomes_a_factory_and_a_factory_stays_one():
    factory = as_factory(abs)
    assert isinstance(factory, FunctionPolicy) and factory.build() is abs and factory.chunk_length == 1
    doubling = Doubling()
    assert as_factory(doubling) is doubling
    assert doubling.build()(3) == 6
    assert doubling.warm_up(doubling.build(), 0) is None
    assert doubling.preload == ()


def test_a_function_policy_can_travel():
    assert pickle.loads(pickle.dumps(FunctionPolicy(abs, 2))) == FunctionPolicy(abs, 2)


def test_chunks_that_are_aligned_to_their_observation_have_a_horizon():
    assert FunctionPolicy(abs, 16).horizon_ticks == 16
    assert FunctionPolicy(abs, 16, alignment=Alignment.RELEASE).horizon_ticks == 0
    assert FunctionPolicy(abs).horizon_ticks == Doubling().horizon_ticks == 0, "one action is for its release"


@pytest.mark.parametrize(
    ("function", "length", "message"), [(3, 1, "policy=3 is not callable"), (abs, 0, "chunk_length=0")]
)
def test_invalid_policies_are_refused(function, length, message):
    with pytest.raises(ConfigurationError, match=message):
        FunctionPolicy(function, length)


def test_a_factory_builds():
    with pytest.raises(TypeError, match="abstract"):
        PolicyFactory()


class Staged(PolicyFactory):
    head_s = 0.002

    def __init__(self, policy, chunk_length=1):
        self.policy, self.chunk_length = policy, chunk_length

    def build(self):
        return self.policy


def test_two_functions_become_stages():
    factory = TwoStage(abs, divmod, pending=2, head_s=0.0015, newest=True)
    stages = factory.build()
    assert isinstance(stages, Stages) and (stages.trunk, stages.head) == (abs, divmod)
    assert stages(-7, 4) == (1, 3), "the trunk, then the head on its features and the rest"
    assert (factory.pending, factory.newest, factory.chunk_length, factory.head_ns) == (2, True, 1, 1_500_000)
    assert pickle.loads(pickle.dumps(factory)) == factory
    assert as_factory(factory) is factory
    assert TwoStage(abs, abs).head_ns == 1_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": 3}, "trunk=3 is not callable"),
        ({"head": None}, "head=None is not callable"),
        ({"pending": -1}, "pending=-1"),
        ({"head_s": 0}, "head_s=0 leaves the head no time"),
        ({"head_s": -0.001}, "head_s=-0.001 must be 0 or a positive"),
        ({"head_s": 1e-12}, "head_s=1e-12 must be 0 or a positive"),
        ({"head_s": float("inf")}, "head_s=inf must be"),
        ({"head_s": float("nan")}, "head_s=nan must be"),
        ({"head_s": "1"}, "head_s='1' must be"),
    ],
)
def test_invalid_stages_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        TwoStage(**{"trunk": abs, "head": abs, **options})


def test_factories_that_contradict_themselves_are_refused():
    with pytest.raises(ConfigurationError, match=r"chunk_length=3 with head_s=0.002 is not supported"):
        as_factory(Staged(Stages(abs, abs), chunk_length=3))
    with pytest.raises(ConfigurationError, match=r"alignment='release' is not one of Alignment\.OBSERVATION"):
        as_factory(FunctionPolicy(abs, 4, alignment="release"))
    eager = Doubling()
    eager.newest = True
    with pytest.raises(ConfigurationError, match="newest=True has no effect on a policy in one stage"):
        as_factory(eager)
    with pytest.raises(ConfigurationError, match=r"with head_s=0.002; hocket.Stages belong"):
        built(Staged(abs))
    two = Staged(Stages(abs, abs))
    assert built(two) is two.policy
    two.head_s = 0.0
    with pytest.raises(ConfigurationError, match=r"with head_s=0.0; hocket.Stages belong"):
        built(two)
