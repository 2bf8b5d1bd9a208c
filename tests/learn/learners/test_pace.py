import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.learners.board import HISTORY, LearnerBoard
from hocket.learn.learners.pace import Pace


class Weights:
    version = 0


def test_due_times_of_updates():
    pace = Pace(update_every_ticks=4, warm_up_ticks=10)
    # Update u from tick 10 + 4·u on: 10, 14, 18.
    assert [pace.due(tick) for tick in (0, 9, 10, 13, 14, 17, 18)] == [0, 0, 1, 1, 2, 2, 3]


def test_as_many_as_there_is_time_for():
    pace = Pace(update_every_ticks=None, warm_up_ticks=10)
    assert pace.due(9) == 0
    assert pace.due(10) is None


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="update_every_ticks=0"):
        Pace(update_every_ticks=0)
    with pytest.raises(ConfigurationError, match="warm_up_ticks=-1"):
        Pace(warm_up_ticks=-1)


def test_no_update_is_claimed_twice_and_none_is_lost():
    board, weights, pace = LearnerBoard(3), Weights(), Pace(update_every_ticks=1, warm_up_ticks=1)
    assert not board.claim(0, pace, weights)
    board.tick = 2  # two are due
    assert board.claim(0, pace, weights) and board.claim(1, pace, weights)
    assert not board.claim(2, pace, weights)
    board.release(0)  # it died
    assert board.claim(2, pace, weights)
    weights.version = 1
    board.release(2)
    assert not board.claim(0, pace, weights), "learner 1 is still at the other"
    weights.version = 2
    board.release(1)
    assert not board.claim(0, pace, weights)
    board.tick = 3
    assert board.claim(0, pace, weights)


def test_the_history_is_bounded_and_in_order():
    board = LearnerBoard(1)
    assert len(board.history(0, 0)) == 0
    for update in range(HISTORY + 50):
        board.note(update, (float(update), update % 7, 0.5, 3, 4, 0))
    kept = board.history(0, HISTORY + 50)
    assert np.array_equal(kept["loss"], np.arange(51, HISTORY + 50))
    assert kept["staleness"].max() == board.most_stale == 6
