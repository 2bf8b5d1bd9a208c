"""`hocket bench plan --realtime`: forecasts for the demo's network, beside runs on the wall clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

import hocket
from hocket.analysis.agent_profile import measure_agent
from hocket.analysis.forecast import Forecast, forecast
from hocket.bench.demo import ARMS, GAME, HZ, choose_network, impala_policy
from hocket.core.cadence import NS_PER_S
from hocket.core.rules import Rule
from hocket.envs import make_atari
from hocket.results.summary import Summary

COVERAGE_WITHIN = 0.05


def bench_plan_realtime(
    *,
    seconds: float = 15.0,
    rounds: int = 3,
    tell: Callable[[str], None] = lambda line: None,
    watch: Callable[[str, int], AbstractContextManager[Sequence[hocket.Instrument]]] | None = None,
) -> list[dict[str, Any]]:
    """Measure the demo's network in as many processes as each arm has workers, forecast the arm, play it; in rounds.

    A shared machine changes from second to second. So measuring and playing alternate, and each arm has two
    forecasts: from the measured times, and from the run's own inference times. Where the two differ, the machine
    has changed in between.

    Args:
        seconds: total length of each arm.
        rounds: parts that each arm is split into.
    """
    env = make_atari(GAME)
    try:
        network = choose_network(env, tell)
        policy = impala_policy(network.width, int(env.action_space.n))  # type: ignore[attr-defined]
        ticks = max(1, round(seconds / rounds * HZ))
        rows = []
        for name, rule in ARMS:
            crowds = tuple(range(1, rule.initial_workers + 1))
            turns = []
            for _ in range(rounds):
                predicted = forecast(measure_agent(env, policy, crowds=crowds), rule, HZ)
                with nullcontext(()) if watch is None else watch(name, ticks) as instruments:
                    result = hocket.run(env, policy, rule, hocket.Realtime(hz=HZ), ticks=ticks, instruments=instruments)
                turns.append((predicted, forecast(_own(result), rule, HZ), result.summary()))
            rows.append(_row(name, rule, turns))
    finally:
        env.close()
    return rows


def _own(result: hocket.RunResult) -> hocket.LatencyModel:
    """The law of a run's own inference times, begun at the tick's deadline."""
    step_s = (np.median(result.record.step_ns) + np.median(result.record.lateness_ns)) / NS_PER_S
    return hocket.Empirical(tuple((result.metrics().inferences.durations_s + step_s).tolist()))


def _row(name: str, rule: Rule, turns: list[tuple[Forecast, Forecast, Summary]]) -> dict[str, Any]:
    predicted, own, measured = zip(*turns, strict=True)
    coverage = float(np.mean([one.coverage for one in predicted]))
    own_coverage = float(np.mean([one.coverage for one in own]))
    coverage_measured = float(np.mean([one.steady_coverage for one in measured]))
    return {
        "rule": name,
        "workers": rule.initial_workers,
        "coverage": coverage,
        "coverage_from_own_times": own_coverage,
        "coverage_measured": coverage_measured,
        "coverages": [one.coverage for one in predicted],
        "coverages_from_own_times": [one.coverage for one in own],
        "coverages_measured": [one.steady_coverage for one in measured],
        "delay_mean": float(np.mean([one.delay_mean for one in predicted])),
        "delay_mean_measured": float(np.mean([one.delay_mean for one in measured])),
        "within": abs(coverage - coverage_measured) <= COVERAGE_WITHIN,
        "own_within": abs(own_coverage - coverage_measured) <= COVERAGE_WITHIN,
    }
