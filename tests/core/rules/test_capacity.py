"""The number of workers that is needed: the arithmetic, and `workers="auto"` when the law changes in mid-run."""

import numpy as np
import pytest
from virtual import LAWS, play

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.rules import TickDispatch
from hocket.core.rules.capacity import busy, patience, reserve, spread, workers_needed
from hocket.core.window import Window
from hocket.testing import Simulation, Troubles

MS = 1_000_000
HUNDRED = Cadence(100)


def window(*milliseconds):
    filled = Window(1000)
    for value in milliseconds:
        filled.add(int(value * MS))
    return filled


def test_a_constant_law_needs_its_own_length_in_ticks():
    assert [workers_needed(window(*[ms] * 20), HUNDRED, 1) for ms in (3, 10, 11, 119, 120, 121)] == [
        1,
        1,
        2,
        12,
        12,
        13,
    ]
    assert workers_needed(window(*[120] * 20), HUNDRED, 40) == 12, "from above as from below"


def test_a_random_law_needs_a_reserve_of_one_standard_deviation():
    # 100 or 140 ms, evenly: the mean is 12 ticks. A start 10.5, 11.5, 12.5 or 13.5 ticks ago is still running with
    # probability 1/2: the variance of the number busy is 4·1/4 = 1. So 13.
    assert workers_needed(window(*[100, 140] * 10), HUNDRED, 1) == 13
    # From above, the mean's own uncertainty counts: 13 + 2·√(π/20)·1 = 13.8; fourteen are kept, fifteen are not.
    assert workers_needed(window(*[100, 140] * 10), HUNDRED, 14) == 14
    assert workers_needed(window(*[100, 140] * 10), HUNDRED, 20) == 14


def test_a_reserve_grows_as_the_slack_shrinks():
    law = window(*[100, 140] * 10)  # q16 = 100, q84 = 140, mean 120: spread 1/6; load 12; unrest min(1, 2) = 1
    assert spread(law) == pytest.approx(1 / 6)
    assert reserve(law, HUNDRED, 12) == 12, "no slack, no hedges"
    assert reserve(law, HUNDRED, 18) == 1, "slack 1/2: ⌈0.5·1/0.5⌉"
    assert reserve(law, HUNDRED, 15) == 2, "slack 1/4"
    assert reserve(window(*[120] * 20), HUNDRED, 13) == 1, "a regular law needs none"


def test_patience_grows_as_delay_gets_cheaper():
    law = window(*[100, 140] * 10)
    limits = [patience(law, HUNDRED, 14, rho) for rho in (0.9, 0.99, 0.999, 1.0)]
    assert limits == sorted(limits)
    assert limits[1] == pytest.approx(1.25 / 6 / 0.1), "c/√(1 − ρ)"
    assert patience(law, HUNDRED, 6, 0.999) < patience(law, HUNDRED, 14, 0.999), "under overload waiting is only delay"


def test_inference_times_of_nothing_divide_nothing():
    law = window(*[0] * 20)
    assert busy(law, HUNDRED) > 0
    assert workers_needed(law, HUNDRED, 1) == reserve(law, HUNDRED, 4) == 1
    assert patience(law, HUNDRED, 4, 0.99) >= 0


def worker_counts(metrics):
    """The number of workers by tick."""
    counts, present = [], 0
    for event, commands in metrics.record.trace.steps():
        present += isinstance(event, e.WorkerJoined)
        present -= sum(isinstance(command, c.RetireWorker) for command in commands)
        if isinstance(event, e.Ticked):
            counts.append(present)
    return np.array(counts)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("quantile", "before_s", "after_s"),
    [
        pytest.param(0.95, 0.2, 0.4, marks=pytest.mark.slow),
        pytest.param(0.99, 0.4, 0.2, marks=pytest.mark.slow),
        pytest.param(0.95, 0.4, 0.2, marks=pytest.mark.training),
        pytest.param(0.99, 0.2, 0.4, marks=pytest.mark.training),
    ],
)
def test_auto_settles_near_the_fewest_that_do_as_well_when_the_law_changes(law, quantile, before_s, after_s):
    # Changes at 10 s; 2,000 ticks to forget; then 3,000 ticks that count. N is the fewest fixed workers with the same
    # coverage, to half a per cent.
    after = LAWS[law](after_s)
    changing = hocket.Changing(LAWS[law](before_s), after, at_s=10)
    auto = play(TickDispatch("auto", quantile=quantile), changing, 3000, warm_up=2600)
    settled = worker_counts(auto)[-3000:]
    assert settled.max() - settled.min() <= 2

    def fixed(workers):
        return play(TickDispatch(workers, quantile=quantile), after, 3000, warm_up=1200).coverage

    # (Workers without end do not reach it where the draws of this one run were kinder.)
    same = min(auto.coverage, fixed(48)) - 0.005
    fewest = next(n for n in range(round(after_s * 60), 49) if fixed(n) >= same)
    assert settled.mean() <= 1.1 * fewest
    assert settled.mean() >= 0.9 * fewest


def test_auto_stays_within_its_bounds():
    low, high = TickDispatch("auto", min_workers=3, max_workers=6), hocket.Constant(0.2)
    counts = worker_counts(play(low, high, 600))
    assert counts[0] == 3 and counts.max() == counts[-1] == 6
    assert worker_counts(play(low, hocket.Constant(0.01), 600)).tolist() == [3] * 601


def test_auto_recovers_from_lost_workers():
    from random import Random

    rule = TickDispatch("auto", max_workers=16)
    simulation = Simulation(rule, HUNDRED, [100 * MS], [1], Troubles(), Random(1), losses={150: 4, 151: 3})
    simulation.run(400)
    assert simulation.scheduler.workers == 10
    filled = simulation.auditor.filled
    assert [filled[tick] for tick in range(100, 150)] == ["fresh"] * 50
    assert [filled[tick] for tick in range(190, 400)] == ["fresh"] * 210
