import math

import pytest

from hocket.results.intervals import difference


def test_the_interval_of_a_difference_is_welchs():
    # By hand: variances of the means 1/3 and (16/3)/4; freedom (5/3)² / ((1/3)²/2 + (4/3)²/3) = 4.29, so 4.
    mean, half = difference([1, 2, 3], [6, 6, 10, 10])
    assert mean == -6 and half == pytest.approx(2.776 * math.sqrt(5 / 3))


def test_one_value_has_no_interval_and_equal_ones_an_empty_one():
    mean, half = difference([3], [1, 2])
    assert mean == 1.5 and math.isnan(half)
    assert difference([2, 2], [1, 1]) == (1, 0)
