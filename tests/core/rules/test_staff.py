"""Workers that prove themselves: the arithmetic by hand, and `workers="auto"` on devices that are shared."""

import numpy as np
import pytest

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.rules import TickDispatch
from hocket.core.rules.staff import PAUSE_TICKS, Staff
from hocket.envs.null import NullEnv
from hocket.latency import ProcessorSharing


def grown(staff, to, times, *, tick=0):
    """Let ``staff`` grow to ``to``, whose inferences then take ``times`` each."""
    staff.decide(to, staff.wanted, tick, 0)
    assert staff.wanted == to
    staff.decide(to, to, tick + 10, 1000)
    for elapsed in times:
        staff.finished(10**6, elapsed)
    staff.decide(to, to, tick + 20, 2 * 10**6)
    return staff.wanted


def of(workers, elapsed):
    staff = Staff(workers, 1, 64)
    for _ in range(12):
        staff.finished(0, elapsed)
    return staff


def test_workers_that_slow_no_other_stay():
    assert grown(of(1, 100), 6, [100] * 8) == 6
    assert grown(of(6, 100), 18, [110] * 8) == 18


def test_workers_are_worth_the_throughput_that_they_add():
    # Three on a device for two take one and a half times as long: as much as two would give.
    assert grown(of(1, 100), 3, [150] * 8) == 2
    assert grown(of(2, 100), 4, [200] * 16) == 2, "nothing added: back to two"
    assert grown(of(6, 100), 12, [150] * 8) == 8


def test_after_a_verdict_against_new_workers_there_is_a_pause():
    staff = of(2, 100)
    assert grown(staff, 4, [200] * 16) == 2
    for _ in range(12):
        staff.finished(10**7, 100)
    staff.decide(4, 2, PAUSE_TICKS, 0)
    assert staff.wanted == 2
    staff.decide(4, 2, PAUSE_TICKS + 30, 0)
    assert staff.wanted == 3, "half as many more, this time"
    # Unless inference times change for good; not at once, when they change because of the verdict.
    staff = of(2, 100)
    assert grown(staff, 4, [200] * 16) == 2
    staff.changed(30)
    staff.decide(8, 2, 40, 0)
    assert staff.wanted == 2
    staff.changed(200)
    staff.decide(8, 2, 210, 0)
    assert staff.wanted == 8


def test_fewer_are_taken_at_once():
    staff = of(8, 100)
    staff.decide(5, 8, 0, 0)
    assert staff.wanted == 5


def played(law, workers, ticks=3000, quantile="auto"):
    rule = TickDispatch(workers, quantile=quantile)
    return hocket.run(NullEnv(), lambda o: 0, rule, hocket.Virtual(hz=60, latency=law), ticks=ticks, seed=0)


def counts(result):
    """The number of workers by tick."""
    found, present = [], 0
    for event, commands in result.record.trace.steps():
        present += isinstance(event, e.WorkerJoined)
        present -= sum(isinstance(command, c.RetireWorker) for command in commands)
        if isinstance(event, e.Ticked):
            found.append(present)
    return np.array(found)


@pytest.mark.parametrize("quantile", ["auto", 0.95])
def test_workers_on_a_shared_device_do_not_run_away(quantile):
    # Two processors, 50 ms an inference: two workers give all that there is.
    law = ProcessorSharing(hocket.LogNormal(0.05, 0.1), 2)
    result = played(law, "auto", quantile=quantile)
    assert np.median(counts(result)) <= 3 and counts(result).max() <= 8
    best = min(played(law, n, quantile=quantile).metrics(300).regret_per_tick(0.99) for n in (1, 2, 3))
    assert result.metrics(300).regret_per_tick(0.99) <= best + 0.02


@pytest.mark.parametrize("quantile", ["auto", 0.95])
def test_coverage_is_back_within_three_seconds_of_a_step_in_inference_times(quantile):
    law = hocket.Changing(hocket.LogNormal(0.1, 0.1), hocket.LogNormal(0.3, 0.1), at_s=10)
    fresh = played(law, "auto", 1200, quantile).metrics().ticks.fresh
    assert fresh[400:600].mean() > 0.95
    assert fresh[780:1200].mean() > 0.9
