import pickle

import pytest

from hocket.errors import ConfigurationError
from hocket.policy import FunctionPolicy, PolicyFactory, as_factory


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


@pytest.mark.parametrize(
    ("function", "length", "message"), [(3, 1, "policy=3 is not callable"), (abs, 0, "chunk_length=0")]
)
def test_what_cannot_be_a_policy_is_refused(function, length, message):
    with pytest.raises(ConfigurationError, match=message):
        FunctionPolicy(function, length)


def test_a_factory_builds():
    with pytest.raises(TypeError, match="abstract"):
        PolicyFactory()
