import numpy as np
import pytest

from hocket.instruments.live.lateness import BINS, bin_of, percentiles


@pytest.mark.parametrize("count", [1, 2, 7, 100, 5000])
def test_percentiles_are_numpys_to_half_a_percent(count):
    lateness_s = np.random.default_rng(count).lognormal(np.log(5e-5), 1.5, count)
    counts = np.bincount([bin_of(x) for x in lateness_s], minlength=BINS)
    assert percentiles(counts, 50, 99) == pytest.approx(np.percentile(lateness_s, (50, 99)).tolist(), rel=0.005)


def test_zero_and_very_large_lateness():
    assert bin_of(0.0) == bin_of(-1e-3) == 0
    assert bin_of(1e9) == BINS - 1
    counts = np.zeros(BINS, np.int64)
    assert percentiles(counts, 50, 99) == [None, None]
    counts[0] = 10
    assert percentiles(counts, 50, 99) == [0.0, 0.0]
