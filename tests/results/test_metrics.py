import math
import signal

import numpy as np
import pytest
from by_hand import MS, played, story

import hocket
from hocket.core import events as e
from hocket.core.commands import Outcome
from hocket.envs.null import NullEnv
from hocket.results.metrics import Metrics, percentiles
from hocket.results.summary import Summary


def test_ticks_of_the_story():
    ticks = Metrics(story()).ticks
    assert ticks.tick.tolist() == [1, 2, 3, 5, 6]
    assert ticks.inference.tolist() == [0, -1, 2, 4, -1]
    assert ticks.delay_ticks.tolist() == [1, 0, 2, 3, 0]
    assert ticks.fresh.tolist() == [True, False, True, True, False]


def test_inferences_of_the_story():
    inferences = Metrics(story()).inferences
    assert inferences.worker.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert inferences.observation.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (inferences.started_ns / MS).tolist() == [0, 0, 10, 15, 22, 25, 39, 39]
    assert inferences.finished_ns.tolist() == [8 * MS, 15 * MS, 22 * MS, 25 * MS, 39 * MS, -1, -1, -1]
    assert inferences.executed_tick.tolist() == [1, -1, 3, -1, 5, -1, -1, -1]
    assert (inferences.ended_ns / MS).tolist() == [10, 15, 30, 25, 50, 39, 50, 50]
    assert [Outcome(x).name[:2] for x in inferences.outcome] == ["EX", "DU", "EX", "DU", "EX", "FA", "DI", "DI"]
    assert inferences.durations_s == pytest.approx([0.008, 0.015, 0.012, 0.010, 0.017])


def test_figures_of_the_story():
    metrics = Metrics(story())
    assert metrics.coverage == 3 / 6  # the missed tick 4 counts
    assert metrics.missed == 1
    assert metrics.delays.tolist() == [1, 2, 3]
    assert metrics.intervals.tolist() == [2, 2]
    assert metrics.regret_per_tick(0.9) == pytest.approx(1 - (1 + 0.9 + 0.81) / 6)
    assert metrics.regret_per_tick(1.0) == pytest.approx(1 - metrics.coverage)
    assert metrics.first_due() == 1
    assert metrics.outcomes == {
        "executed": 3, "superseded": 0, "dropped": 0, "duplicate": 2, "discarded": 2, "failed": 1,
        "cancelled": 0,
    }  # fmt: skip
    assert metrics.worker_seconds()[0] == pytest.approx((3, 0.037 / 3, 0.012 + 0.98 * 0.005))
    assert metrics.worker_seconds()[1] == pytest.approx((2, 0.0125, 0.010 + 0.99 * 0.005))
    assert metrics.episode_returns.tolist() == [1 + 2 + 3 + 5]
    assert metrics.lateness_s == pytest.approx([10e-6, 20e-6, 30e-6, 50e-6, 60e-6])


def test_a_reward_that_is_no_number_spoils_its_own_episode_alone():
    record = story()
    record.rewards[1] = math.inf
    record.terminated[2] = 1
    assert Metrics(record).episode_returns.tolist() == [math.inf, 5]


def test_a_warm_up_is_left_out():
    later = Metrics(story(), after_tick=2)
    assert later.coverage == 2 / 4  # ticks 3, 4 (missed), 5, 6
    assert later.missed == 1
    assert later.regret_per_tick(0.9) == pytest.approx(1 - (0.9 + 0.81) / 4)
    assert later.lateness_s == pytest.approx([30e-6, 50e-6, 60e-6])
    assert later.episode_returns.tolist() == [11]
    last = Metrics(story(), after_tick=5)
    assert last.coverage == 0 and last.missed == 0 and len(last.episode_returns) == 0
    beyond = Metrics(story(), after_tick=99)
    assert beyond.coverage == 0 and beyond.regret_per_tick(0.9) == 1


def test_summary_of_the_story():
    summary = Summary.of(story())
    assert (summary.ticks, summary.missed, summary.coverage, summary.inaction) == (6, 1, 0.5, 0.5)
    assert (summary.delay_mean, summary.delay_p50, summary.interval_mean) == (2, 2, 2)
    assert summary.lateness_p50_s == pytest.approx(30e-6)
    assert summary.inference_mean_s == pytest.approx(0.062 / 5)
    assert summary.workers["1"]["inferences"] == 2
    assert (summary.episodes, summary.return_mean, summary.reward_total) == (1, 11, 17)
    assert not summary.interrupted
    text = str(summary)
    assert "6, 1 missed" in text
    assert "mean 11 over 1 episode;" in text
    assert "3 executed, 2 duplicate, 2 discarded, 1 failed" in text
    assert "2 workers" in text


def test_a_step_longer_than_a_tick_is_an_overrun():
    record = story()  # of ticks of 10 ms
    for row, took_ms in enumerate((1, 2, 10, 11, 3)):
        record.step_ns[row] = took_ms * MS
    assert Metrics(record, after_tick=2).step_s == pytest.approx([0.010, 0.011, 0.003])
    summary = Summary.of(record)
    assert (summary.step_p50_s, summary.overruns) == (pytest.approx(0.003), 1)
    assert "step        p50 3 ms" in str(summary) and "; 1 longer than a tick" in str(summary)


def test_steady_coverage_begins_where_the_first_answer_could_act():
    # 25 ms a forward pass, 10 ms a tick: the first answer is there at tick 3, and one worker makes every third.
    clock = hocket.Virtual(hz=100, latency=hocket.Constant(0.025))
    result = hocket.run(NullEnv(), lambda observation: 0, hocket.Sequential(), clock, ticks=30)
    assert result.metrics().first_due() == 3
    assert result.summary().coverage == 10 / 30  # ticks 3, 6, ..., 30
    assert result.summary().steady_coverage == 10 / 28  # of ticks 3 to 30
    assert result.summary().delay_mean == 3
    assert result.summary().interval_mean == 3


