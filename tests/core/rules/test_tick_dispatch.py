import pytest
from virtual import MEAN_S, play, ticks_s

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.rules import TickDispatch
from hocket.core.scheduler import Scheduler
from hocket.errors import ConfigurationError

MS = 1_000_000


def begun(rule, workers):
    """A scheduler at 10 ms a tick with its workers and observation 0."""
    scheduler = Scheduler(rule, Cadence(100))
    for worker in range(workers):
        scheduler.handle(e.WorkerJoined(0, worker))
    return scheduler, scheduler.handle(e.Ticked(0, 0))


def tick(scheduler, k):
    commands = scheduler.handle(e.DeadlineReached(k * 10 * MS, k))
    return commands + scheduler.handle(e.Ticked(k * 10 * MS, k))


def test_each_ticks_observation_goes_to_the_worker_idle_longest():
    scheduler, commands = begun(TickDispatch(3), 3)
    assert commands == [c.StartInference(0, 0, observation=0, target=-1)]
    assert tick(scheduler, 1)[1:] == [c.StartInference(1, 1, observation=1, target=-1)]
    scheduler.handle(e.InferenceFinished(18 * MS, 0))
    # Worker 2 has been idle since the beginning, worker 0 since 18 ms. 18 ms is two ticks: aim two ahead.
    assert tick(scheduler, 2)[-1] == c.StartInference(2, 2, observation=2, target=4)
    assert tick(scheduler, 3)[-1] == c.StartInference(3, 0, observation=3, target=5)


def test_an_answer_is_held_until_its_target_or_released_at_once():
    for hold, tick_of_second in ((True, 5), (False, 4)):
        scheduler, _ = begun(TickDispatch(4, hold=hold), 4)
        tick(scheduler, 1)
        scheduler.handle(e.InferenceFinished(18 * MS, 0))
        tick(scheduler, 2)
        tick(scheduler, 3)  # inference 3, observation 3, aims at tick 5
        scheduler.handle(e.InferenceFinished(35 * MS, 3))
        executed = [x for k in (4, 5) for x in tick(scheduler, k) if isinstance(x, c.Execute)]
        assert executed == [c.Execute(tick_of_second, 3, 0, delay_ticks=tick_of_second - 3)]


def test_an_observation_queues_briefly_and_the_oldest_that_can_meet_its_target_is_taken():
    scheduler, _ = begun(TickDispatch(1), 1)
    scheduler.handle(e.InferenceFinished(5 * MS, 0))
    tick(scheduler, 1)  # inference 1, observation 1
    tick(scheduler, 2)
    scheduler.handle(e.InferenceFinished(25 * MS, 1))
    # It took 15 ms: two ticks ahead; half of the inferences took at most 5 ms. At 25 ms observation 2, queued
    # since 20 ms, can still meet tick 4.
    assert scheduler.tick == 2
    tick(scheduler, 3)
    tick(scheduler, 4)
    tick(scheduler, 5)
    # The worker is on observation 2; 3, 4 and 5 queue. At 58 ms that one has taken 33 ms: four ticks ahead, and half
    # of them took at most 15 ms. Observation 3 cannot meet tick 7 (58 + 15 > 70), observation 4 can meet tick 8.
    assert c.StartInference(3, 0, observation=4, target=8) in scheduler.handle(e.InferenceFinished(58 * MS, 2))


def test_the_target_rises_at_once_and_falls_with_hysteresis():
    # A window of one: the target follows the last inference. 10 ms a tick, so 19 ms is two ticks. 9.5 ms is one
    # tick, but a tenth of a tick more would not be: two are kept. 8.5 ms is one for good, and so is 9.5 ms after it.
    scheduler, _ = begun(TickDispatch(1, window=1), 1)
    began_ns, targets = 0, []
    for inference, duration_ms in enumerate([5, 19, 9.5, 8.5, 9.5, 5]):
        done_ns = began_ns + int(duration_ms * MS)
        while (scheduler.tick + 1) * 10 * MS < done_ns:
            tick(scheduler, scheduler.tick + 1)
        # An observation that has queued starts now, or else the next one at its tick.
        started = [
            x for x in scheduler.handle(e.InferenceFinished(done_ns, inference)) if isinstance(x, c.StartInference)
        ]
        began_ns = done_ns
        if not started:
            started = [x for x in tick(scheduler, scheduler.tick + 1) if isinstance(x, c.StartInference)]
            began_ns = scheduler.tick * 10 * MS
        targets += [x.target - x.observation for x in started]
    assert targets == [1, 2, 2, 1, 1, 1]


def test_hedges_go_to_surplus_workers_and_the_loser_is_a_duplicate():
    # A constant law: the reserve is one worker, so that of 40 workers for 5 ticks many are to spare.
    metrics = play(TickDispatch(40, hedge=True), ticks_s(5), 600, warm_up=100)
    assert metrics.coverage == 1.0
    assert set(metrics.delays) == {5}, "the next tick is never starved"
    outcomes = metrics.outcomes
    assert outcomes["duplicate"] > 500
    assert outcomes["executed"] + outcomes["duplicate"] + outcomes["discarded"] == sum(outcomes.values())


