import pytest

import hocket
from hocket.errors import ConfigurationError


def test_workers_for_the_longest_inference():
    # 200 ms at 60 Hz are 12 ticks exactly, and a moment more needs one more.
    assert hocket.workers_needed(0.2, 60) == 12
    assert hocket.workers_needed(0.2001, 60) == 13
    assert hocket.workers_needed(0.0, 60) == 1
    # The paper's: 596 frames of a Game Boy.
    assert hocket.workers_needed(596 / 59.7275, 59.7275) == 596


def test_learners_for_one_update_an_action():
    assert hocket.learners_needed(0.09, 1 / 60) == 6  # 5.4
    assert hocket.learners_needed(0.1, 0.1) == 1


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1"])
def test_invalid_times_are_refused(seconds):
    with pytest.raises(ConfigurationError, match="finite number of seconds"):
        hocket.workers_needed(seconds, 60)
    with pytest.raises(ConfigurationError, match="finite number of seconds"):
        hocket.learners_needed(0.1, seconds)
    with pytest.raises(ConfigurationError, match="no time between actions"):
        hocket.learners_needed(0.1, 0)
