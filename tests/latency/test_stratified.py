import numpy as np
import pytest

import hocket
from hocket.latency.stratified import FIRST_BLOCK, Typical
from hocket.testing import check_latency


def draws(law, count, seed=0):
    sample = Typical(law).sampler(np.random.default_rng(seed))
    return np.array([sample(0, 0) for _ in range(count)]) / 1e9


@pytest.mark.parametrize(
    "law", [hocket.LogNormal(0.2, 0.5), hocket.Gamma(0.2, 4), hocket.HeavyTail(0.2, 0.02, 5.0)], ids=repr
)
def test_a_block_is_the_law_itself(law):
    count = FIRST_BLOCK * 3
    seconds = draws(law, count)
    rng = np.random.default_rng(9)
    many = law.draw_s(rng, 1_000_000)
    assert seconds.mean() == pytest.approx(0.2, rel=0.01)
    for q in (5, 25, 50, 75, 95):
        assert np.percentile(seconds, q) == pytest.approx(np.percentile(many, q), rel=0.03)
    # Neighbours are independent.
    assert abs(np.corrcoef(seconds[:-1], seconds[1:])[0, 1]) < 0.1


def test_the_longest_is_the_usual_one():
    law, count = hocket.LogNormal(0.2, 0.4), FIRST_BLOCK * 7  # three blocks
    longest = [draws(law, count, seed).max() for seed in range(20)]
    plain = [law.draw_s(np.random.default_rng(seed), count).max() for seed in range(400)]
    assert np.mean(longest) == pytest.approx(np.mean(plain), rel=0.04)
    assert np.std(longest) < 0.6 * np.std(plain)


@pytest.mark.parametrize("law", [hocket.Gamma(0.2, 4), hocket.PerWorker(hocket.Constant(0.1), (1.0, 3.0))], ids=repr)
def test_it_conforms(law):
    check_latency(Typical(law))


def test_other_laws_stay_what_they_are():
    law = hocket.Changing(hocket.Constant(0.1), hocket.Constant(0.2), at_s=1.0)
    sample = Typical(law).sampler(np.random.default_rng(0))
    assert (sample(0, 0), sample(0, 2 * 10**9)) == (10**8, 2 * 10**8)
