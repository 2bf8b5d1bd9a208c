"""The saver beside a simulated tick loop: a board whose tick is set by hand."""

import os
import shutil
import signal

import numpy as np
import pytest
from initial_imports import imported_in_a_child, new_fork_server
from leftover_processes import alive, eventually, workers_of_ours
from sharing import table, tabular_replay

from hocket.errors import CheckpointError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.checkpoints import saver
from hocket.learn.checkpoints.checkpoint import belonging, checkpoints, load_checkpoint
from hocket.learn.checkpoints.saver import RealtimeState, Saver, restore_realtime_state
from hocket.learn.learners.board import LearnerBoard
from hocket.learn.learners.learner import Learner
from hocket.learn.replay.replay import Replay
from hocket.learn.weights.shared_weights import SharedWeights

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]

CALM = DQN(batch_size=8)


class Case:
    def __init__(self, folder, *, every=100, keep=2):
        self.folder, self.weights, self.replay, self.board = (
            folder,
            SharedWeights(table()),
            tabular_replay(),
            LearnerBoard(1),
        )
        self.belongs_to = belonging("table", CALM, table())
        state = RealtimeState(
            belongs_to=self.belongs_to,
            weights=self.weights,
            replay=self.replay,
            board=self.board,
            folder=folder,
            keep=keep,
        )
        self.saver = Saver(state, every)
        self.learner = Learner(
            algorithm=CALM,
            network=table(),
            weights=self.weights,
            replay=self.replay,
            seed=np.random.SeedSequence(1),
        )

    def __enter__(self):
        self.saver.start()
        assert eventually(workers_of_ours, 30)
        return self

    def __exit__(self, *exception):
        self.saver.close()
        self.board.close()

    def saved(self):
        return [int(path.name) for path in checkpoints(self.folder)]

    def reach(self, tick):
        """Stand at ``tick`` until its checkpoint is there."""
        self.board.tick = tick
        assert eventually(lambda: tick in self.saved(), 30), (self.saved(), self.saver.failures)


def started(case):
    """Tick until it saves: the due ticks follow from the first tick that it sees."""
    step = iter(range(100, 100_000, 100))
    assert eventually(lambda: setattr(case.board, "tick", next(step)) or case.saved(), 60)
    return case.board.tick


def test_the_saver_begins_with_torch(tmp_path):
    with new_fork_server(), Case(tmp_path):
        assert {"torch", saver.__name__} <= imported_in_a_child()


def test_a_checkpoint_every_so_many_ticks(tmp_path):
    with Case(tmp_path / "new" / "folder", keep=3) as case:
        first = started(case) // 1000 * 1000 + 1000
        case.reach(first)
        before = case.saved()
        case.board.tick = first + 99
        assert not eventually(lambda: case.saved() != before, 0.4)
        case.reach(first + 130)  # late; the next is due at a multiple all the same
        case.reach(first + 200)
        case.learner.update(0)
        case.reach(first + 300)
        assert eventually(lambda: case.saved() == [first + 130, first + 200, first + 300])  # older ones go last
        assert case.saver.failures == []
    assert load_checkpoint(case.folder, case.belongs_to).updates == 1


def test_it_comes_back(tmp_path):
    case = Case(tmp_path)
    for _ in range(5):
        case.learner.update(0)
    case.board.tick = 70
    case.saver.save_last()
    weights, replay = SharedWeights(table()), _like(case.replay)
    assert restore_realtime_state(tmp_path, case.belongs_to, weights, replay) == 70
    assert weights.version == 5
    ours, theirs = case.weights.state(), weights.state()
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)
    assert len(replay) == len(case.replay)
    one, other = (r.sample(8, np.random.default_rng(3)) for r in (case.replay, replay))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)
    with pytest.raises(CheckpointError, match="its environment is table, this run's is chair"):
        restore_realtime_state(
            tmp_path, {**case.belongs_to, "environment": "chair"}, SharedWeights(table()), _like(case.replay)
        )
    case.saver.close()


def test_a_failed_write_is_reported_and_the_next_checkpoint_is_written(tmp_path):
    folder = tmp_path / "checkpoints"
    with Case(folder) as case:
        started(case)
        shutil.rmtree(folder)
        folder.write_text("in the way")
        case.board.tick += 100
        assert eventually(lambda: case.saver.failures, 30)
        assert "cannot be written" in case.saver.failures[0]
        case.saver.save_last()
        assert "cannot be written" in case.saver.failures[-1]
        folder.unlink()
        case.reach(case.board.tick + 100)
        assert len(workers_of_ours()) == 1


def test_one_that_is_killed_is_replaced(tmp_path):
    with Case(tmp_path) as case:
        (victim,) = workers_of_ours()
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: case.saver.failures)
        assert case.saver.failures == [f"the saver (process {victim}) ended with exit code -9"]
        assert eventually(lambda: workers_of_ours() and not alive(victim), 30)
        started(case)
    assert len(case.saver.failures) == 1


def test_it_can_be_closed_before_it_has_begun_and_at_once(tmp_path):
    Case(tmp_path).saver.close()
    case = Case(tmp_path)
    case.saver.start()
    case.saver.close()
    assert case.saver.failures == [] and case.saved() == []


def test_the_saver_starts_after_learning_has_stopped(tmp_path):
    with Case(tmp_path) as case:
        case.board.stop()
        started(case)
        assert len(workers_of_ours()) == 1


def _like(replay):
    options = dict(replay._options)
    return Replay(options.pop("capacity"), options.pop("frame_shape"), options.pop("frame_dtype"), **options)
