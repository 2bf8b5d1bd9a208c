import math

import by_hand
import numpy as np
import pytest

from hocket.results.intervals import interval
from hocket.results.metrics import Metrics
from hocket.results.report import bins


def metrics():
    """Of by_hand.story: ticks 1, 2, 3, 5, 6; fresh at 1 (delay 1), 3 (2) and 5 (3); 4 is missed."""
    return Metrics(by_hand.story())


def test_edges_never_make_more_bins_than_asked_for_nor_shorter_ones_than_sensible():
    assert bins.tick_edges(216_000).tolist() == [1350 * k for k in range(161)]
    assert bins.tick_edges(100).tolist() == [0, 20, 40, 60, 80, 100]
    assert bins.tick_edges(7).tolist() == [0, 7]
    assert bins.tick_edges(1).tolist() == [0, 1]


def test_coverage_counts_missed_ticks_and_is_silent_behind_the_end():
    edges = np.array([0, 2, 4, 6, 8])
    assert bins.coverage(metrics(), edges)[:3].tolist() == [1 / 2, 1 / 2, 1 / 2]
    assert math.isnan(bins.coverage(metrics(), edges)[3])
    assert bins.coverage(metrics(), np.array([0, 6])).tolist() == [metrics().coverage]


def test_spread_by_bin():
    found = bins.spread(np.array([1, 2, 3, 9]), np.array([1.0, 2.0, 3.0, 7.0]), np.array([0, 3, 6, 9]), 0, 100)
    assert found.mean[[0, 2]].tolist() == [2, 7] and math.isnan(found.mean[1])
    assert found.low[0] == 1 and found.middle[0] == 2 and found.high[0] == 3
    assert found.low[2] == found.high[2] == 7


def test_mean_and_interval_by_bin():
    means, halves = bins.mean_and_interval(
        np.array([1, 2, 3, 5]), np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 3, 6, 9])
    )
    assert means[:2].tolist() == [2, 9] and math.isnan(means[2])
    assert halves[0] == pytest.approx(4.303 / math.sqrt(3)) and math.isnan(halves[1])
    assert interval([1, 2, 3]) == pytest.approx((2, 4.303 / math.sqrt(3)))


def test_whole_numbers_have_a_bar_each_and_the_tail_is_counted():
    values = np.array([2] * 500 + [3] * 498 + [90, 91])
    edges, shares, beyond = bins.whole_histogram(values)
    assert edges.tolist() == [1.5, 2.5, 3.5] and shares.tolist() == [0.5, 0.5] and beyond == 2
    edges, shares, beyond = bins.whole_histogram(np.arange(1000), most=50)
    assert len(shares) <= 50 and shares.sum() == pytest.approx(1)
    assert set(np.diff(edges)) == {20}


@pytest.mark.parametrize("histogram", [bins.histogram, bins.log_histogram])
def test_histograms_lose_nothing(histogram):
    values = np.random.default_rng(0).lognormal(0, 1, 10_000)
    edges, shares, beyond = histogram(values)
    assert shares.sum() == pytest.approx(1) and beyond == (values > edges[-1]).sum() > 0
    assert np.all(np.diff(edges) > 0)
    for some in (np.full(5, 2.0), np.array([3.0])):
        edges, shares, beyond = histogram(some)
        assert shares.sum() == pytest.approx(1) and beyond == 0 and edges[0] <= some[0] <= edges[-1]
    assert np.isnan(histogram(np.empty(0))[1]).all()


def test_the_worst_stretch():
    late = metrics()
    assert bins.worst_stretch(late, 2) in (3, 4)  # ticks 4 and 5, or 5 and 6: one fresh of two
    assert bins.worst_stretch(late, 6) == 0
    assert bins.worst_stretch(late, 100) == 0


def test_episode_ends_fit_their_returns():
    found = metrics()
    assert bins.episode_ends(found).tolist() == [5]
    assert found.episode_returns.tolist() == [1 + 2 + 3 + 5]
