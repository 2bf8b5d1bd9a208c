"""Trials of copies: streams of answers by hand."""

from random import Random

from virtual import MEAN_S, play

import hocket
from hocket.core.rules import TickDispatch
from hocket.core.rules.copies import GAP, LEAST_SPAN, LONG_GAP, RACES, CopyTrials
from hocket.latency import ProcessorSharing

MS = 1_000_000


def follow(ticks, without_ms, with_ms, copy_wins=lambda tick: True, trials=None, begin=0):
    """Play a stream of one answer a tick, won by a copy where there are any; return the ticks with copies as well."""
    trials = trials or CopyTrials()
    hedged = []
    for tick in range(begin, begin + ticks):
        trials.ticked(tick, LEAST_SPAN, tick - 30)
        if trials.allowed:
            hedged.append(tick)
            trials.started(tick, 0)
        duration_ms = with_ms(tick) if trials.allowed else without_ms(tick)
        trials.answered(tick, 1 if trials.allowed and copy_wins(tick) else 0, int(duration_ms * MS))
    return trials, hedged


def test_copies_that_shorten_times_stay_after_one_comparison():
    random = Random(0)
    _, hedged = follow(GAP, lambda tick: random.gauss(100, 5), lambda tick: random.gauss(80, 5))
    # Two spans without, two with copies, and one more to wait for the answers; then as long as they pay.
    assert hedged == list(range(2 * LEAST_SPAN, GAP))


def test_times_that_rise_end_them_after_three_comparisons():
    # ln 1.05 = 0.049: above 0.02, below four times as much.
    _, hedged = follow(LONG_GAP, lambda _: 100, lambda _: 105)
    pair = 5 * LEAST_SPAN
    assert len(hedged) == 3 * 3 * LEAST_SPAN and hedged[-1] == 3 * pair - 1
    # One comparison confirms it later.
    trials, _ = follow(3 * pair + LONG_GAP, lambda _: 100, lambda _: 105)
    _, again = follow(2 * pair, lambda _: 100, lambda _: 105, trials=trials, begin=3 * pair + LONG_GAP)
    assert len(again) == 3 * LEAST_SPAN


def test_times_that_clearly_rise_end_them_after_one():
    random = Random(0)
    _, hedged = follow(LONG_GAP, lambda tick: random.gauss(100, 5), lambda tick: random.gauss(160, 5))
    assert len(hedged) == 3 * LEAST_SPAN


def test_answers_that_stay_away_count_as_a_rise():
    trials = CopyTrials()
    for tick in range(5 * LEAST_SPAN * 3 + 1):
        trials.ticked(tick, LEAST_SPAN, tick - 30)
        if not trials.allowed:
            trials.answered(tick, 0, 100 * MS)
    assert not trials.allowed


def test_copies_that_never_win_end():
    constant = lambda tick: 100.0 + tick % 2  # noqa: E731
    _, hedged = follow(3000, constant, constant, copy_wins=lambda tick: False)
    assert len(hedged) == RACES + LEAST_SPAN or RACES <= len(hedged) < RACES + 4 * LEAST_SPAN
    _, hedged = follow(3000, constant, constant, copy_wins=lambda tick: tick % 500 == 0)
    assert len(hedged) == 3000 - 2 * LEAST_SPAN, "rare wins are what rare stragglers need"


def test_there_are_none_while_times_in_a_row_are_alike():
    random, level = Random(0), [0.0]

    def alike(tick):
        level[0] = 0.95 * level[0] + 0.1 * random.gauss(0, 1)
        return 100 * 2.718 ** level[0]

    _, hedged = follow(3000, alike, alike)
    assert len(hedged) < 600
    _, hedged = follow(3000, lambda _: random.gauss(100, 10), lambda _: random.gauss(95, 10))
    assert len(hedged) > 2500


def test_a_shared_device_gets_none_and_independent_workers_get_many():
    def outcomes(law, workers):
        auto = TickDispatch(workers, quantile="auto", predictability=0.99)
        metrics = play(auto, law, 2400, warm_up=900)
        return metrics.regret_per_tick(0.99), metrics.inferences.observation

    shared = ProcessorSharing(hocket.LogNormal(MEAN_S, 0.1), 1.2 * 12)
    regret, observations = outcomes(shared, 24)
    late = observations[observations > 900]
    assert len(late) < 1.05 * (2400 + 600)
    assert regret < 0.16, "with copies it is above 0.2"
    _, observations = outcomes(hocket.LogNormal(MEAN_S, 0.3), 24)
    late = observations[observations > 900]
    assert len(late) > 1.5 * 2400
