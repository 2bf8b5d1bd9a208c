import numpy as np
import pytest

from hocket.errors import CheckpointError
from hocket.learn.checkpoints.pickling import dump, load


class Heavy:
    def __reduce__(self):
        raise AssertionError("it was to stay apart")


class Holder:
    def __init__(self, heavy, rng):
        self.heavy, self.rng = heavy, rng


def test_things_apart_are_put_back_and_all_else_is_shared_as_before():
    heavy, rng = Heavy(), np.random.default_rng(3)
    rng.random(5)
    state = {"holder": Holder(heavy, rng), "rng": rng, "method": heavy.__init__}
    other = Heavy()
    back = load(dump(state, {"heavy": heavy}), {"heavy": other})
    assert back["holder"].heavy is other
    assert back["holder"].rng is back["rng"]
    assert back["method"].__self__ is other
    assert back["rng"].random() == rng.random()


def test_unpicklable_objects_are_refused():
    with pytest.raises(CheckpointError, match=r"cannot be saved .*lambda"):
        dump({"policy": lambda x: x}, {})


def test_a_name_that_is_not_given():
    heavy = Heavy()
    with pytest.raises(CheckpointError, match=r"refers to 'heavy'.* has \['light'\]"):
        load(dump([heavy], {"heavy": heavy}), {"light": 1})


def test_rubbish():
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(b"rubbish", {})
