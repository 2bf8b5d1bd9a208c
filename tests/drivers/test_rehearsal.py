from fractions import Fraction

import numpy as np
import pytest
from gymnasium.spaces import Discrete

import hocket
from hocket.core.cadence import Cadence
from hocket.drivers.rehearsal import Rehearsal
from hocket.spaces.codec import ActionCodec


@pytest.mark.parametrize(
    "rule",
    [
        hocket.TickDispatch(4),
        hocket.TickDispatch(4, quantile="auto"),
        hocket.TickDispatch("auto"),
        hocket.MaxTime(3),
        hocket.ExpectedTime(3),
        hocket.Unstaggered(2),
        hocket.Sequential(),
        hocket.Sequential(hocket.Learn.AFTER_INFERENCE),
    ],
    ids=repr,
)
def test_any_rule_can_be_rehearsed(rule):
    codec = ActionCodec(Discrete(3))
    rehearsal = Rehearsal(rule, Cadence(Fraction(50)), codec, np.zeros((4, 84, 84), np.uint8))
    for _ in range(500):
        rehearsal.play()
        rehearsal._twin.scheduler.validate()
    assert rehearsal._twin.scheduler.started >= 1
