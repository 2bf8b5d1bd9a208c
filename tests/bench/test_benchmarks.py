import json
from pathlib import Path

import numpy as np
import pytest

import hocket
from hocket.bench import rules
from hocket.bench.adaptation import SlowerPolicy, recovery_tick
from hocket.bench.chunks import NamingPolicy, misaligned_steps
from hocket.bench.jitter import SleepingPolicy, bench_jitter
from hocket.bench.overhead import bench_overhead, bench_robot
from hocket.bench.rules import (
    LAWS,
    MEAN_S,
    Cell,
    Figures,
    Margin,
    bench_rules,
    bench_virtual,
    cells,
    law_of,
    most_coverage,
    places,
    row,
    worst_margins,
)
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError


def test_every_cell_is_there_once():
    every = list(cells())
    keys = {(c.place, c.name, c.predictability) for c in every}
    assert len(keys) == len(every)
    # 11 laws at 2 rates with 6 numbers of workers, 4 more numbers for the 5 laws of the table, and 4 with chunks.
    # 12, 13 and 16 workers are in both.
    assert len(places()) == 11 * 2 * 6 + 5 * 4 + 4
    # At each place 3 rules, 4 quantiles and 4 predictabilities; Sequential for each law and rate, and length of chunks.
    assert len(every) == len(places()) * (3 + 4 + 4) + 11 * 2 + 2
    assert {c.workers for c in every if c.law == "gamma 4" and c.hz == 60} == {
        1,
        10,
        12,
        13,
        14,
        16,
        20,
        24,
        32,
        48,
        64,
    }
    assert {c.workers for c in every if c.hz == 240} == {1, 38, 48, 53, 62, 96, 192}


def test_the_quick_grid_is_part_of_the_whole():
    whole = {(c.place, c.name, c.predictability) for c in cells()}
    quick = {(c.place, c.name, c.predictability) for c in cells(quick=True)}
    assert quick <= whole
    assert 35 <= len({key for key in quick if key[2]}) <= 45


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_a_mean_of_200_ms(law):
    # Worker 0 is the slow one, where there is one. Regimes are 5 s long.
    sample = law_of(law, 60).sampler(np.random.default_rng(0))
    mean_s = np.mean([sample(1, k * 5_000_000_000) for k in range(200_000)]) / 1e9
    assert mean_s == pytest.approx(MEAN_S, rel=0.02)


def test_correlated_times_and_regimes():
    sample = law_of("correlated 0.95", 60).sampler(np.random.default_rng(0))
    logs = np.log([sample(0, 0) for _ in range(100_000)])
    assert np.corrcoef(logs[:-1], logs[1:])[0, 1] == pytest.approx(0.95, abs=0.01)
    assert logs.std() == pytest.approx(0.3, rel=0.1)
    sample = law_of("regimes of 5 s", 60).sampler(np.random.default_rng(0))
    means = [np.mean([sample(0, at_s * 10**9) for _ in range(2000)]) / 1e9 for at_s in (4, 6, 11)]
    assert means == pytest.approx([0.1, 0.3, 0.1], rel=0.02)


def test_the_most_that_workers_can_cover():
    def of(law, workers, hz=60, chunk=1):
        return most_coverage(Cell(law, workers, "MaxTime", hocket.MaxTime(workers), None, hz, chunk))

    assert of("constant", 6) == 0.5 and of("constant", 13) == 1 and of("constant", 12, 240) == 0.25
    assert of("lognormal 0.3", 3, chunk=4) == 1
    assert of("one worker three times slower", 4) == pytest.approx((3 + 1 / 3) / 12)
    assert of("regimes of 5 s", 12) == pytest.approx((1 + 12 / 18) / 2)
    assert of("a shared device", 6) == 0.5 and of("a shared device", 64) == 1


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
        place = {"law": law, "hz": 60, "workers": workers, "chunk": 1}
        return {**place, "rule": rule, "predictability": rho, "regret_per_tick": regrets}

    rows = [of("auto", 0.3, rho=0.9), of("MaxTime", 0.25), of("Sequential", 0.4, workers=1)]
    rows += [of("MaxTime", 0.1, workers=13), of("MaxTime", 0.1, law="gamma 4")]
    assert worst_margins(rows) == [Margin(pytest.approx(0.05), "constant", 60, 12, 1, 0.9, "MaxTime")]


