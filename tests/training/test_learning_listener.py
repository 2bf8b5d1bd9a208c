import numpy as np

from hocket.hooks.record import Moment
from hocket.learn.learners.board import LearnerBoard
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.replay import Replay
from hocket.spaces.codec import NOTHING_PENDING
from hocket.training.learning_listener import LearningListener


class Learning:
    """Learners that do nothing."""

    error = None
    failures = ()

    def __init__(self):
        self.board = LearnerBoard(1)


def moment(tick, decided_on):
    return Moment(
        tick=tick,
        decided_on=decided_on,
        action=0,
        pending_actions=NOTHING_PENDING,
        reward=0.0,
        terminated=False,
        truncated=False,
        observation=np.zeros(1, np.uint8),
        final_observation=None,
        final_pending_actions=NOTHING_PENDING,
    )


def test_workers_are_told_the_tick_and_the_interval_of_decisions():
    """A sequential agent that resumes at tick 100 and decides every 4 ticks."""
    learning = Learning()
    listener = LearningListener(Collector(Replay(50, (1,)), gamma=0.9, first_tick=100), learning, None)
    assert learning.board.interval_ticks == 1
    listener.began(np.zeros(1, np.uint8))
    told = []
    for tick in range(1, 13):
        listener.ticked(moment(tick, tick - 4 if tick % 4 == 0 else -1))
        told.append((learning.board.tick, learning.board.interval_ticks))
    assert told == [(100 + tick, 1 if tick < 8 else 4) for tick in range(1, 13)]
    learning.board.close()
