import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.window import Window
from hocket.errors import ConfigurationError


def filled(size, values):
    window = Window(size)
    for value in values:
        window.add(value)
    return window


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=60),
    st.integers(1, 70),
    st.fractions(0, 1, max_denominator=64).map(float),
)
def test_it_agrees_with_numpy_on_what_it_remembers(values, size, q):
    window = filled(size, values)
    remembered = values[-size:]
    assert len(window) == len(remembered)
    assert window.ascending == sorted(remembered)
    assert window.mean == pytest.approx(np.mean(remembered))
    assert window.quantile(q) == np.quantile(remembered, q, method="inverted_cdf")


def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed():
    # Of 10, 20, 30, 40: half do not exceed 20; a hair more than half needs 30; all need 40.
    window = filled(4, [40, 10, 30, 20])
    assert [window.quantile(q) for q in (0.0, 0.25, 0.5, 0.51, 0.99, 1.0)] == [10, 10, 20, 30, 40, 40]


def test_the_warm_up_is_forgotten():
    window = filled(3, [10**10, 5, 6, 7])
    assert window.ascending == [5, 6, 7]
    assert window.mean == 6


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "10"])
def test_other_sizes_are_refused(size):
    with pytest.raises(ConfigurationError, match="window="):
        Window(size)
