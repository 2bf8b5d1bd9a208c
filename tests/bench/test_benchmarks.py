import json

import numpy as np
import pytest

import hocket
from hocket.bench import rules
from hocket.bench.jitter import SleepingPolicy, bench_jitter
from hocket.bench.overhead import bench_overhead
from hocket.bench.rules import LAWS, MEAN_S, Cell, Figures, bench_rules, bench_virtual, cells, row, worst_margins


def test_every_cell_is_there_once():
    every = list(cells())
    assert len({(c.law, c.workers, c.name, c.predictability) for c in every}) == len(every)
    # 5 laws: one Sequential; at each of 7 numbers of workers 3 rules, 4 quantiles and 4 predictabilities.
    assert len(every) == 5 * (1 + 7 * (3 + 4 + 4))
    assert {c.workers for c in every} == {1, 12, 13, 14, 16, 20, 32, 64}


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_a_mean_of_200_ms(law):
    sample = LAWS[law].sampler(np.random.default_rng(0))
    mean_s = np.mean([sample(0, 0) for _ in range(100_000)]) / 1e9
    assert mean_s == pytest.approx(MEAN_S, rel=0.01)


def test_a_row_pools_its_seeds():
    cell = Cell("constant", 6, "MaxTime", hocket.MaxTime(6))
    # Seed one: of 10 ticks two fresh with delay 1, one with delay 3. Seed two: of 10 ticks one with delay 2.
    seeds = [Figures(10, np.array([0, 2, 0, 1])), Figures(10, np.array([0, 0, 1]))]
    pooled = row(cell, seeds)
    assert pooled["coverage"] == 4 / 20
    assert pooled["bound"] == 0.5  # 6 workers of 12 ticks each
    assert pooled["delay_mean"] == (1 + 1 + 3 + 2) / 4 and pooled["delay_p99"] == 3
    assert pooled["regret_per_tick"]["0.9"] == pytest.approx(1 - (2 + 0.81 + 0.9) / 20)
    nothing = row(cell, [Figures(10, np.bincount(np.array([], np.int64)))])
    assert (nothing["coverage"], nothing["delay_mean"], nothing["delay_p99"]) == (0, None, None)
    assert nothing["regret_per_tick"]["0.9"] == 1


def test_margins_compare_like_with_like():
    def of(rule, regret, workers=12, rho=None, law="constant"):
        regrets = {str(p): regret for p in rules.PREDICTABILITIES}
        return {"law": law, "workers": workers, "rule": rule, "predictability": rho, "regret_per_tick": regrets}

    rows = [of("auto", 0.3, rho=0.9), of("MaxTime", 0.25), of("Sequential", 0.4, workers=1)]
    rows += [of("MaxTime", 0.1, workers=13), of("MaxTime", 0.1, law="gamma 4")]
    assert worst_margins(rows) == [(pytest.approx(0.05), "constant", 12, 0.9, "MaxTime")]


@pytest.mark.slow
def test_rules_have_the_promised_keys(monkeypatch):
    few = [Cell("constant", 12, "MaxTime", hocket.MaxTime(12)), Cell("constant", 1, "Sequential", hocket.Sequential())]
    monkeypatch.setattr(rules, "cells", lambda: iter(few))
    reported = []
    rows = bench_rules(seeds=2, ticks=240, done=lambda n, of: reported.append((n, of)))
    assert reported[-1] == (4, 4)
    keys = ["law", "workers", "rule", "predictability", "coverage", "bound", "delay_mean", "delay_p99"]
    assert [list(r) for r in rows] == [[*keys, "regret_per_tick"]] * 2
    by_rule = {r["rule"]: r for r in rows}
    # 200 ms are 12 ticks exactly.
    assert by_rule["Sequential"]["coverage"] == pytest.approx(1 / 12, abs=0.01)
    assert by_rule["MaxTime"]["coverage"] > 0.99 and by_rule["MaxTime"]["delay_p99"] == 12
    assert list(by_rule["MaxTime"]["regret_per_tick"]) == ["0.9", "0.95", "0.99", "0.999"]
    json.dumps(rows, allow_nan=False)


@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads(), hocket.Processes()], ids=["threads", "processes"])
def test_jitter(executor):
    figures = bench_jitter(hz=50, workers=2, latency=0.025, executor=executor, seconds=1)
    assert figures["coverage"] > 0.6
    assert figures["delay_mean"] >= 2
    assert 0 < figures["lateness_p50_s"] <= figures["lateness_p99_s"]
    assert 0 < figures["tick_loop_cpu_share"] < 1


def test_a_sleeping_policy_can_be_instant():
    assert SleepingPolicy(0.0)(None) == 0


@pytest.mark.realtime
def test_overhead():
    figures = bench_overhead(count=50)
    assert list(figures) == ["p50_s", "p99_s", "queue_p50_s", "pipe_p50_s", "semaphore_p50_s"]
    assert all(value > 0 for value in figures.values())
    assert figures["p50_s"] <= figures["p99_s"]


def test_virtual():
    figures = bench_virtual(workers=4, ticks=500)
    assert list(figures) == ["workers", "ticks_per_s"]
    assert figures["workers"] == 4 and figures["ticks_per_s"] > 0