@pytest.mark.parametrize("workers", [5, 6, 7])
def test_hedges_never_take_the_worker_that_the_next_tick_needs(workers):
    metrics = play(TickDispatch(workers, hedge=True), ticks_s(5), 600, warm_up=100)
    assert metrics.coverage == 1.0
    assert set(metrics.delays) == {5}


def test_hedging_shortens_what_is_waited_for():
    law = hocket.LogNormal(MEAN_S, 0.3)
    alone = play(TickDispatch(64, quantile=0.95, hold=False), law, 3000, warm_up=1200)
    hedged = play(TickDispatch(64, quantile=0.95, hold=False, hedge=True), law, 3000, warm_up=1200)
    assert hedged.delays.mean() < alone.delays.mean() - 1


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "share"), [(12, 0.95), (13, 0.97), (14, 0.97), (16, 0.97), (20, 0.97)])
def test_the_99_percent_quantile_comes_close_to_the_bound(workers, share):
    # The bound min(1, N·τ_M/E[τ_θ]) is 1 from twelve workers on.
    law = hocket.LogNormal(MEAN_S, 0.3)
    coverage = sum(play(TickDispatch(workers, quantile=0.99), law, 3600, warm_up=1200, seed=s).coverage for s in (0, 1))
    assert coverage / 2 >= share


def test_holding_makes_the_delay_constant():
    metrics = play(TickDispatch(16, quantile=0.95), hocket.LogNormal(MEAN_S, 0.3), 2400, warm_up=1200)
    typical = int(metrics.delays.min())
    # The estimate moves by a tick or two as its window slides; never because one inference was quick.
    assert metrics.delays.max() - typical <= 4
    assert (abs(metrics.delays - metrics.delays.mean()) <= 2).mean() > 0.95


def test_one_slow_inference_costs_one_tick():
    # Every 50th inference takes five times as long: only its own tick is lost.
    metrics = play(TickDispatch(20, quantile=0.9), hocket.HeavyTail(MEAN_S, 0.02, 5.0), 3000, warm_up=1200)
    assert metrics.coverage == pytest.approx(0.98, abs=0.008)


def test_an_episode_that_ends_costs_the_delay():
    # Every 100 ticks: nothing is aimed at the first 11 ticks of an episode, all others are fresh.
    metrics = play(TickDispatch(12), ticks_s(12), 2000, warm_up=200, episode_ticks=100)
    assert metrics.coverage == pytest.approx(1 - 11 / 100, abs=0.01)
    assert metrics.outcomes["discarded"] > 0


def test_a_failed_inference_frees_its_worker_and_falls_to_the_default():
    scheduler, _ = begun(TickDispatch(1), 1)
    assert scheduler.handle(e.InferenceFailed(5 * MS, 0)) == [c.EndInference(0, Outcome.FAILED)]
    assert tick(scheduler, 1) == [c.ExecuteDefault(1), c.StartInference(1, 0, observation=1, target=-1)]


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": "many"},
        {"quantile": 0.0},
        {"quantile": 1.0},
        {"quantile": 1},
        {"quantile": "best"},
        {"quantile": "auto", "predictability": 0.0},
        {"quantile": "auto", "predictability": 1.01},
        {"predictability": 0.9},
        {"quantile": "auto", "hold": False},
        {"min_workers": 5, "max_workers": 4},
        {"min_workers": 0},
        {"window": 0},
    ],
)
def test_other_options_are_refused_by_name(options):
    with pytest.raises(ConfigurationError, match="="):
        TickDispatch(**options)


@pytest.mark.slow
def test_a_quantile_on_a_cliff_takes_one_side_of_it():
    """One inference in twenty takes ten times as long: 0.95 is now below, now above, and every change costs blanks."""
    law = hocket.HeavyTail(MEAN_S, 0.05, 10.0)
    on, beside = (play(TickDispatch(32, quantile=q), law, 5000, warm_up=1000) for q in (0.95, 0.94))
    assert on.regret_per_tick(0.99) == pytest.approx(beside.regret_per_tick(0.99), abs=0.01)
    assert len(set(on.delays.tolist())) == len(set(beside.delays.tolist()))


@pytest.mark.slow
def test_a_smooth_law_has_no_cliff():
    delays = play(TickDispatch(32, quantile=0.95), hocket.LogNormal(MEAN_S, 0.5), 2000).delays
    # The quantile is 0.2·exp(-0.125 + 1.645·0.5) = 0.402 s, 24.1 ticks; the longest of these takes twice as long.
    assert 22 <= sorted(delays.tolist())[len(delays) // 2] <= 27
