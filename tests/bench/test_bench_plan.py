import numpy as np
import pytest

import hocket
from hocket.bench.planner import PlannerCase, bench_plan, case, compare, worst_seconds


def test_cases_are_of_every_kind_and_come_again():
    every = [case(number) for number in range(200)]
    assert [repr(one) for one in every[:20]] == [repr(case(number)) for number in range(20)]
    assert {type(one.law).__name__ for one in every} == {"Constant", "LogNormal", "Gamma", "HeavyTail", "Empirical"}
    assert {type(one.rule).__name__ for one in every} == {
        "Sequential",
        "Unstaggered",
        "MaxTime",
        "ExpectedTime",
        "TickDispatch",
    }
    assert max(one.rule.initial_workers for one in every) > 200


@pytest.mark.parametrize(
    "cases", [pytest.param(4, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.training)]
)
def test_forecasts_hold(cases):
    rows = bench_plan(cases=cases, ticks=3000, processes=1, seed=1, limit_s=30)
    assert [row["case"] for row in rows] == list(range(cases))
    missed = [row for row in rows if not row["within"]]
    # No forecast can hold where the driver's own seeds differ by more than the bounds.
    assert not [row for row in missed if row["seeds_agree"]], missed
    assert len(missed) <= 1
    assert " s at most" in worst_seconds(rows)


def test_a_forecast_that_is_wrong_is_seen(monkeypatch):
    from hocket.bench import planner as plan

    monkeypatch.setattr(plan, "forecast", lambda law, rule, hz, **more: hocket.forecast(law, rule, hz * 1.2, **more))
    row = compare(PlannerCase(0, hocket.Constant(0.1), hocket.Sequential(), 60.0), ticks=500)
    assert not row["within"] and np.isfinite(row["delay_mean"])
