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


@pytest.mark.parametrize(
    ("length", "alignment", "needed"),
    [
        # Twelve ticks leave 1, 2, 5, 11 and 12 actions of chunks of 12, 13, 16, 22 and 23.
        (12, hocket.Alignment.OBSERVATION, 12),
        (13, hocket.Alignment.OBSERVATION, 6),
        (16, hocket.Alignment.OBSERVATION, 3),
        (22, hocket.Alignment.OBSERVATION, 2),
        (23, hocket.Alignment.OBSERVATION, 1),
        (1, hocket.Alignment.OBSERVATION, 12),
        (5, hocket.Alignment.RELEASE, 3),
        (16, hocket.Alignment.RELEASE, 1),
    ],
)
def test_workers_for_chunks(length, alignment, needed):
    assert hocket.workers_needed(0.2, 60, chunk_length=length, alignment=alignment) == needed


def test_chunks_that_are_over_before_they_come_are_refused():
    with pytest.raises(ConfigurationError, match=r"chunk_length=11 is too short.* 12 ticks.*try chunk_length=23"):
        hocket.workers_needed(0.2, 60, chunk_length=11)
    with pytest.raises(ConfigurationError, match="chunk_length=0"):
        hocket.workers_needed(0.2, 60, chunk_length=0)
    with pytest.raises(ConfigurationError, match=r"alignment='release' is not one of Alignment\.OBSERVATION"):
        hocket.workers_needed(0.2, 60, chunk_length=16, alignment="release")


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
