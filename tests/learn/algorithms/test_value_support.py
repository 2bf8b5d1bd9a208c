import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.value_support import Support, discounted_returns


def test_discounted_returns_stop_where_an_episode_ends():
    # Backwards: 4; 3 (an end); 2 + 0.5·3; 1 + 0.5·3.5.
    assert discounted_returns([1, 2, 3, 4], [0.5, 0.5, 0.0, 0.5]).tolist() == [2.75, 3.5, 3.0, 4.0]
    assert discounted_returns([], []).tolist() == []


@pytest.mark.parametrize(
    ("returns", "ends"),
    [
        ([2.0, 10.0], (-1.0, 11.0)),  # 0 … 10 and a tenth of 10 at either end
        ([-20.0, -5.0], (-22.0, 2.0)),
        ([-1.0, 3.0], (-1.4, 3.4)),
        ([0.0, 0.0], (-1.0, 1.0)),
        ([], (-1.0, 1.0)),
    ],
)
def test_the_first_support_holds_what_was_seen_and_zero(returns, ends):
    support = Support.fit(returns, atoms=11)
    assert (support.v_min, support.v_max) == pytest.approx(ends)
    assert support.spacing == pytest.approx((ends[1] - ends[0]) / 10)


def test_growth_is_by_whole_ranges_and_only_where_needed():
    support = Support(-1.0, 3.0, 5)
    assert support.grown(-1.0, 3.0) == support
    assert support.grown(0.0, 3.1) == Support(-1.0, 7.0, 5)
    assert support.grown(-1.5, 0.0) == Support(-5.0, 3.0, 5)
    assert support.grown(0.0, 11.0) == Support(-1.0, 15.0, 5)  # by 4, then by 8
    assert support.grown(-1.5, 8.0) == Support(-5.0, 19.0, 5)  # by 4 at both ends, then by 12


@pytest.mark.parametrize("options", [(1.0, 1.0, 51), (2.0, 1.0, 51), (0.0, np.inf, 51), (np.nan, 1.0, 51), (0, 1, 1)])
def test_invalid_supports_are_refused(options):
    with pytest.raises(ConfigurationError, match="try"):
        Support(*options)


def test_returns_that_are_not_finite_are_refused():
    with pytest.raises(ConfigurationError, match="nan"):
        Support.fit([1.0, np.nan])
    with pytest.raises(ConfigurationError, match="inf"):
        Support(-1, 1).grown(0, np.inf)
