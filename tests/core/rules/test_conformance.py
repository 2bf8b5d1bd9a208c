"""hocket's own rules pass the check that it offers for others."""

import pytest

from hocket.core.rules import ExpectedTime, Learn, MaxTime, OneInFlight, Sequential, TickDispatch, Unstaggered
from hocket.testing import check_rule

RULES = [
    MaxTime(3),
    ExpectedTime(3),
    TickDispatch(3),
    TickDispatch(3, hold=False),
    TickDispatch(4, min_delay_ticks=3),
    TickDispatch("auto", max_workers=6),
    TickDispatch(3, quantile="auto"),
    Unstaggered(3),
    OneInFlight(),
    Sequential(),
    Sequential(Learn.AFTER_INFERENCE),
    Sequential(Learn.BEFORE_INFERENCE),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_it_conforms(rule):
    check_rule(lambda: rule, ticks=60, seeds=1)
