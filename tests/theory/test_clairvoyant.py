"""Bounds on J_ρ: by hand, against integer programs, and below what rules reach."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.theory import clairvoyant_bound, workload_bound


def best_by_integer_program(ticks, workers, rho, longest_delay_ticks, longest_wait_ticks, cells):
    """J_ρ of the best schedule of the same model, by a mixed-integer program that knows no prices."""
    count, copies = ticks.shape
    starts, executes = [], []
    for o in range(count):
        for j in range(copies):
            for place in range((longest_wait_ticks + 1) * cells):
                over = o + place / cells + ticks[o, j]
                occupied = range(
                    min(o * cells + place + 1, count * cells), min(int(over * cells + 1e-9), count * cells)
                )
                starts.append((o, j, max(o + 1, int(np.ceil(over - 1e-9))), occupied))
        executes.extend((o, e) for e in range(max(longest_delay_ticks, o + 1), min(o + longest_delay_ticks + 1, count)))
    size, rows, uppers = len(starts) + len(executes), [], []

    def at_most(bound, **of):
        row = np.zeros(size)
        for index, factor in of.items():
            row[int(index[1:])] += factor
        rows.append(row)
        uppers.append(bound)

    def named(indices, factor=1.0):
        return {f"i{index}": factor for index in indices}

    by_execution = {pair: len(starts) + index for index, pair in enumerate(executes)}
    for cell in range(count * cells):
        at_most(workers, **named(i for i, (*_, occupied) in enumerate(starts) if cell in occupied))
    for o in range(count):
        for j in range(copies):
            own = [i for i, start in enumerate(starts) if start[:2] == (o, j)]
            before = [i for i, start in enumerate(starts) if start[:2] == (o, j - 1)]
            at_most(0 if j else 1, **named(own), **named(before, -1.0))
        at_most(1, **named(index for (of, _), index in by_execution.items() if of == o))
    for (o, e), index in by_execution.items():
        at_most(
            0, **named([index]), **named((i for i, start in enumerate(starts) if start[0] == o and start[2] <= e), -1.0)
        )
        for (other, at), second in by_execution.items():
            if (at == e and other > o) or (other < o and at > e):
                at_most(1, **named([index, second]))
    values = np.array([0.0] * len(starts) + [rho ** (e - o - 1) for o, e in executes])
    result = milp(
        -values,
        constraints=LinearConstraint(np.array(rows), -np.inf, np.array(uppers)),
        integrality=np.ones(size),
        bounds=Bounds(0, 1),
    )
    assert result.success
    return 1 + result.fun / (count - longest_delay_ticks)


@pytest.mark.parametrize("seed", range(6))
def test_it_lies_below_the_best_schedule_and_close_to_it(seed):
    rng = np.random.default_rng(seed)
    copies = 1 + seed % 2
    ticks = rng.gamma(2, 1.2, (14, copies)) + 0.2
    rho = (0.8, 0.95, 0.99)[seed % 3]
    best = best_by_integer_program(ticks, 2, rho, longest_delay_ticks=5, longest_wait_ticks=1, cells=1)
    bound = clairvoyant_bound(ticks, 2, rho, longest_delay_ticks=5, longest_wait_ticks=1, cells=1, steps=400)
    assert best - 0.08 <= bound <= best + 1e-9


def test_enough_workers_for_a_constant_time_reach_it():
    ticks = np.full((200, 1), 4.0)
    bound = clairvoyant_bound(ticks, 4, 0.9, longest_delay_ticks=12, steps=60)
    assert bound == pytest.approx(1 - 0.9**3, abs=2e-3)
    # Half of them: every second tick.
    assert clairvoyant_bound(ticks, 2, 0.9, longest_delay_ticks=12, steps=150) == pytest.approx(
        1 - 0.9**3 / 2, abs=0.05
    )


def test_the_workload_bound_by_hand():
    # Times 1 and 3, mean 2. One worker, r = 1/2: half of all ticks get an answer, worth (1 + ρ²)/2 on average.
    assert workload_bound([1, 3], 1, 0.9) == pytest.approx(1 - 0.5 * (1 + 0.81) / 2)
    # Four, r = 2: of two inferences a tick the shorter half runs.
    assert workload_bound([1, 3], 4, 0.9) == pytest.approx(0)
    # Three, r = 3/2: the shortest two thirds are all of the ones and a third of the threes.
    assert workload_bound([1, 3], 3, 0.9) == pytest.approx(1 - 1.5 * (1 + 0.81 / 3) / 2)
    assert workload_bound([0.5] * 10, 3, 0.5) == 0, "an inference of less than a tick has delay 1"


@pytest.mark.parametrize("workers", [10, 13, 24])
def test_no_rule_that_lets_inferences_end_lies_below(workers):
    law = hocket.LogNormal(0.2, 0.3)
    rng = np.random.default_rng(1)
    ticks = law.draw_s(rng, 100_000) * 60
    bound = workload_bound(ticks, workers, 0.99)
    for rule in (hocket.TickDispatch(workers), hocket.Unstaggered(workers), hocket.MaxTime(workers)):
        clock = hocket.Virtual(hz=60, latency=law)
        reached = hocket.run(NullEnv(), lambda o: 0, rule, clock, ticks=2000, seed=0).metrics(600).regret_per_tick(0.99)
        assert bound < reached


def test_bounds_refuse_what_makes_no_sense():
    for call in (
        lambda: workload_bound([], 1, 0.9),
        lambda: workload_bound([1, -1], 1, 0.9),
        lambda: workload_bound([1], 0, 0.9),
        lambda: workload_bound([1], 1, 1.5),
        lambda: clairvoyant_bound(np.ones(5), 1, 0.9, longest_delay_ticks=2),
        lambda: clairvoyant_bound(np.ones((5, 1)), 1, 0.9, longest_delay_ticks=5),
    ):
        with pytest.raises(ConfigurationError, match=r"must|needed"):
            call()
