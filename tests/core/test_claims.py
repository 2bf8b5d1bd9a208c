"""Claims on coming ticks: by hand."""

from hocket.core.claims import ANY_TICK, ENDLESS, Claim, sources


def answered(inference, observation, first, length, *, usable=None):
    """A chunk that is aligned to its observation and takes over at tick ``first``."""
    last = observation + length
    return Claim(inference, observation, True, first, usable or first, last, observation + 1, length)


def running(inference, observation, target, horizon):
    return Claim(inference, observation, False, target, target, observation + horizon)


def steps(claims, first, last):
    return [None if s is None else tuple(s) for s in sources(claims, range(first, last + 1))]


def test_a_playing_chunk_goes_on_until_a_held_one_takes_over():
    # Observation 0's chunk plays until 7; observation 4's is released at 7 and has actions until 10.
    claims = [answered(0, 0, 5, 8), answered(1, 4, 7, 6)]
    assert steps(claims, 5, 11) == [(0, 4), (0, 5), (1, 2), (1, 3), (1, 4), (1, 5), None]


def test_an_unfinished_inference_hides_all_from_its_target_on():
    claims = [answered(0, 0, 5, 8), running(1, 4, 7, 6)]
    assert steps(claims, 5, 11) == [(0, 4), (0, 5), (1, -1), (1, -1), (1, -1), (1, -1), None]


def test_an_inference_that_may_come_at_any_tick_hides_older_answers():
    may_come = Claim(1, 3, False, ANY_TICK, ANY_TICK, ENDLESS)
    assert steps([answered(0, 2, 5, 4), may_come], 5, 7) == [(1, -1)] * 3
    assert steps([answered(0, 4, 6, 3), may_come], 5, 8) == [(1, -1), (0, 1), (0, 2), None]  # a newer one made it void


def test_a_held_answer_acts_early_where_nothing_else_does():
    claims = [answered(0, 0, 3, 4), answered(1, 2, 7, 8, usable=4)]
    assert steps(claims, 3, 7) == [(0, 2), (0, 3), (1, 2), (1, 3), (1, 4)]


def test_a_shorter_newer_answer_makes_a_longer_older_one_void():
    claims = [answered(0, 0, 2, 8), answered(1, 2, 4, 3)]
    assert steps(claims, 3, 8) == [(0, 2), (1, 1), (1, 2), None, None, None]


def test_a_late_answer_from_its_release_on_executes_its_last_step():
    late = Claim(0, 0, True, 6, 6, 6, 3, 2)  # for ticks 3 and 4, and usable from 6 on
    assert steps([late], 5, 7) == [None, (0, 1), None]


def test_of_two_answers_at_once_the_newer_decides():
    assert steps([answered(0, 3, 5, 4), answered(1, 1, 5, 9)], 5, 6) == [(0, 1), (0, 2)]
