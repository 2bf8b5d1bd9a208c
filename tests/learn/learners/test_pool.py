import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tabular
import torch
from initial_imports import imported_in_a_child, new_fork_server
from leftover_processes import alive, descendants, eventually, named_memory, workers_below, workers_of_ours
from sharing import Broken, Deadly, Endless, HangsOnce, Recovering, Unmade, table, tabular_replay

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.learners import process
from hocket.learn.learners.pace import Pace
from hocket.learn.learners.pool import LearnerProcesses
from hocket.learn.weights.shared_weights import SharedWeights, WeightsReader
from hocket.policies.failures import FailureLimits

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]

CALM = DQN(learning_rate=0.03, adam_epsilon=0.01, target_ticks=20)
"""With Adam's usual epsilon stale gradients keep the values circling by about the learning rate times ten."""
ALWAYS = Pace(update_every_ticks=None, warm_up_ticks=0)


class Case:
    """Learners of the tabular problem, and their shared memory."""

    def __init__(self, count, algorithm=CALM, *, shared=False, pace=ALWAYS, replay=None, **options):
        self.weights, self.pace = SharedWeights(table(), shared=shared), pace
        self.replay = replay if replay is not None else tabular_replay(alpha=algorithm.alpha)
        self.learners = LearnerProcesses(
            count,
            algorithm=algorithm,
            network=table(),
            weights=self.weights,
            replay=self.replay,
            pace=pace,
            **options,
        )

    def reach(self, updates, seconds=60.0):
        def done():
            if self.pace is ALWAYS:
                self.learners.board.tick = self.learners.log.updates  # about one update a tick
            return self.learners.log.updates >= updates or self.learners.error

        assert eventually(done, seconds), self.learners.status()
        assert self.learners.error is None, self.learners.error

    def values(self):
        acting = table()
        WeightsReader(self.weights).refresh(acting)
        return acting(torch.eye(tabular.STATES)).detach().numpy()


def test_learners_begin_with_all_that_takes_seconds_to_import():
    with new_fork_server(), Case(1).learners:
        assert {"torch", "torch._dynamo", process.__name__} <= imported_in_a_child()


@pytest.mark.parametrize("shared", [False, True])
def test_two_learn_the_exact_values(shared):
    case = Case(2, shared=shared)
    with case.learners as learners:
        case.reach(2000)
    assert case.values() == pytest.approx(tabular.exact_values(), abs=1e-3)
    history = learners.history()
    assert len(history) == learners.log.updates == case.weights.version
    assert set(history["learner"]) == {0, 1}
    staleness = history["staleness"]
    assert staleness.min() == 0 and 1 <= staleness.max() == learners.status().most_stale
    assert np.isfinite(history["loss"]).all() and (history["seconds"] > 0).all()
    assert history["loss"][-100:].mean() == pytest.approx(learners.status().loss)
    assert history["loss"][-100:].mean() < history["loss"][:20].mean() / 10


def test_with_priorities():
    case = Case(2, replace(CALM, alpha=0.5))
    with case.learners:
        case.reach(2500)
    assert case.values() == pytest.approx(tabular.exact_values(), abs=1e-3)
    assert case.replay.snapshot()["largest_priority"] > 1


def test_one_is_never_stale():
    case = Case(1)
    with case.learners as learners:
        case.reach(300)
    assert learners.status().most_stale == 0 == learners.history()["staleness"].max()


@pytest.mark.parametrize("count", [1, 2])
def test_exactly_the_updates_that_are_due(count):
    case = Case(count, pace=Pace(update_every_ticks=4, warm_up_ticks=100))

    def settled():
        time.sleep(0.1)  # fifty times the sleep of learners
        return learners.log.updates

    with case.learners as learners:
        assert eventually(lambda: learners.status().learners == count, 30)
        learners.board.tick = 99
        assert settled() == 0 == learners.status().behind
        for tick, due in ((100, 1), (103, 1), (104, 2), (139, 10), (500, 101), (501, 101)):
            learners.board.tick = tick
            case.reach(due)
            assert settled() == due
    assert learners.log.updates == 101
    history = learners.history()
    number = np.arange(101)
    assert (history["tick"] >= 100 + 4 * number).all(), "an update came before its time"


