from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import hocket
from hocket.analysis import race
from hocket.bench import planner_files
from hocket.bench.laws import Autoregressive
from hocket.bench.planner_files import FILES, FileCase, compare_file
from hocket.latency import Replayed, law_of_file

BY_NAME = {case.name: case for case in FILES}


@pytest.fixture
def short(short_race, monkeypatch):
    """Two kinds of rules are planned with, for as long on a busy machine as on another."""

    def rules(workers):
        return [hocket.TickDispatch(workers, quantile=0.95), hocket.TickDispatch(workers, quantile=0.99)]

    monkeypatch.setattr(race, "LOOK_TICKS", 1000)
    monkeypatch.setattr(race, "FINALS", ((4, 6000), (2, 20_000)))
    monkeypatch.setattr(hocket, "plan", partial(hocket.plan, rules=rules))
    monkeypatch.setattr(planner_files, "RATIOS", (0.7, 0.85, 1.0, 1.15, 1.4))


def test_files_hold_what_the_law_gives(tmp_path):
    law = Autoregressive(0.2, 0.3, 0.95)
    listed = law_of_file(FileCase("listed", law, 3000).write(tmp_path))
    saved = law_of_file(FileCase("saved", law, 3000, timed=True).write(tmp_path))
    for found in (listed, saved):
        assert isinstance(found, Replayed) and np.mean(found.durations_s) == pytest.approx(0.2, rel=0.1)
    assert len(listed.durations_s) == 3000 and listed.started_s is None
    # The last inferences of a run have not ended.
    assert 2950 < len(saved.durations_s) < 3000 and saved.started_s[1] == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("correlated 0.95, wide", marks=pytest.mark.training),
        pytest.param("regimes of 5 s", marks=pytest.mark.training),
        pytest.param("regimes of 5 s, timed", marks=pytest.mark.slow),
    ],
)
def test_a_plan_from_a_file_holds_for_its_law(short, name):
    row = compare_file(replace(BY_NAME[name], limit_s=100), ticks=12_000)
    assert row["holds"] and row["ticks"] == 20_000
    assert row["within"] or row["reasons"], row
    assert row["near"], row


@pytest.mark.slow
@pytest.mark.parametrize("name", ["half a minute, correlated", "one regime and a half", "in milliseconds", "one time"])
def test_a_file_that_tells_too_little_is_said_to(short, name, monkeypatch):
    monkeypatch.setattr(race, "FINALS", ((4, 2000), (2, 4000)))
    case = replace(BY_NAME[name], limit_s=100, law=None, times_s=BY_NAME[name].times_s or tuple(drawn(BY_NAME[name])))
    row = compare_file(case)
    assert case.caution and row["said"] and row["reasons"] and row["holds"]


def drawn(case):
    sample = case.law.sampler(np.random.default_rng(0))
    return [sample(0, tick * 10**9 // 60) / 1e9 for tick in range(case.count)]


def test_a_plan_that_is_wrong_is_seen(short_race, monkeypatch):
    usual = hocket.plan

    def hasty(path, hz, **more):
        return usual(path, hz / 2, workers=(4,), rules=lambda n: [hocket.TickDispatch(n)], **more)

    monkeypatch.setattr(hocket, "plan", hasty)
    row = compare_file(FileCase("independent", hocket.LogNormal(0.1, 0.1), 1000, limit_s=100), ticks=1000)
    assert not row["within"] and not row["near"] and not row["holds"] and row["workers_best"] > 4
    row = compare_file(FileCase("other", times_s=(0.1,) * 200, caution="too small", limit_s=100))
    assert not row["said"] and not row["holds"]
