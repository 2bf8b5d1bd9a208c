import warnings

import pytest

from hocket.core.cadence import Cadence, exact_hz
from hocket.drivers.rate_watch import CycleWatch, RateWatch

PERIOD_NS = 20_000_000  # 50 Hz


def play(step_ticks, ticks, *, skips):
    """A loop at 50 Hz whose step of tick k lasts ``step_ticks(k)`` ticks; its warnings, each with its tick."""
    watch = RateWatch(Cadence(exact_hz(50)), skips=skips)
    now_ns, tick, said = 0, 0, []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while tick < ticks:
            passed = min(now_ns // PERIOD_NS, ticks) - tick
            if passed > 0:
                watch.overran(tick, passed, now_ns)
            tick += passed if skips and passed > 0 else 1
            now_ns = max(now_ns, tick * PERIOD_NS) + int(step_ticks(tick) * PERIOD_NS)
            said += [(tick, str(w.message)) for w in caught]
            caught.clear()
        watch.ended(tick, now_ns)
        said += [("end", str(w.message)) for w in caught]
    return said


def test_a_loop_that_falls_behind_without_bound_is_warned_of_once_it_is_a_second_behind():
    ((tick, message),) = play(lambda tick: 1.5, 400, skips=False)
    # Each tick falls 10 ms further behind: a second after 100 ticks or a few more.
    assert 100 <= tick <= 104
    assert "does not hold 50 Hz" in message and "(33.1 Hz)" in message and "1 s behind" in message
    assert "overrun=hocket.Overrun.SKIP" in message and "lower hz" in message


def test_a_short_run_is_warned_of_at_its_end():
    ((when, message),) = play(lambda tick: 1.5, 30, skips=False)
    assert when == "end" and "30 ticks took 0.92 s (32.6 Hz), and it is 0.3 s behind" in message


def test_a_loop_that_skips_most_ticks_is_warned_of():
    ((tick, message),) = play(lambda tick: 2.5, 400, skips=True)
    assert tick != "end" and "ticks were missed" in message and "SKIP" not in message


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    "step_ticks",
    [
        lambda tick: 0.9,
        lambda tick: 100 if tick == 10 else 0.3,  # one stall of two seconds, caught up
        lambda tick: 100 if tick == 290 else 0.3,  # one, not caught up at the end
        lambda tick: 1.4 if tick % 2 else 0.4,
        lambda tick: 8 if tick % 20 == 0 else 0.5,
    ],
    ids=["quick", "early stall", "late stall", "every other", "now and then"],
)
def test_a_loop_that_holds_its_rate_on_the_whole_is_not_warned_of(step_ticks, skips):
    assert play(step_ticks, 300, skips=skips) == []


def test_a_slow_beginning_is_not_the_whole_run():
    # 15 ticks of 3 periods miss 30 ticks, 0.6 s; the 255 ticks after them hold the rate.
    assert play(lambda tick: 3 if tick < 45 else 0.3, 300, skips=True) == []


def test_too_few_ticks_give_no_warning():
    assert play(lambda tick: 3, 9, skips=False) == []


def cycle(lengths):
    """A loop of the user's whose cycles have these lengths in periods; its warnings, each with its cycle."""
    watch, said, now, tick = CycleWatch(Cadence(exact_hz(50))), [], 0.0, 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, length in enumerate([*lengths, None]):
            tick = max(tick + 1, round(now))
            watch.acted(tick, int(now * PERIOD_NS))
            now += length or 0
            said += [(number, str(w.message)) for w in caught]
            caught.clear()
        watch.ended()
        said += [("end", str(w.message)) for w in caught]
    return said


@pytest.mark.parametrize(
    ("length", "cycles"),
    [(1.5, 101), (1.1, 505), (3, 26)],  # the first n with round(length·n) − 1 − n ≥ 50; tick 1 is at time 0
)
def test_a_loop_of_the_users_that_is_too_slow_is_warned_of_once_it_has_missed_a_second(length, cycles):
    ((number, message),) = cycle([length] * 2000)
    assert number == pytest.approx(cycles, abs=1)
    assert f"does not hold 50 Hz: {number} cycles took {number * length / 50:.3g} s ({50 / length:.3g} Hz)" in message
    missed = round(length * number) - 1 - number
    assert f"{missed} ticks were missed; try a lower hz, or less work in the loop" in message


def test_a_short_loop_of_the_users_is_warned_of_at_its_end():
    ((when, message),) = cycle([1.5] * 30)
    assert when == "end" and "30 cycles took 0.9 s (33.3 Hz)" in message


@pytest.mark.parametrize(
    "lengths",
    [
        [1.0] * 2000,
        [0.8, 1.2] * 1000,
        [0.5, 0.5, 2.0] * 700,
        ([0.999] * 200 + [30.0]) * 10,  # stalls
        [1.5] * 9,
        [],
    ],
    ids=["exact", "uneven", "in bursts", "stalls", "too few", "none"],
)
def test_a_loop_of_the_users_that_holds_its_rate_on_the_whole_is_not_warned_of(lengths):
    assert cycle(lengths) == []
