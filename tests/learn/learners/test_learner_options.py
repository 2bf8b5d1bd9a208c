import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError

BESIDE = (hocket.RoundRobin, hocket.ParallelBatch)


def test_default_options():
    assert hocket.RoundRobin() == hocket.RoundRobin(1, update_every=4, warm_up=1000)
    assert hocket.ParallelBatch(2) == hocket.ParallelBatch(2, update_every=4, warm_up=1000)
    assert hocket.InLoop() == hocket.InLoop(warm_up=1000)
    assert hocket.RoundRobin(3, update_every=None, warm_up=np.int64(5)).update_every is None


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4"])
def test_only_whole_numbers_from_1_are_accepted(value):
    for make in BESIDE:
        for name in ("learners", "update_every", "warm_up"):
            with pytest.raises(ConfigurationError, match=f"{name}={value!r} must be a whole number from 1; try"):
                make(**{"learners": 1, name: value})
    with pytest.raises(ConfigurationError, match=f"warm_up={value!r} must be a whole number from 1; try 1000"):
        hocket.InLoop(warm_up=value)


def test_the_warm_up_is_not_optional():
    for make in (*BESIDE, lambda _, warm_up: hocket.InLoop(warm_up=warm_up)):
        with pytest.raises(ConfigurationError, match="warm_up=None"):
            make(1, warm_up=None)
