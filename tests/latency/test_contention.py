import numpy as np
import pytest

import hocket
from hocket import Crowded, Empirical
from hocket.bench.rules import idle_policy
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.testing import check_latency

TWICE = Crowded({1: Empirical((0.1,)), 2: Empirical((0.2,))})
NS = 10**9


def test_it_conforms():
    check_latency(TWICE)


def test_each_crowd_has_its_law():
    sample = TWICE.sampler(np.random.default_rng(0))
    assert sample(0, 0) == NS // 10  # alone until 0.1 s
    assert sample(1, NS // 20) == NS // 5  # one of two until 0.25 s
    assert sample(0, NS // 10) == NS // 5  # the first has just ended; one of two until 0.3 s
    assert sample(0, NS) == NS // 10


def test_beyond_what_was_measured_it_grows_as_before():
    assert [TWICE.mean_s(n) for n in (1, 2, 3, 5)] == pytest.approx([0.1, 0.2, 0.3, 0.5])
    sample = TWICE.sampler(np.random.default_rng(0))
    assert [sample(n, 0) / NS for n in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-6)


def test_between_it_is_interpolated_and_one_law_alone_stays():
    law = Crowded({1: Empirical((0.1,)), 3: Empirical((0.3,))})
    assert law.mean_s(2) == pytest.approx(0.2)
    assert Crowded({1: Empirical((0.1,))}).mean_s(7) == pytest.approx(0.1)
    quicker = Crowded({1: Empirical((0.2,)), 2: Empirical((0.1,))})  # noise: it does not fall to 0
    assert quicker.mean_s(9) == pytest.approx(0.1)


def test_one_must_be_measured():
    with pytest.raises(ConfigurationError, match=r"\[2\] inferences at once"):
        Crowded({2: Empirical((0.1,))})


def test_under_the_virtual_driver_workers_slow_each_other():
    def coverage(law):
        clock = hocket.Virtual(hz=10, latency=law)
        return hocket.run(NullEnv(), idle_policy, hocket.Unstaggered(2), clock, ticks=400).metrics(50).coverage

    assert coverage(Empirical((0.05,))) == 1
    assert coverage(Crowded({1: Empirical((0.05,)), 2: Empirical((0.25,))})) < 0.9
