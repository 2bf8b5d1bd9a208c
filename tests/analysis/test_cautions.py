import math

import numpy as np
import pytest

import hocket
from hocket.analysis.cautions import cautions_of
from hocket.analysis.forecast import Playing, latency_figures
from hocket.latency import Replayed

HZ = 60


def said(law, rule=None):
    playing = Playing(law, rule or hocket.TickDispatch(2, quantile=0.95), HZ)
    playing.play(100)
    return " ".join(cautions_of(playing.forecast(), latency_figures(playing.agent.latency), HZ))


def times(count, seed=0):
    return hocket.Empirical(np.random.default_rng(seed).normal(0.1, 0.005, count).tolist())


def test_enough_independent_times_need_no_caution():
    assert said(times(200)) == said(hocket.LogNormal(0.1, 0.3)) == ""


def test_one_time():
    assert "one inference time only" in said(hocket.Empirical((0.1,)))


@pytest.mark.parametrize(
    ("quantile", "count", "needed"), [(0.95, 60, 100), (0.99, 400, 500), ("auto", 60, 100)], ids=str
)
def test_too_few_for_the_quantile(quantile, count, needed):
    rule = hocket.TickDispatch(2, quantile=quantile, predictability=0.9 if quantile == "auto" else None)
    text = said(times(count), rule)
    assert f"{count} inference times are too few" in text and f"at least {needed}" in text
    assert said(times(needed), rule) == ""


def test_chunks_that_are_too_short():
    # 200 ms are 12 ticks.
    law = hocket.Constant(0.2)
    assert said(hocket.Agent(latency=law, chunk_length=12)) == said(law) == ""
    text = said(hocket.Agent(latency=law, chunk_length=11))
    assert "up to 12 ticks (p50: 12)" in text and "actions for 11" in text and "any number of workers" in text
    assert said(hocket.Agent(latency=law, chunk_length=11, alignment=hocket.Alignment.RELEASE)) == ""


def test_units():
    assert "divide them by 1000" in said(hocket.Constant(200.0))
    assert "divide them by 1000" in said(hocket.Empirical(np.full(200, 200.0).tolist()))
    assert "Inference times are in seconds" in said(hocket.Constant(1e-6))


def test_one_time_that_outweighs_all_others():
    text = said(hocket.Empirical((0.001,) * 999 + (1000.0,)))
    assert "One time, 1000 s, is 100% of the sum" in text


def test_a_file_that_is_too_small_for_its_mean():
    # 100 times of which every second is three times as long: ± 2·0.5·/√100 of the mean.
    law = hocket.Empirical([0.1, 0.3] * 60)
    assert "Too few times were measured: 120 of them give the mean to ± 9%" in said(law)


def test_spells_and_regimes():
    rng = np.random.default_rng(3)
    level, levels = 0.0, []
    for draw in rng.standard_normal(20_000):
        level = 0.95 * level + math.sqrt(1 - 0.95**2) * draw
        levels.append(level)
    text = said(Replayed((0.1 * np.exp(0.1 * np.array(levels))).tolist(), block=800))
    assert "replayed in blocks of 800, by numbers of inferences" in text and "regimes" not in text
    halves = np.concatenate([rng.normal(0.1, 0.01, 500), rng.normal(0.3, 0.01, 500)]).tolist()
    text = said(Replayed(halves, np.arange(1000.0).tolist(), block=1000))
    assert "by spans of time" in text and "it may hold regimes" in text
