import math
from itertools import pairwise

import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.latency import Replayed, law_of_file
from hocket.latency.replayed import spell_length
from hocket.testing import check_latency


def autoregressive(count, phi, seed=0, sigma=0.3):
    rng = np.random.default_rng(seed)
    level, levels = 0.0, []
    for draw in rng.standard_normal(count):
        level = phi * level + math.sqrt(1 - phi**2) * draw
        levels.append(level)
    return 0.2 * np.exp(sigma * np.array(levels))


def written(path, durations_s):
    path.write_text("\n".join(map(str, durations_s)))
    return path


def played(law, count, seed=0, every_ns=0):
    sample = law.sampler(np.random.default_rng(seed))
    return [sample(0, number * every_ns) / 1e9 for number in range(count)]


def test_blocks_keep_the_order_and_hold_each_time_once():
    law = Replayed(tuple(range(1, 13)), block=4)
    order = [round(one) for one in played(law, 24)]
    for turn in (order[:12], order[12:]):
        assert sorted(turn) == list(range(1, 13))
        for block in (turn[:4], turn[4:8], turn[8:]):
            assert [(one - block[0]) % 12 for one in block] == [0, 1, 2, 3]
    assert order[:12] != order[12:]  # in another order, from another point


def test_blocks_of_time_repeat_what_began_last():
    # Three inferences begin at 0, 1 and 2 s. A span is 3 s, one block. Ten draws a second.
    law = Replayed((0.1, 0.2, 0.3), (0.0, 1.0, 2.0), block=3)
    seen = played(law, 300, every_ns=10**8)
    changes = sum(before != after for before, after in pairwise(seen[:30]))
    assert changes <= 4 and all(seen.count(one) == pytest.approx(100, abs=5) for one in (0.1, 0.2, 0.3))


def test_it_conforms():
    check_latency(Replayed((0.1, 0.2, 0.3), block=2))
    check_latency(Replayed((0.1, 0.2, 0.3), (0.0, 0.1, 0.2), block=2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"durations_s": ()}, "durations_s is empty"),
        ({"durations_s": (0.1, -1)}, "durations_s=-1"),
        ({"durations_s": (0.1,), "block": 0}, "block=0"),
        ({"durations_s": (0.1, 0.2), "started_s": (0.0,)}, "started_s has 1 times for 2 durations"),
        ({"durations_s": (0.1, 0.2), "started_s": (0.0, -1.0)}, "ascending order"),
    ],
)
def test_invalid_laws_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        Replayed(**options)


def test_independent_times_have_no_spells():
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        alarms += spell_length((rng.lognormal(0, 0.5, 400)).tolist()) is not None
        alarms += spell_length(np.where(rng.random(400) < 0.02, 5.0, 1.0).tolist()) is not None
    assert alarms <= 2
    assert spell_length([0.1] * 500) is None and spell_length([0.1, 0.2]) is None


@pytest.mark.parametrize(("phi", "count"), [(0.5, 400), (0.8, 300), (0.95, 400), (0.95, 5000)])
def test_correlated_times_are_found(phi, count):
    # A mean of n is worth n/τ independent ones, τ = (1 + φ)/(1 − φ).
    spells = [spell_length(autoregressive(count, phi, seed).tolist()) for seed in range(20)]
    assert None not in spells
    if count == 5000:
        assert np.median(spells) == pytest.approx((1 + phi) / (1 - phi), rel=0.3)


def test_regimes_are_found():
    slow = np.random.default_rng(1).lognormal(0, 0.3, 600)
    slow[200:400] *= 1.5  # hardly seen from one time to the next
    assert spell_length(slow.tolist()) > 15


def test_one_long_time_among_equal_ones_is_no_spell():
    for place in (0, 500, 999):
        assert spell_length([0.001] * place + [1000.0] + [0.001] * (999 - place)) is None


def test_times_that_alternate_are_found():
    assert spell_length([0.1, 0.3] * 100) == 1


def test_a_file_is_replayed_only_where_its_order_matters(tmp_path):
    rng = np.random.default_rng(0)
    free = law_of_file(written(tmp_path / "free.txt", rng.lognormal(-2, 0.3, 500)))
    assert isinstance(free, hocket.Empirical)
    durations_s = autoregressive(2000, 0.95)
    law = law_of_file(written(tmp_path / "bound.txt", durations_s))
    assert isinstance(law, Replayed) and law.started_s is None and 400 <= law.block <= 2000
    assert law.durations_s == pytest.approx(durations_s)


def test_a_runs_inferences_are_replayed_by_time(tmp_path):
    durations_s = autoregressive(500, 0.95)
    started_ns = (np.arange(500) * 10**8)[::-1].copy()  # their order in the file is not that of their starts
    finished_ns = started_ns + (durations_s[::-1] * 1e9).astype(np.int64)
    finished_ns[7] = -1  # never finished
    np.savez(tmp_path / "inferences.npz", started_ns=started_ns, finished_ns=finished_ns)
    law = law_of_file(tmp_path / "inferences.npz")
    assert len(law.durations_s) == len(law.started_s) == 499
    assert law.started_s[:3] == (0.0, 0.1, 0.2) and law.durations_s[0] == pytest.approx(durations_s[0])
