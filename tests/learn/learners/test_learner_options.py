import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError

BESIDE = (hocket.RoundRobin, hocket.ParallelBatch)


def test_default_options():
    assert hocket.RoundRobin() == hocket.RoundRobin(1, update_every_ticks=4, warm_up_ticks=1000)
    assert hocket.ParallelBatch(2) == hocket.ParallelBatch(2, update_every_ticks=4, warm_up_ticks=1000)
    assert hocket.InLoop() == hocket.InLoop(warm_up_ticks=1000)
    assert hocket.RoundRobin(3, update_every_ticks=None, warm_up_ticks=np.int64(5)).update_every_ticks is None


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4"])
def test_only_whole_numbers_from_1_are_accepted(value):
    for make in BESIDE:
        for name in ("learners", "update_every_ticks", "warm_up_ticks"):
            with pytest.raises(ConfigurationError, match=f"{name}={value!r} must be a whole number from 1; try"):
                make(**{"learners": 1, name: value})
    with pytest.raises(ConfigurationError, match=f"warm_up_ticks={value!r} must be a whole number from 1; try 1000"):
        hocket.InLoop(warm_up_ticks=value)


def test_the_warm_up_is_not_optional():
    for make in (*BESIDE, lambda _, warm_up_ticks: hocket.InLoop(warm_up_ticks=warm_up_ticks)):
        with pytest.raises(ConfigurationError, match="warm_up_ticks=None"):
            make(1, warm_up_ticks=None)
