from math import ceil

import pytest
from virtual import play, ticks_s

import hocket
from hocket.core.rules import Learn, Sequential, Unstaggered
from hocket.errors import ConfigurationError

# In quarters of a tick of 10 ms: whole, fractional, shorter than a tick, and sums that are whole though neither is.
QUARTERS = [1, 3, 4, 5, 8, 10, 11, 24]


@pytest.mark.parametrize("inference", QUARTERS)
@pytest.mark.parametrize("learning", [0, *QUARTERS])
@pytest.mark.parametrize("learn", [Learn.AFTER_INFERENCE, Learn.BEFORE_INFERENCE])
def test_sequential_delay_and_interval_are_those_of_the_formulas(learn, inference, learning):
    metrics = play(
        Sequential(learn),
        hocket.Constant(inference * 0.0025),
        200,
        hz=100,
        learning=hocket.Constant(learning * 0.0025),
        warm_up=20,
    )
    both = ceil((inference + learning) / 4)
    delay = ceil(inference / 4) if learn is Learn.AFTER_INFERENCE else both
    assert set(metrics.delays) == {delay}
    assert set(metrics.intervals) <= {both}
    assert metrics.coverage == pytest.approx(1 / both, abs=1 / 180)


def test_sequential_without_learning():
    # 2.4 ticks: the action of observation 0 runs at tick 3, whose observation is taken next.
    metrics = play(Sequential(), ticks_s(2.4, 100), 30, hz=100)
    fresh = metrics.ticks.fresh
    assert metrics.ticks.tick[fresh].tolist() == list(range(3, 31, 3))
    assert set(metrics.delays) == {3}


def test_sequential_survives_an_episode_that_ends_while_it_infers_or_learns():
    for learn in Learn:
        metrics = play(Sequential(learn), ticks_s(2.5), 600, learning=ticks_s(1.5), episode_ticks=7)
        assert metrics.outcomes["discarded"] > 30
        assert metrics.coverage > 0.1


def test_unstaggered_workers_move_as_one_when_latency_is_constant():
    # All start on observation 0, finish together at tick 12, and start again: one fresh action in twelve.
    metrics = play(Unstaggered(5), ticks_s(12), 1200)
    assert metrics.coverage == pytest.approx(1 / 12, abs=1 / 1200)
    assert set(metrics.delays) == {12}
    assert metrics.outcomes["duplicate"] == pytest.approx(4 * metrics.outcomes["executed"], abs=5)


def test_a_free_worker_takes_no_observation_twice():
    # 0.3 ticks: done long before the next observation, and idle until it comes.
    metrics = play(Unstaggered(1), ticks_s(0.3), 100)
    assert metrics.inferences.observation.tolist() == list(range(101))
    assert metrics.coverage == 1.0


def test_no_time_at_all_is_a_latency_too():
    assert play(Unstaggered(3), hocket.Constant(0), 50).coverage == 1.0


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, "2"])
def test_other_numbers_of_workers_are_refused(workers):
    with pytest.raises(ConfigurationError, match="workers="):
        Unstaggered(workers)
