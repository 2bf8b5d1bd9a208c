import numpy as np
import pytest

from hocket.analysis.estimates import Earnings, Estimate, chance_of_another, difference, level


def earned(sums, units, largest=1.0):
    return Earnings(earned=np.array(sums, float), units=np.array(units, float), largest=largest)


def test_by_hand():
    # Mean 3, deviations −2 … 2: s² = 10/4. Five values have four degrees of freedom, of which half count: t = 4.303.
    found = level(earned([1, 2, 3, 4, 5], [1] * 5, 5.0), 5.0)
    half = 4.303 * np.sqrt(2.5 / 5)
    assert (found.mean, found.low, found.high) == pytest.approx((3, 3 - half, 3 + half))


def test_a_ratio_weighs_runs_by_their_units():
    # 10 in one episode and 2 in three: 12 in 4, not the mean of 10 and 2/3.
    kind = earned([10, 2], [1, 3])
    assert kind.ratio == 3
    assert kind.residuals.tolist() == [(10 - 3) / 2, (2 - 9) / 2]


def test_a_difference_is_taken_run_by_run():
    one, other = earned([1, 2, 3, 4, 5], [1] * 5), earned([0, 1, 2, 3, 4], [1] * 5)
    found = difference(one, other, 5.0, same=False)
    # Always 1, though both vary, which five units do not prove.
    assert found.mean == 1 and found.high - 1 == pytest.approx(5 * (1 - 0.05**0.2)) == pytest.approx(1 - found.low)
    assert difference(one, one, 5.0, same=True) == Estimate(0, 0, 0)


def test_what_never_varied_is_not_certain():
    # At most 3/n, for large n: e^−3 is about 0.05.
    assert chance_of_another(1000) == pytest.approx(3 / 1000, rel=0.01)
    found = level(earned([4] * 5, [2] * 5), 2.0)
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - 2 * 0.2589, 2 + 2 * 0.2589), abs=0.001)


def test_bounds_are_not_exceeded():
    always = Earnings(earned=np.full(5, 20.0), units=np.full(5, 2.0), largest=10.0, least=0.0, most=10.0)
    assert level(always, 10.0) == Estimate(10, pytest.approx(10 * 0.7411, abs=0.001), 10)
    mixed = Earnings(earned=np.array([20.0, 20, 20, 20, 14]), units=np.full(5, 2.0), largest=10.0, least=0.0, most=10.0)
    assert level(mixed, 10.0).high == 10
    # The difference to what varies holds the doubt of both: that of what never varied on its side alone.
    lost = difference(always, mixed, 10.0, same=False)
    varied = level(mixed, 10.0).mean - level(mixed, 10.0).low
    assert lost.mean == pytest.approx(0.6) and lost.high == pytest.approx(0.6 + varied)
    assert lost.low == pytest.approx(0.6 - varied - 10 * 0.2589, abs=0.001)


LAWS = {
    "normal": (lambda rng, n: rng.normal(3, 2, n), 3),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1),
    "gamma 4": (lambda rng, n: rng.gamma(4, 1, n), 4),
    "heavy tails": (lambda rng, n: rng.standard_t(3, n), 0),
    "one in three": (lambda rng, n: (rng.random(n) < 0.3) * 1.0, 0.3),
    "successes of ten": (lambda rng, n: rng.binomial(10, 0.1, n) * 1.0, 1),
    "rare successes": (lambda rng, n: rng.binomial(26, 0.014, n) * 1.0, 26 * 0.014),
}


@pytest.mark.slow
@pytest.mark.parametrize("runs", [5, 10, 20])
@pytest.mark.parametrize("law", LAWS, ids=LAWS)
def test_an_interval_holds_the_truth_in_93_of_100(law, runs):
    draw, truth = LAWS[law]
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        values = draw(rng, runs)
        largest = float(np.abs(values).max()) or 1.0
        found = level(earned(values, np.ones(runs), largest), largest)
        held += found.low <= truth <= found.high
    assert held >= 0.93 * 2000


def test_episodes_of_random_lengths_are_not_biased():
    # Run by run, episodes that last a geometric time are played until 20 ticks are over, and the last to its end.
    rng, held, means = np.random.default_rng(3), 0, []
    for _ in range(1000):
        sums, counts = np.zeros(5), np.zeros(5)
        for run in range(5):
            while sums[run] < 20:
                sums[run] += rng.geometric(0.1)
                counts[run] += 1
        found = level(earned(sums, counts, 50.0), 50.0)
        means.append(found.mean)
        held += found.low <= 10 <= found.high
    assert held >= 930 and np.mean(means) == pytest.approx(10, rel=0.05)
