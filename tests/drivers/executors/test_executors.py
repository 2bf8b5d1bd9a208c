"""An executor by itself, told what to do by the test."""

import threading
from dataclasses import dataclass
from time import monotonic, monotonic_ns

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from slow_policies import Sleeping, SlowBuild

import hocket
from hocket.core import events as e
from hocket.drivers.executors.base import WorkerJob
from hocket.errors import ConfigurationError
from hocket.policies.base import FunctionPolicy, PolicyFactory, Stages, TwoStage
from hocket.spaces.codec import ActionCodec

KINDS = {"threads": hocket.Threads, "processes": hocket.Processes}
both = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
realtime = pytest.mark.realtime
pytestmark = pytest.mark.usefixtures("nothing_left")


def job(policy, workers=2, most=None, chunk=1):
    return job_of(policy if not callable(policy) else FunctionPolicy(policy, chunk), workers, most, chunk)


def job_of(factory, workers=2, most=None, chunk=1):
    return WorkerJob(
        policy=factory,
        codec=ActionCodec(Discrete(1000), chunk),
        observation_shape=(2,),
        observation_dtype=np.dtype(np.int64),
        workers=workers,
        most_workers=most or workers,
    )


def gather(executor, count, seconds=10.0):
    """The next ``count`` reports."""
    reports, give_up = [], monotonic() + seconds
    while len(reports) < count and monotonic() < give_up:
        executor.wait(monotonic_ns() + 100_000_000)
        reports += executor.reports()
    assert len(reports) == count, reports
    return reports


@realtime
@both
def test_each_answer_belongs_to_its_observation(kind):
    executor = kind().executor(job(lambda o: [int(o[0]), int(o[1])], chunk=2), None)
    try:
        assert {r.event.worker for r in executor.launch()} == {0, 1}
        for round_ in range(20):
            for worker in (0, 1):
                executor.start(2 * round_ + worker, worker, (np.array([round_, worker]),), 0)
            before_ns = monotonic_ns()
            for report in gather(executor, 2):
                assert isinstance(report.event, e.InferenceFinished) and report.event.length == 2
                assert report.answer.tolist() == list(divmod(report.event.inference, 2))
                assert before_ns - 10**9 < report.event.time_ns <= monotonic_ns()
    finally:
        executor.close()


@realtime
@both
def test_the_observations_buffer_may_be_reused(kind):
    executor = kind().executor(job(lambda o: [Sleeping(0.1)(o), int(o[0])][1]), None)
    try:
        executor.launch()
        buffer = np.array([5, 0])
        executor.start(0, 0, (buffer,), 0)
        buffer[0] = 9
        assert gather(executor, 1)[0].answer.tolist() == [5]
    finally:
        executor.close()


@realtime
@both
def test_workers_come_and_go(kind):
    executor = kind().executor(job(Sleeping(0.001), workers=1, most=2), None)
    try:
        executor.launch()
        for worker in range(1, 14):  # more than there are slots
            executor.add_worker(0)
            (report,) = gather(executor, 1)
            assert report.event == e.WorkerJoined(report.event.time_ns, worker)
            executor.retire(worker)
        executor.start(0, 0, (np.zeros(2, np.int64),), 0)
        assert gather(executor, 1)[0].event.inference == 0  # the first one has not noticed
    finally:
        executor.close()


@realtime
@both
def test_waiting_ends_in_time_and_with_news(kind):
    executor = kind().executor(job(Sleeping(0.05), workers=1), None)
    try:
        executor.launch()
        began = monotonic_ns()
        executor.wait(began + 20_000_000)
        assert monotonic_ns() >= began + 20_000_000 and executor.reports() == []
        executor.wait(began)  # long past
        executor.start(0, 0, (np.zeros(2, np.int64),), 0)
        executor.wait(monotonic_ns() + 20 * 10**9)
        assert len(executor.reports()) == 1
        assert monotonic_ns() - began < 10 * 10**9
    finally:
        executor.close()


