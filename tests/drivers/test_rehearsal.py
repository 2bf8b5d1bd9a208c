from fractions import Fraction

import pytest

import hocket
from hocket.core.cadence import Cadence
from hocket.drivers.rehearsal import Rehearsal


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
    rehearsal = Rehearsal(rule, Cadence(Fraction(50)))
    for _ in range(500):
        rehearsal.play()
        rehearsal._twin.validate()
    assert rehearsal._twin.started >= 1
