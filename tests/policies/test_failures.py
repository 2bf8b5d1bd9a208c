import math

import pytest

import hocket
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies.failures import KEPT, FailureLog, restart_pause_s

S = 1_000_000_000


def log(*, outage_s, rounds):
    return FailureLog(hocket.FailureLimits(outage_s=outage_s, rounds=rounds))


def passes(failures, now_s, workers):
    """True if a failure at ``now_s`` passes the limits."""
    failures.failure("the policy's own words", int(now_s * S), workers)
    try:
        failures.check()
    except PolicyError:
        return True
    return False


def test_both_limits_must_be_passed():
    failures = log(outage_s=2, rounds=3)
    assert not any(passes(failures, 0.1 * n, 1) for n in range(20))  # 20 of 3 rounds, 1.9 s after the first
    assert passes(failures, 2.0, 1)
    failures = log(outage_s=2, rounds=3)
    assert not passes(failures, 0, 1) and not passes(failures, 50, 1)  # long enough, 2 of 3
    assert passes(failures, 51, 1)


def test_rounds_are_of_all_workers_even_of_those_that_are_lost():
    failures = log(outage_s=0, rounds=2)
    found = [passes(failures, 0, left) for left in (4, 3, 2, 1, 0, 0, 0, 0)]
    assert found == [False] * 7 + [True]


def test_a_success_starts_the_count_anew():
    failures = log(outage_s=1, rounds=2)
    assert not passes(failures, 0, 1)
    failures.success()
    assert not passes(failures, 5, 1) and not passes(failures, 5.9, 1)
    assert passes(failures, 6, 1)


def test_the_count_starts_anew_once_the_limits_are_passed():
    failures = log(outage_s=1, rounds=2)
    found = [passes(failures, now_s, 1) for now_s in (0, 1, 1.5, 2, 2.5)]
    assert found == [False, True, False, False, True]


def test_the_error_has_the_last_words_and_how_long_it_took():
    failures = log(outage_s=1.5, rounds=2)
    failures.failure("the first words", 0, 1)
    failures.failure("the last words", 2 * S, 1)
    message = "2 inferences failed in a row within 2 s, and none succeeded between; the last one:\nthe last words"
    with pytest.raises(PolicyError, match=f"^{message}$"):
        failures.check()


def test_a_run_that_ends_without_a_success_is_held_to_rounds_alone():
    failures = log(outage_s=math.inf, rounds=2)
    failures.check_end()
    assert not passes(failures, 0, 1)
    failures.check_end()
    assert not passes(failures, 1, 1)
    with pytest.raises(PolicyError, match="2 inferences failed"):
        failures.check_end()
    failures.success()
    assert not any(passes(failures, n, 1) for n in range(9))
    failures.check_end()


def test_failed_learning_counts_against_no_limit():
    failures = log(outage_s=0, rounds=2)
    for number in range(50):
        failures.learning_failure(str(number))
    failures.check()
    failures.check_end()
    assert failures.learning_tracebacks == [str(number) for number in range(50 - KEPT, 50)]
    assert failures.tracebacks == [] and not passes(failures, 0, 1)


def test_the_newest_tracebacks_are_kept():
    failures = log(outage_s=math.inf, rounds=1)
    for number in range(50):
        failures.failure(str(number), number, 1)
    assert failures.tracebacks == [str(number) for number in range(50 - KEPT, 50)]


def test_restarts_pause_for_longer_each_round_up_to_two_seconds():
    pauses = [restart_pause_s(count, 8) for count in (0, 1, 8, 9, 16, 17, 25, 33, 41, 49, 1_000_000)]
    assert pauses == pytest.approx([0, 0, 0, 0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outage_s": -1}, r"outage_s=-1 must be a number of at least 0, or math\.inf; try 10\.0"),
        ({"outage_s": math.nan}, r"outage_s=nan must be a number"),
        ({"outage_s": "10"}, r"outage_s='10' must be a number"),
        ({"rounds": 0}, r"rounds=0 must be an integer of at least 1; try 5"),
        ({"rounds": 1.5}, r"rounds=1\.5 must be an integer"),
        ({"rounds": True}, r"rounds=True must be an integer"),
    ],
)
def test_bad_limits_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        hocket.FailureLimits(**options)


@pytest.mark.parametrize("limits", [5, None, "10 s"])
def test_other_objects_are_refused_as_limits(limits):
    with pytest.raises(ConfigurationError, match=r"failures=.* must be FailureLimits; try hocket\.FailureLimits"):
        hocket.Realtime(hz=60, failures=limits)
