from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest

from hocket.envs.catalog import RealtimeSpec
from hocket.errors import ConfigurationError


def test_a_rate_is_kept_exactly():
    assert RealtimeSpec(59.7275).hz == Fraction(597275, 10000)
    assert RealtimeSpec(60, 0) == RealtimeSpec(Fraction(60), 0)
    assert RealtimeSpec("60").default is None


@pytest.mark.parametrize("hz", [0, -60, "fast", float("nan"), float("inf"), None])
def test_invalid_rates_are_refused(hz):
    with pytest.raises(ConfigurationError, match="hz="):
        RealtimeSpec(hz)


def test_it_is_a_value():
    with pytest.raises(FrozenInstanceError):
        RealtimeSpec(60).hz = 50
