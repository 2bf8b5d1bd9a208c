"""`hocket bench plan`: the planner's forecasts beside the virtual driver's measurements on other seeds."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import hocket
from hocket.analysis.forecast import LIMIT_S as FORECAST_S
from hocket.analysis.forecast import forecast, settled, start_up_ticks
from hocket.bench.rules import idle_policy
from hocket.core.rules import Rule
from hocket.core.trace import describe_rule
from hocket.envs.null import NullEnv
from hocket.latency.laws import LatencyModel, describe_latency

TICKS = 20_000
OTHER_SEEDS = 3
FIRST_OTHER_SEED = 1000
RATES_HZ = (10, 20, 30, 50, 59.7275, 60, 100, 240, 1000)
COVERAGE_WITHIN = 0.03
DELAY_WITHIN_TICKS = 1.0
DELAY_WITHIN_SHARE = 0.03
LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class PlannerCase:
    """One law, rule and rate, drawn at random."""

    number: int
    law: LatencyModel
    rule: Rule
    hz: float


def case(number: int, seed: int = 0) -> PlannerCase:
    """The case ``number`` of the suite ``seed``: an inference of 0.3 to 150 ticks, and workers for 0.3 to 2.5 times the
    load, 600 at most."""
    rng = np.random.default_rng((seed, number))
    hz = float(rng.choice(RATES_HZ))
    mean_s = float(np.exp(rng.uniform(np.log(0.3), np.log(150)))) / hz
    workers = int(min(600, max(1, round(mean_s * hz * rng.uniform(0.3, 2.5)))))
    law = _law(int(rng.integers(5)), mean_s, rng)
    rho = float(rng.choice((0.9, 0.95, 0.99, 0.999)))
    rules: tuple[Rule, ...] = (
        hocket.Sequential(),
        hocket.Unstaggered(workers),
        hocket.MaxTime(workers),
        hocket.ExpectedTime(workers),
        hocket.TickDispatch(workers, quantile=0.95),
        hocket.TickDispatch(workers, quantile=0.99),
        hocket.TickDispatch(workers, quantile=0.95, hold=False),
        hocket.TickDispatch(workers, quantile="auto", predictability=rho),
    )
    return PlannerCase(number, law, rules[int(rng.integers(len(rules)))], hz)


def _law(kind: int, mean_s: float, rng: np.random.Generator) -> LatencyModel:
    sigma = float(rng.uniform(0.05, 0.5))
    if kind == 0:
        return hocket.Constant(mean_s)
    if kind == 1:
        return hocket.LogNormal(mean_s, sigma)
    if kind == 2:
        return hocket.Gamma(mean_s, float(rng.uniform(3, 30)))
    if kind == 3:
        return hocket.HeavyTail(mean_s, float(rng.uniform(0.001, 0.05)), float(rng.uniform(2, 8)))
    measured = mean_s * np.exp(rng.normal(-(sigma**2) / 2, sigma, 300))
    return hocket.Empirical(tuple(measured.tolist()))


def compare(
    case: PlannerCase, *, ticks: int = TICKS, others: int = OTHER_SEEDS, limit_s: float = FORECAST_S
) -> dict[str, Any]:
    """Forecast ``case``, then run it on ``others`` seeds that the forecast did not use.

    Returns:
        Coverage and mean delay, forecast and measured (the mean of the other seeds, and by seed), how long the forecast
        took, and whether each figure was within its bounds.
    """
    began = perf_counter()
    predicted = forecast(case.law, case.rule, case.hz, ticks=ticks, limit_s=limit_s)
    took_s = perf_counter() - began
    coverages, delays, start_up = [], [], start_up_ticks(case.law, case.hz)
    for seed in range(FIRST_OTHER_SEED, FIRST_OTHER_SEED + others):
        clock = hocket.Virtual(hz=case.hz, latency=case.law)
        result = hocket.run(NullEnv(), idle_policy, case.rule, clock, ticks=ticks, seed=seed)
        measured = settled(result.record, start_up)
        coverages.append(measured.coverage)
        delays.append(float(measured.delays.mean()) if len(measured.delays) else float("nan"))
    coverage, delay = float(np.mean(coverages)), float(np.mean(delays))
    law = describe_latency(case.law)
    law.pop("durations_s", None)
    return {
        "case": case.number,
        "law": law,
        "rule": describe_rule(case.rule),
        "workers": case.rule.initial_workers,
        "hz": case.hz,
        "coverage": predicted.coverage,
        "coverage_measured": coverage,
        "coverages_measured": coverages,
        "delay_mean": predicted.delay_mean,
        "delay_mean_measured": delay,
        "delay_means_measured": delays,
        "seconds": took_s,
        "ticks": predicted.ticks,
        "coverage_within": abs(predicted.coverage - coverage) <= COVERAGE_WITHIN,
        "delay_within": _delay_within(predicted.delay_mean, delay),
        "seeds_agree": all(_delay_within(one, delay) for one in delays)
        and max(coverages) - coverage <= COVERAGE_WITHIN
        and coverage - min(coverages) <= COVERAGE_WITHIN,
        "in_time": took_s <= LIMIT_S,
        "within": abs(predicted.coverage - coverage) <= COVERAGE_WITHIN and _delay_within(predicted.delay_mean, delay),
    }


def worst_seconds(rows: Sequence[dict[str, Any]]) -> str:
    """The median and largest time of a forecast, as a sentence."""
    took = sorted(row["seconds"] for row in rows)
    return f"a forecast takes {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s at most"


def _delay_within(predicted: float, measured: float) -> bool:
    if np.isnan(predicted) or np.isnan(measured):
        return bool(np.isnan(predicted) and np.isnan(measured))
    return bool(abs(predicted - measured) <= max(DELAY_WITHIN_TICKS, DELAY_WITHIN_SHARE * measured))


def bench_plan(
    *,
    cases: int = 200,
    ticks: int = TICKS,
    seed: int = 0,
    processes: int | None = None,
    limit_s: float = FORECAST_S,
    done: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Compare ``cases`` random cases, one row each; ``processes=1`` uses this process only."""
    every: Sequence[PlannerCase] = [case(number, seed) for number in range(cases)]
    one = partial(compare, ticks=ticks, limit_s=limit_s)
    rows: list[dict[str, Any]] = []
    count = os.cpu_count() or 1 if processes is None else processes
    if count == 1:
        for row in map(one, every):
            rows.append(row)
            if done is not None:
                done(len(rows), cases)
        return rows
    with multiprocessing.get_context("forkserver").Pool(count) as pool:
        for row in pool.imap_unordered(one, every):
            rows.append(row)
            if done is not None:
                done(len(rows), cases)
    return sorted(rows, key=lambda row: row["case"])