def test_they_wait_for_the_first_transition():
    case = Case(1, replay=tabular_replay([]))
    with case.learners as learners:
        assert eventually(lambda: learners.status().learners == 1, 30)
        time.sleep(0.1)
        assert learners.log.updates == 0
        frame = np.eye(tabular.STATES, dtype=np.float32)[0]
        for tick in range(2):
            case.replay.add_frame(tick, frame)
        case.replay.add_transition(0, 0, reward=1.0, discount=0.0, next_tick=1)
        case.reach(10)


def test_learners_killed_from_outside_are_replaced():
    case = Case(2)
    with case.learners as learners:
        for _ in range(3):
            case.reach(learners.log.updates + 50)
            victim = min(workers_of_ours())
            os.kill(victim, signal.SIGKILL)
            assert eventually(lambda victim=victim: not alive(victim))
        case.reach(learners.log.updates + 50)
        assert eventually(lambda: learners.status().learners == 2)
    assert len(learners.failures) == 3 and all("exit code -9" in text for text in learners.failures)
    assert learners.error is None


def test_one_killed_in_the_middle_of_writing(tmp_path):
    """Its half-written weights, with NaN, never become a version; no update is lost or counted twice."""
    algorithm = Deadly(learning_rate=0.03, adam_epsilon=0.01, target_ticks=20, flag=str(tmp_path / "dead"))
    case = Case(2, algorithm, pace=Pace(update_every_ticks=1, warm_up_ticks=1))
    with case.learners as learners:
        for tick in range(20, 2001, 20):
            learners.board.tick = tick
            case.reach(tick)
        time.sleep(0.1)
        assert learners.log.updates == 2000
    assert len(learners.failures) == 1 and "exit code -9" in learners.failures[0]
    assert case.values() == pytest.approx(tabular.exact_values(), abs=1e-3)
    assert len(learners.history()) == 2000


def test_one_that_hangs_is_replaced(tmp_path):
    case = Case(1, HangsOnce(flag=str(tmp_path / "hung")), hang_s=2.0, pace=Pace(update_every_ticks=1, warm_up_ticks=1))
    with case.learners as learners:
        learners.board.tick = 20
        case.reach(20)
    assert learners.failures == ("learner 0 hung: no update within hang_s=2.0 s",)
    assert case.weights.version == 20


def test_learners_that_always_fail_stop_with_their_own_words():
    case = Case(2, Broken(), limits=FailureLimits(outage_s=0, rounds=2))
    with case.learners as learners:
        assert eventually(lambda: learners.error, 30)
        assert "4 learners failed in a row" in learners.error
        assert "in loss" in learners.error and "RuntimeError: the learner's own words" in learners.error
        assert eventually(lambda: not workers_of_ours())
    assert len(learners.failures) <= 5  # the other may have been at its last
    assert case.weights.version == 0


def test_an_outage_is_survived(tmp_path):
    """A learner that fails in every update until the outage is over, in more rounds than the limit has."""
    flag = tmp_path / "over"
    case = Case(1, Recovering(flag=str(flag)), limits=FailureLimits(outage_s=60, rounds=3))
    with case.learners as learners:
        assert eventually(lambda: len(learners.failures) >= 5 or learners.error, 60)
        began = time.monotonic()
        assert eventually(lambda: len(learners.failures) >= 6 or learners.error, 60)
        assert time.monotonic() - began > 0.3  # the pauses are 0, 0.1, 0.2, 0.4 and 0.8 s
        flag.touch()
        case.reach(100)
        assert learners.error is None


def test_an_outage_without_end_ends_learning():
    case = Case(1, Broken(), limits=FailureLimits(outage_s=1.0, rounds=1))
    with case.learners as learners:
        assert eventually(lambda: learners.error, 60)
    assert 2 <= len(learners.failures) <= 6  # with pauses of 0, 0.1, 0.2, 0.4 and 0.8 s; without any, hundreds
    seconds = float(re.search("failed in a row within (.*) s,", learners.error)[1])
    assert seconds >= 1


def test_learners_that_never_come_up_stop_without_an_outage():
    case = Case(1, Unmade(), limits=FailureLimits(outage_s=60, rounds=2))
    with case.learners as learners:
        assert eventually(lambda: learners.error, 30)
    assert len(learners.failures) == 2 and "cannot be made" in learners.error


