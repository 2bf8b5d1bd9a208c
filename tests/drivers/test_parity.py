"""One scenario table, both drivers: exact in virtual time; counts within a tolerance on the wall clock."""

from dataclasses import dataclass

import numpy as np
import pytest
from slow_policies import Sleeping

import hocket
from hocket.policies.base import FunctionPolicy
from hocket.testing import replay

HZ = 50
TICK_S = 1 / HZ
VIRTUAL_TICKS, TICKS = 60, 40


@dataclass(frozen=True)
class Scenario:
    rule: hocket.Rule
    latency_ticks: float
    coverage: float
    """Coverage of the steady state, derived by hand."""
    delay: float | None
    """Delay of every fresh action in virtual time; None if it varies."""
    chunk: int = 1
    alignment: hocket.Alignment = hocket.Alignment.OBSERVATION
    episode_ticks: int | None = None
    tolerance: float = 0.1


SCENARIOS = {
    # One worker, 2.4 ticks: finished at 2.4, executed at 3, restarted at 2.4 on observation 2. Five fresh in 12 ticks.
    "one free worker": Scenario(hocket.Unstaggered(1), 2.4, 5 / 12, None),
    # The classical loop samples again at the tick that executed: one in three.
    "sequential": Scenario(hocket.Sequential(), 2.4, 1 / 3, 3),
    # ⌈2.4⌉ = 3 workers: every tick.
    "max time": Scenario(hocket.MaxTime(3), 2.4, 1.0, 3),
    "expected time": Scenario(hocket.ExpectedTime(3), 2.4, 1.0, 3, tolerance=0.25),
    "tick dispatch": Scenario(hocket.TickDispatch(3), 2.4, 1.0, 3),
    "a spare worker": Scenario(hocket.TickDispatch(5), 2.4, 1.0, 3),
    # One worker with chunks of 4, 2.4 ticks: always more to play.
    "chunks": Scenario(hocket.Unstaggered(1), 2.4, 1.0, None, chunk=4, alignment=hocket.Alignment.RELEASE),
    # Aligned to the observation, steps 2 and 3 come in time. Each of two workers gives two actions in 2.4 ticks.
    "aligned chunks": Scenario(hocket.TickDispatch(2), 2.4, 1.0, None, chunk=4),
    # The first two ticks of each episode of 10 have no answer yet.
    "episodes": Scenario(hocket.TickDispatch(3), 2.4, 0.8, 3, episode_ticks=10),
}

BY_PROCESSES = ("one free worker", "sequential", "tick dispatch", "chunks", "episodes")
"""The rules run in the loop's process: these differ in what workers are asked and answer."""


def run(scenario, clock, null_run):
    seconds = scenario.latency_ticks * TICK_S
    if isinstance(clock, hocket.Virtual):
        seconds = 0.0
    answer = [1] * scenario.chunk if scenario.chunk > 1 else 1
    policy = FunctionPolicy(Sleeping(seconds, answer), scenario.chunk, alignment=scenario.alignment)
    ticks = VIRTUAL_TICKS if isinstance(clock, hocket.Virtual) else TICKS
    return null_run(scenario.rule, clock, ticks, policy, episode_ticks=scenario.episode_ticks)


def steady(result):
    after = 0 if result.summary().episodes else 12
    return result.metrics(after_tick=after)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_virtual_is_exact(scenario, null_run):
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(scenario.latency_ticks * TICK_S))
    result = run(scenario, clock, null_run)
    assert steady(result).coverage == pytest.approx(scenario.coverage)
    if scenario.delay is not None:
        assert set(steady(result).delays) == {scenario.delay}
    replay(result.record.trace, validate=True)


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize(
    ("name", "executor"),
    [
        *(pytest.param(name, hocket.Threads(), id=f"{name}-threads") for name in SCENARIOS),
        *(pytest.param(name, hocket.Processes(), id=f"{name}-processes") for name in BY_PROCESSES),
    ],
)
def test_realtime_agrees(name, executor, null_run, nothing_left):
    scenario = SCENARIOS[name]
    result = run(scenario, hocket.Realtime(hz=HZ, executor=executor), null_run)
    assert steady(result).coverage == pytest.approx(scenario.coverage, abs=scenario.tolerance)
    if scenario.delay is not None:
        delays = steady(result).delays
        assert np.mean(np.abs(delays - scenario.delay) <= 1) >= 0.8
        assert delays.min() >= scenario.delay - 0.4
    assert result.record.ticks.tolist() == list(range(1, TICKS + 1))
    replay(result.record.trace, validate=True)