def test_an_interrupt_in_the_middle_of_a_tick_leaves_whole_ticks():
    record = story()
    del record.actions[-1]  # tick 6 had acted, and had not been written down
    record.signal = signal.SIGINT
    record.trim()
    assert record.ticks.tolist() == [1, 2, 3, 5]
    assert {len(c) for c in (record.rewards, record.terminated, record.truncated, record.lateness_ns)} == {4}
    assert Metrics(record).ticks.tick.tolist() == [1, 2, 3, 5]
    assert "(interrupted)" in str(Summary.of(record))


@pytest.mark.parametrize("events", [[], [e.WorkerJoined(0, 0), e.Ticked(0, 0), e.RunEnded(0)]])
def test_a_run_without_ticks_has_no_figures(events):
    metrics = Metrics(played(events, hocket.Unstaggered(1)))
    assert metrics.coverage == 0 and metrics.missed == 0 and metrics.first_due() == 0
    assert metrics.regret_per_tick(0.9) == 1
    assert metrics.worker_seconds() == {} and len(metrics.episode_returns) == 0
    summary = Summary.of(metrics.record)
    assert math.isnan(summary.delay_mean) and math.isnan(summary.lateness_p99_s)
    assert "n/a" in str(summary) and "nan" not in str(summary)


def test_percentiles_of_nothing():
    assert percentiles(np.array([1.0, 2.0, 3.0]), 50) == [2.0]
    assert np.isnan(percentiles(np.array([]), 50, 99)).all()


def test_trunks_and_binds():
    """One worker; heads are given 1 ms. The first is in time, the second misses tick 4, the third was not called."""
    record = played(
        [
            e.WorkerJoined(0, 0),
            e.Ticked(0, 0),
            e.DeadlineReached(10 * MS, 1),
            e.Ticked(10 * MS, 1),
            e.TrunkFinished(14 * MS, 0),
            e.TimerDue(19 * MS),
            e.InferenceFinished(19 * MS + 1, 0, version=7),  # the worker takes observation 1
            e.DeadlineReached(20 * MS, 2),
            e.Ticked(20 * MS, 2),
            e.DeadlineReached(30 * MS, 3),
            e.Ticked(30 * MS, 3),
            e.TrunkFinished(34 * MS, 1),
            e.TimerDue(39 * MS),
            e.DeadlineReached(40 * MS, 4),
            e.Ticked(40 * MS, 4),
            e.InferenceFinished(41 * MS, 1, version=8),  # and observation 4
            e.TrunkFinished(42 * MS, 2),
            e.RunEnded(45 * MS),
        ],
        hocket.Unstaggered(1),
        head_ns=MS,
    )
    metrics = Metrics(record)
    inferences = metrics.inferences
    assert inferences.observation.tolist() == [0, 1, 4]
    assert inferences.trunk_ns.tolist() == [14 * MS, 34 * MS, 42 * MS]
    assert inferences.bound_tick.tolist() == [2, 4, -1]
    assert inferences.finished_ns.tolist() == [19 * MS + 1, 41 * MS, -1]
    assert inferences.version.tolist() == [7, 8, -1]
    assert [Outcome(x).name[:2] for x in inferences.outcome] == ["EX", "DR", "DI"]
    assert (metrics.binds, metrics.missed_binds) == (2, 1)
    assert inferences.durations_s == pytest.approx([0.014, 0.014999999])  # the trunks of those that finished
    assert metrics.worker_seconds()[0][:2] == pytest.approx((2, 0.0145), abs=1e-6)
    assert "binds       2, 1 missed" in str(Summary.of(record))
    assert "binds" not in str(Summary.of(story()))


def test_shares_of_regret_and_the_defaults_cost():
    # An inference of 1.5 ticks on one worker: fresh at every second tick, with delay 2, from tick 2 on.
    clock = hocket.Virtual(hz=10, latency=hocket.Constant(0.15))
    record = hocket.run(NullEnv(), lambda observation: 1, hocket.Sequential(), clock, ticks=40).record
    fresh = Metrics(record).ticks.fresh
    assert fresh.sum() == 20
    for row, acted in enumerate(fresh):
        record.rewards[row] = 3.0 if acted else 1.0
    metrics = Metrics(record)
    assert metrics.regret_shares(0.9) == pytest.approx((0.5, 0.5 * (1 - 0.9)))
    assert sum(metrics.regret_shares(0.9)) == pytest.approx(metrics.regret_per_tick(0.9))
    assert metrics.reward_means() == ((3, 0), (1, 0))
    summary = Summary.of(record)
    assert (summary.predictability, summary.inaction_regret) == (0.99, 0.5)
    assert summary.delay_regret == pytest.approx(0.5 * 0.01)
    assert (summary.default_cost, summary.default_cost_error) == (1.0, 0.0)  # (3 − 1)·0.5
    assert "regret      0.505 a tick at ρ = 0.99: 0.500 lost to inaction, 0.005 to delay" in str(
        summary
    ) and "cost 1 ± 0" in str(summary)


def test_the_rules_own_predictability_and_no_default_tick():
    rule = hocket.TickDispatch(1, quantile="auto", predictability=0.5)
    clock = hocket.Virtual(hz=10, latency=hocket.Constant(0.0))
    summary = hocket.run(NullEnv(), lambda observation: 1, rule, clock, ticks=20).summary()
    assert summary.predictability == 0.5 and summary.inaction_regret == summary.delay_regret == 0
    assert np.isnan(summary.default_cost) and "default     cost" not in str(summary)
