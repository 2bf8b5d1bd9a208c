from math import ceil

import pytest
from virtual import play, ticks_s

import hocket
from hocket.core.rules import Learn, OneInFlight, Sequential, Unstaggered
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


def test_one_in_flight_waits_for_its_threshold():
    # Chunks of 8, 2.4 ticks. Observation 0 is answered for ticks 3 to 8. Observation 2 has waited meanwhile, and is
    # answered for ticks 5 to 10. At tick 8 two actions are left, a quarter of a chunk: observation 8 starts.
    # Observations 9 and 10 wait in turn; observation 10 starts at 10.4.
    metrics = play(OneInFlight(0.25), ticks_s(2.4), 60, chunk=8, alignment=hocket.Alignment.OBSERVATION)
    assert metrics.inferences.observation[:5].tolist() == [0, 2, 8, 10, 16]
    assert metrics.ticks.fresh.tolist() == [False, False] + 58 * [True]
    # With a threshold of 0 observation 10 starts once nothing is left, and is answered for ticks 13 to 18.
    metrics = play(OneInFlight(0), ticks_s(2.4), 60, chunk=8, alignment=hocket.Alignment.OBSERVATION)
    assert metrics.inferences.observation[:5].tolist() == [0, 2, 10, 12, 20]
    assert metrics.ticks.fresh[:14].tolist() == [False] * 2 + [True] * 8 + [False] * 2 + [True] * 2


def test_one_in_flight_is_slower_than_its_workers_inference():
    # 12 ticks leave 5 of 16 actions: 5 of 12 ticks. From the release on, 16 of 24.
    aligned = play(OneInFlight(), ticks_s(12), 240, warm_up=60, chunk=16, alignment=hocket.Alignment.OBSERVATION)
    assert aligned.coverage == pytest.approx(5 / 12, abs=0.02)
    assert play(OneInFlight(), ticks_s(24), 240, warm_up=60, chunk=16).coverage == pytest.approx(16 / 24, abs=0.02)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "0.5"])
def test_other_thresholds_are_refused(threshold):
    with pytest.raises(ConfigurationError, match=r"threshold=.*\[0, 1\]"):
        OneInFlight(threshold)


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, "2"])
def test_other_numbers_of_workers_are_refused(workers):
    with pytest.raises(ConfigurationError, match="workers="):
        Unstaggered(workers)
