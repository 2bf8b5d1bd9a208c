"""An executor alone, driven by the test."""

import os
import threading
from dataclasses import dataclass
from time import monotonic, monotonic_ns, sleep

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from slow_policies import Sleeping, SlowBuild, Trouble, forbidden, serve_where_nice_is_forbidden

import hocket
from hocket.core import events as e
from hocket.drivers.executors import processes
from hocket.drivers.executors.base import WorkerJob
from hocket.errors import ConfigurationError
from hocket.policies.base import FunctionPolicy, PolicyFactory, Stages
from hocket.policies.cancellation import cancelled
from hocket.spaces.codec import ActionCodec
from hocket.testing import check_executor

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
        observation_space=Box(-99, 99, (2,), np.int64),
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
def test_it_conforms(kind):
    check_executor(kind())


@realtime
@both
def test_no_report_is_lost_between_two_threads(kind):
    """One thread waits while another takes reports, as in `StaggeredAgent`."""
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
@pytest.mark.parametrize("ends", ["closed", "hung"])
def test_a_thread_whose_policy_looks_does_not_outlive_its_worker(ends):
    """Such as one that waits for a server."""
    begun, stopped = threading.Event(), threading.Event()

    def policy(observation):
        begun.set()
        while not cancelled():
            sleep(0.005)
        stopped.set()

    executor = hocket.Threads(hang_s=0.05 if ends == "hung" else 30.0).executor(job(policy, workers=1), None)
    executor.launch()
    executor.start(0, 0, (np.zeros(2, np.int64),), 0)
    assert begun.wait(10)
    if ends == "hung":
        assert isinstance(gather(executor, 1)[0].event, e.WorkerLost)
    else:
        executor.close()
    assert stopped.wait(10)
    executor.close()


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

    monkeypatch.setattr(executor, "_launch", lambda on_joined: [executor.add_worker(0), interrupted()])
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
    """Answers the number of arrays that it was warmed up with."""

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
def test_workers_that_may_not_lower_their_priority_work_with_one_warning(kind, monkeypatch):
    monkeypatch.setattr(processes, "serve", serve_where_nice_is_forbidden)
    monkeypatch.setattr(os, "nice", forbidden)
    executor = kind().executor(job(Sleeping(0.001), workers=3), None)
    try:
        with pytest.warns(
            RuntimeWarning, match=r"than the tick loop.*denies a lower priority.*not permitted"
        ) as warned:
            assert len(executor.launch()) == 3
        assert len(warned) == 1
        executor.start(0, 0, (np.zeros(2, np.int64),), monotonic_ns())
        (report,) = gather(executor, 1)
        assert report.answer.tolist() == [1]
    finally:
        executor.close()


@realtime
def test_lost_workers_come_back_after_pauses_that_grow(monkeypatch):
    """One worker that ends at each call is replaced at once, then after 0.1 s and 0.2 s."""
    executor = hocket.Processes().executor(job(Trouble("exits"), workers=1), None)
    ordered = []
    order = executor._supervisor.order

    def ordering(worker, pause_s):
        ordered.append(pause_s)
        order(worker, pause_s)

    monkeypatch.setattr(executor._supervisor, "order", ordering)
    try:
        executor.launch()
        for inference in range(3):
            executor.start(inference, inference, (np.zeros(2, np.int64),), monotonic_ns())
            (lost,) = gather(executor, 1)
            assert type(lost.event) is e.WorkerLost
            executor.add_worker(monotonic_ns())
            (joined,) = gather(executor, 1)
            assert type(joined.event) is e.WorkerJoined
        assert ordered == pytest.approx([0, 0, 0.1, 0.2])
    finally:
        executor.close()


@dataclass
class Environment(PolicyFactory):
    """Answers the number that an environment variable has where the policy is built."""

    def build(self):
        number = int(os.environ["HOCKET_TEST_NUMBER"])
        return lambda observation: number


@realtime
@both
def test_a_second_runs_workers_see_the_current_environment_variables(kind, monkeypatch, null_run):
    for number in (1, 0):
        monkeypatch.setenv("HOCKET_TEST_NUMBER", str(number))
        result = null_run(hocket.TickDispatch(1), hocket.Realtime(hz=50, executor=kind()), 20, Environment())
        ticks = result.metrics().ticks
        answers = [int(a) for a, i in zip(result.record.actions, ticks.inference, strict=True) if i >= 0]
        assert len(answers) >= 10 and set(answers) == {number}
