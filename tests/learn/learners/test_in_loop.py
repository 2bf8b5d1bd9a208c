import threading

import numpy as np
import torch
from sharing import table, tabular_replay

from hocket.learn.algorithms.dqn import DQN
from hocket.learn.learners.in_loop import InLoopLearner
from hocket.learn.learners.learner import Learner
from hocket.learn.weights.shared_weights import SharedWeights

CALM = DQN(learning_rate=0.03, target_ticks=20, batch_size=8)


def case(algorithm=CALM, *, replay=None, warm_up_ticks=5):
    weights = SharedWeights(table())
    replay = tabular_replay() if replay is None else replay
    learner = Learner(
        algorithm=algorithm, network=table(), weights=weights, replay=replay, seed=np.random.SeedSequence(1)
    )
    return InLoopLearner(learner, weights=weights, replay=replay, warm_up_ticks=warm_up_ticks), weights


def test_one_update_a_call_from_the_warm_up_on():
    learning, weights = case()
    for tick in range(1, 13):
        learning.board.tick = tick
        learning.learn()
    assert weights.version == 12 - 4 == learning.log.updates == learning.status().updates
    history = learning.history()
    assert history["tick"].tolist() == list(range(5, 13))
    assert set(history["staleness"]) == {0} and np.isfinite(history["loss"]).all()
    assert (np.diff(history["time_ns"]) > 0).all() and (history["seconds"] > 0).all()
    assert learning.status().behind is None and learning.status().learners == 1
    learning.close()
    learning.learn()
    assert weights.version == 8 == len(learning.history())


def test_it_is_the_plain_update():
    """The same as one learner's beside: number for number."""
    learning, weights = case(warm_up_ticks=0)
    for _ in range(30):
        learning.learn()
    other = SharedWeights(table())
    plain = Learner(
        algorithm=CALM, network=table(), weights=other, replay=tabular_replay(), seed=np.random.SeedSequence(1)
    )
    losses = [plain.update(0).result.loss for _ in range(30)]
    assert learning.history()["loss"].tolist() == losses
    ours, theirs = weights.state(), other.state()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    learning.close()


def test_it_waits_for_the_first_transition():
    learning, weights = case(replay=tabular_replay([]), warm_up_ticks=0)
    learning.learn()
    assert weights.version == 0 and learning.error is None
    learning.close()


def test_a_divergence_stops_it_and_changes_nothing():
    learning, weights = case(warm_up_ticks=0)
    learning.learn()
    before = weights.state()
    torch.manual_seed(0)
    replay = learning._replay
    frame = np.full_like(replay.sample(1, np.random.default_rng(0)).states[0], np.nan)
    replay.add_frame(1000, frame, first=True)
    replay.add_frame(1001, frame)
    for _ in range(50):
        replay.add_transition(1000, 0, reward=0.0, discount=0.0, next_tick=1001)
    for _ in range(30):
        learning.learn()
    assert learning.error.startswith("DivergenceError: the loss of an update is nan")
    assert learning.status().error == learning.error and learning.board.stopped
    assert all(np.isfinite(array).all() for array in weights.state().values())
    assert weights.version == len(learning.history()) >= int(before["version"])
    learning.close()


class Raising(DQN):
    def gradients(self, *arguments, **options):
        raise RuntimeError("the learner's own words")


def test_any_error_stops_it_with_its_traceback():
    learning, weights = case(Raising(), warm_up_ticks=0)
    learning.learn()
    assert "in gradients" in learning.error and "RuntimeError: the learner's own words" in learning.error
    learning.learn()
    assert weights.version == 0
    learning.close()


class Waiting(DQN):
    begun, on = threading.Event(), threading.Event()

    def gradients(self, *arguments, **options):
        self.begun.set()
        assert self.on.wait(30)
        return super().gradients(*arguments, **options)


def test_closing_waits_for_the_update_that_is_being_made():
    learning, weights = case(Waiting(batch_size=8), warm_up_ticks=0)
    updating = threading.Thread(target=learning.learn)
    updating.start()
    assert Waiting.begun.wait(30)
    closing = threading.Thread(target=learning.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    Waiting.on.set()
    closing.join(30)
    updating.join(30)
    assert not closing.is_alive() and learning.error is None
    assert weights.version == 0 == len(learning.history())  # closed before it could land