@realtime
@both
def test_no_report_is_lost_between_two_threads(kind):
    """As in `StaggeredAgent`: one thread waits while another takes reports."""
    executor = kind().executor(job(Sleeping(0.0), workers=2), None)
    executor.launch()
    lock, closing, got = threading.Lock(), threading.Event(), []

    def take():
        with lock:
            got.extend(report.event.inference for report in executor.reports())

    def serve():
        while not closing.is_set():
            executor.wait(monotonic_ns() + 5_000_000)
            take()

    servant = threading.Thread(target=serve)
    servant.start()
    try:
        for number in range(0, 400, 2):
            with lock:
                for worker in (0, 1):
                    executor.start(number + worker, worker, (np.zeros(2, np.int64),), 0)
            give_up = monotonic() + 5
            while len(got) < number + 2:
                take()
                assert monotonic() < give_up, f"{number}: {len(got)}"
    finally:
        closing.set()
        servant.join()
        executor.close()
    assert sorted(got) == list(range(400))


@realtime
@both
def test_close_is_idempotent_and_does_not_wait_for_a_policy(kind):
    executor = kind().executor(job(Sleeping(2.0)), None)
    executor.launch()
    executor.start(0, 0, (np.zeros(2, np.int64),), 0)
    began = monotonic()
    executor.close()
    executor.close()
    assert monotonic() - began < 1.8


@both
def test_an_executor_that_was_never_launched_closes(kind):
    executor = kind().executor(job(Sleeping(0.0)), None)
    executor.close()


@realtime
@both
def test_an_interrupt_during_launch_leaves_nothing(kind, monkeypatch):
    executor = kind().executor(job(SlowBuild(0.5), workers=3), None)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(executor, "_launch", lambda: [executor.add_worker(0), interrupted()])
    with pytest.raises(KeyboardInterrupt):
        executor.launch()


@pytest.mark.parametrize(
    "options", [{"nice": -1}, {"nice": 20}, {"nice": 1.5}, {"hang_s": 0}, {"hang_s": "1"}, {"start_s": -1}]
)
@both
def test_bad_options_are_refused(kind, options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        kind(**options)


@dataclass
class WarmedUp(PolicyFactory):
    """Its action is the number of arrays that it was warmed up with."""

    pending = 3
    head_s = 0.001
    newest = True

    def build(self):
        warm = []

        def head(features, *inputs):
            warm.append([(array.shape, array.any()) for array in inputs])
            return len(warm) + 10 * (warm[0] == [((3,), False), ((2,), False)])

        return Stages(lambda observation: observation, head)

    def warm_up(self, policy, *example):
        policy(*example)


@realtime
@both
def test_both_stages_warm_up(kind):
    executor = kind().executor(job_of(WarmedUp(), workers=1), None)
    try:
        executor.launch()
        for inference in (0, 1):
            executor.start(inference, 0, (np.zeros(2, np.int64),), 0)
            (trunk,) = gather(executor, 1)
            assert trunk.event == e.TrunkFinished(trunk.event.time_ns, inference) and trunk.answer is None
            executor.bind(inference, 0, (np.array([1, 2, 3]), np.zeros(2, np.int64)), 0)
            (head,) = gather(executor, 1)
            assert isinstance(head.event, e.InferenceFinished) and head.event.inference == inference
            assert head.answer.tolist() == [12 + inference]
    finally:
        executor.close()


@realtime
@both
def test_features_stay_with_their_worker_and_may_be_abandoned(kind):
    policy = TwoStage(lambda observation: int(observation[0]), lambda features: features)
    executor = kind().executor(job_of(policy), None)
    try:
        executor.launch()
        for worker in (0, 1):
            executor.start(worker, worker, (np.array([5 + worker, 0]),), 0)
        gather(executor, 2)
        executor.start(2, 0, (np.array([9, 0]),), 0)  # inference 0 is not wanted any more
        gather(executor, 1)
        for inference, worker in ((1, 1), (2, 0)):
            executor.bind(inference, worker, (), 0)
        answers = {report.event.inference: report.answer.tolist() for report in gather(executor, 2)}
        assert answers == {1: [6], 2: [9]}
    finally:
        executor.close()
