import re

import numpy as np
import pytest

from hocket.errors import ConfigurationError, check_whole


@pytest.mark.parametrize("value", [1, 7, 10**30])
def test_whole_numbers_pass(value):
    check_whole("ticks", value, example=3)


def test_numpys_pass_where_they_are_allowed():
    check_whole("ticks", np.int64(3), example=3, numpy=True)
    check_whole("ticks", np.uint8(19), least=0, most=19, example=3, numpy=True)
    with pytest.raises(ConfigurationError, match=r"ticks=np\.int64\(3\) must be"):
        check_whole("ticks", np.int64(3), example=3)


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 1.5, True, "3", None, float("nan"), float("inf"), np.float64(3), np.True_]
)
@pytest.mark.parametrize("numpy", [False, True])
def test_the_rest_is_refused_by_name(value, numpy):
    message = f"ticks={value!r} must be a whole number from 1; try 3600"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        check_whole("ticks", value, example=3600, numpy=numpy)


def test_numbers_outside_the_limits_are_refused():
    for value in (-1, 20):
        message = f"nice={value} must be a whole number from 0 to 19; try 10"
        with pytest.raises(ConfigurationError, match=f"^{message}$"):
            check_whole("nice", value, least=0, most=19, example=10)
