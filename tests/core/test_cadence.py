from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.cadence import Cadence, exact_hz
from hocket.errors import ConfigurationError

cadences = st.builds(
    Cadence, st.sampled_from([1, 60, 1000, "59.7275", Fraction(30_000, 1001), 0.5]), st.integers(-(10**12), 10**18)
)


def test_a_rate_is_the_decimal_that_was_written():
    assert exact_hz(59.7275) == Fraction(597_275, 10_000)
    assert exact_hz("30000/1001") == Fraction(30_000, 1001)


@pytest.mark.parametrize("hz", [0, -60, "fast", float("nan"), float("inf"), "1/0"])
def test_other_rates_are_refused_with_their_value(hz):
    with pytest.raises(ConfigurationError, match="hz="):
        exact_hz(hz)


def test_deadlines_at_60_hz_never_drift():
    # 10⁹/60 = 16 666 666.67 ns: rounded down at each tick, exact again at each third.
    sixty = Cadence(60, epoch_ns=7)
    assert [sixty.deadline_ns(k) - 7 for k in range(4)] == [0, 16_666_666, 33_333_333, 50_000_000]
    assert sixty.deadline_ns(60 * 86_400) == 7 + 86_400 * 10**9


def test_deadlines_at_the_game_boys_rate():
    # 10⁹/59.7275 = 16 742 706.46…; 597 275 ticks last 10 000 s exactly.
    game_boy = Cadence("59.7275")
    assert game_boy.deadline_ns(1) == 16_742_706
    assert game_boy.deadline_ns(597_275) == 10_000 * 10**9


def test_durations_in_ticks_are_rounded_up_and_at_least_one():
    hundred = Cadence(100)
    assert [hundred.ticks(ms * 1_000_000) for ms in (0, 1, 10, 10.1, 20, 596 * 10)] == [1, 1, 1, 2, 2, 596]


@given(cadences, st.integers(-1000, 10**9))
def test_a_deadline_belongs_to_its_own_tick(cadence, tick):
    deadline_ns = cadence.deadline_ns(tick)
    assert cadence.tick_at(deadline_ns) == tick == cadence.tick_from(deadline_ns)
    assert cadence.tick_at(deadline_ns - 1) == tick - 1
    assert cadence.tick_from(deadline_ns + 1) == tick + 1


@given(cadences, st.integers(0, 10**15))
def test_between_two_deadlines_the_last_tick_precedes_the_next(cadence, offset_ns):
    time_ns = cadence.epoch_ns + offset_ns
    last, first = cadence.tick_at(time_ns), cadence.tick_from(time_ns)
    assert cadence.deadline_ns(last) <= time_ns < cadence.deadline_ns(last + 1)
    assert cadence.deadline_ns(first - 1) < time_ns <= cadence.deadline_ns(first)