@pytest.mark.slow
def test_rules_have_the_promised_keys(monkeypatch):
    few = [Cell("constant", 12, "MaxTime", hocket.MaxTime(12)), Cell("constant", 1, "Sequential", hocket.Sequential())]
    monkeypatch.setattr(rules, "cells", lambda quick: iter(few))
    reported = []
    rows = bench_rules(seeds=2, ticks=240, done=lambda n, of: reported.append((n, of)))
    assert reported[-1] == (4, 4)
    keys = ["law", "hz", "workers", "chunk", "rule", "predictability", "coverage", "bound", "delay_mean", "delay_p99"]
    assert [list(r) for r in rows] == [[*keys, "regret_per_tick"]] * 2
    by_rule = {r["rule"]: r for r in rows}
    # 200 ms are 12 ticks exactly.
    assert by_rule["Sequential"]["coverage"] == pytest.approx(1 / 12, abs=0.01)
    assert by_rule["MaxTime"]["coverage"] > 0.99 and by_rule["MaxTime"]["delay_p99"] == 12
    assert list(by_rule["MaxTime"]["regret_per_tick"]) == ["0.9", "0.95", "0.99", "0.999"]
    json.dumps(rows, allow_nan=False)


def test_an_interrupted_comparison_of_rules_is_completed(monkeypatch, tmp_path):
    few = [Cell("constant", 12, "MaxTime", hocket.MaxTime(12)), Cell("constant", 1, "Sequential", hocket.Sequential())]
    monkeypatch.setattr(rules, "cells", lambda quick: iter(few))
    keep, reported = tmp_path / "kept.jsonl", []
    whole = bench_rules(seeds=2, ticks=60, keep=keep)
    lines = keep.read_text().splitlines(keepends=True)
    keep.write_text("".join(lines[:2]) + lines[2][:9])  # killed while it wrote
    again = bench_rules(seeds=2, ticks=60, keep=keep, done=lambda n, of: reported.append((n, of)))
    assert again == whole and reported == [(3, 4), (4, 4)]
    assert keep.read_text().splitlines(keepends=True) == lines
    reported.clear()
    bench_rules(seeds=2, ticks=61, keep=keep, done=lambda n, of: reported.append((n, of)))
    assert len(reported) == 4, "of other ticks nothing is kept"


def test_a_file_that_cannot_be_kept():
    with pytest.raises(ConfigurationError, match=r"missing/kept\.jsonl"):
        bench_rules(keep=Path("missing/kept.jsonl"))


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


@pytest.mark.realtime
def test_overhead_of_a_dict():
    figures = bench_robot(count=50)
    names = [f"{kind}_{figure}" for kind in ("processes", "threads") for figure in ("dict_p50_s", "box_p50_s", "ratio")]
    assert list(figures) == ["bytes", *names] and figures["bytes"] == 2 * 224 * 224 * 3 + 28
    assert all(value > 0 for value in figures.values())
    one_block = figures["threads_dict_p50_s"] / figures["threads_box_p50_s"]
    assert figures["threads_ratio"] == pytest.approx(one_block)


def test_virtual():
    figures = bench_virtual(workers=4, ticks=500)
    assert list(figures) == ["workers", "ticks_per_s"]
    assert figures["workers"] == 4 and figures["ticks_per_s"] > 0


@pytest.mark.parametrize(
    ("fresh", "tick"),
    [
        ([1] * 12, 0),
        ([1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], 4),
        ([1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1], 7),
        ([1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1], None),
        ([0] * 12, None),
    ],
)
def test_coverage_has_recovered_when_two_windows_are_high(fresh, tick):
    assert recovery_tick(np.array(fresh, bool), 2) == tick


def test_inferences_become_slower_at_a_tick(monkeypatch):
    env, waits = NullEnv(dtype=np.uint16), []
    observations = [env.reset()[0], *(env.step(0)[0] for _ in range(900))]
    monkeypatch.setattr("hocket.bench.adaptation.sleep_until_cancelled", waits.append)
    for tick in (0, 599, 600, 900):
        SlowerPolicy(600)(observations[tick])
    assert waits == [0.1, 0.1, 0.3, 0.3]


def test_misaligned_steps():
    # Ticks 256 and 257 are named 0 and 1. Tick 3 executed a step for 2, and tick 257 one for 258; at tick 4 the
    # default acted.
    tick = np.array([1, 2, 3, 4, 256, 257])
    action = np.array([1, 2, 2, 9, 0, 2])
    fresh = np.array([True, True, True, False, True, True])
    assert misaligned_steps(tick, action, fresh) == 2
    assert misaligned_steps(tick[:2], action[:2], fresh[:2]) == 0


def test_the_policy_that_names_ticks(monkeypatch):
    waits = []
    monkeypatch.setattr("hocket.bench.chunks.sleep_until_cancelled", waits.append)
    policy = NamingPolicy(mean_ticks=25)
    chunks = [policy(np.full((2, 2), 245, np.uint8)).tolist() for _ in range(20)]
    assert chunks == [[246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 0, 1, 2, 3, 4, 5]] * 20
    # 25 ticks are 0.5 s; the middles of tenths of ± 20 % are ± 2, 6, 10, 14 and 18 %.
    tenths_s = [0.41, 0.43, 0.45, 0.47, 0.49, 0.51, 0.53, 0.55, 0.57, 0.59]
    assert sorted(waits[:10]) == pytest.approx(tenths_s) and sorted(waits[10:]) == pytest.approx(tenths_s)