def test_a_divergence_stops_all_and_changes_nothing():
    """A NaN observation gets into the replay; both learners stop, the weights stay as they were before that update."""
    replay = tabular_replay(tabular.TRANSITIONS[3:4])
    case = Case(2, replay=replay)
    with case.learners as learners:
        case.reach(100)
        replay.add_frame(10, np.full(tabular.STATES, np.nan, np.float32), first=True)
        replay.add_frame(11, np.zeros(tabular.STATES, np.float32))
        replay.add_transition(10, 0, reward=0.0, discount=0.0, next_tick=11)
        assert eventually(lambda: learners.error)
        assert learners.error.startswith("DivergenceError: the loss of an update is nan; only finite ones")
        assert eventually(lambda: not workers_of_ours())
        assert learners.status().error == learners.error
        updates = learners.log.updates
        time.sleep(0.1)
        assert learners.log.updates == updates
    assert np.isfinite(learners.history()["loss"]).all()
    assert all(np.isfinite(array).all() for array in case.weights.state().values())
    assert case.values()[1, 1] == pytest.approx(-3, abs=1.5)


def test_it_can_be_closed_before_it_has_begun_and_twice():
    case = Case(2)
    case.learners.close()
    case = Case(2)
    case.learners.start()
    case.learners.close()
    case.learners.close()
    assert case.learners.status().updates == case.learners.log.updates


def test_a_gradient_without_end_is_cut_off(tmp_path):
    flag = tmp_path / "begun"
    case = Case(1, Endless(flag=str(flag)))
    with case.learners:
        assert eventually(flag.exists, 30)
    assert case.learners.error is None and case.weights.version == 0


def test_learning_resumes_where_it_was():
    case = Case(1, pace=Pace(update_every_ticks=1, warm_up_ticks=1))
    with case.learners as learners:
        learners.board.tick = 50
        case.reach(50)
    other = SharedWeights(table())
    other.restore(case.weights.state())
    again = LearnerProcesses(
        1,
        algorithm=CALM,
        network=table(),
        weights=other,
        replay=case.replay,
        pace=Pace(update_every_ticks=1, warm_up_ticks=1),
    )
    with again:
        again.board.tick = 80
        assert eventually(lambda: other.version >= 80, 30)
    assert again.log.updates == 30 == len(again.history())


def test_invalid_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="count=0"):
        Case(0)
    with pytest.raises(ConfigurationError, match="1000000 learner processes cannot be started here"):
        Case(1_000_000)
    with pytest.raises(ConfigurationError, match="nice=20"):
        Case(1, nice=20)
    with pytest.raises(ConfigurationError, match=r"hang_s=0.*try 300"):
        Case(1, hang_s=0)
    with pytest.raises(ConfigurationError, match=r"failures=5.*try hocket.FailureLimits"):
        Case(1, limits=5)
    weights = SharedWeights(table(dueling=True))
    with pytest.raises(ConfigurationError, match="do not fit"):
        LearnerProcesses(1, algorithm=CALM, network=table(), weights=weights, replay=tabular_replay(), pace=ALWAYS)


SCRIPT = """
import sys, time
sys.path[:0] = [{tests!r}]
import test_pool as tests
from sharing import Endless

{guard}
    case = tests.Case(2, Endless(flag={flag!r}))
    with case.learners as learners:
        while True:
            assert not learners.error, learners.error
            print("running", flush=True)
            time.sleep(0.1)
"""


def script(tmp_path, *, guard='if __name__ == "__main__":'):
    path = tmp_path / "script.py"
    flag = str(tmp_path / "begun")
    path.write_text(SCRIPT.format(tests=str(Path(__file__).parent), flag=flag, guard=guard))
    paths = os.pathsep.join(sys.path)
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )


def test_a_parent_killed_leaves_nothing(tmp_path):
    """Though every learner is in the middle of a gradient that never ends."""
    process = script(tmp_path)
    begun = tmp_path / "begun"
    while line := process.stdout.readline():
        if begun.exists():
            break
    assert line, process.communicate(timeout=10)[1]
    assert eventually(lambda: len(workers_below(process.pid)) == 2)
    below, memory = descendants(process.pid), named_memory(process.pid)
    process.kill()
    process.communicate(timeout=20)
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    assert not any(map(os.path.exists, memory))


def test_without_the_main_guard(tmp_path):
    process = script(tmp_path, guard="if True:")
    _, error = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "guard it with: if __name__ == '__main__':" in error
