"""`check_executor` finds each kind of broken executor, and names the fault."""

import time
from dataclasses import dataclass, replace

import pytest

import hocket
from hocket.core import InferenceFailed, InferenceFinished, WorkerJoined
from hocket.drivers import ExecutorKind
from hocket.drivers.executors.threads import ThreadExecutor
from hocket.testing import check_executor, executor_check

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("impatient")]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(executor_check, "PATIENCE_S", 1.0)


class Loses(ThreadExecutor):
    """Every fifth finished inference is not reported."""

    count = 0

    def reports(self):
        kept = []
        for report in super().reports():
            self.count += isinstance(report.event, InferenceFinished)
            if not (isinstance(report.event, InferenceFinished) and self.count % 5 == 0):
                kept.append(report)
        return kept


class Repeats(ThreadExecutor):
    """Reports each inference twice."""

    def reports(self):
        return [report for report in super().reports() for _ in range(2)]


class Swaps(ThreadExecutor):
    """Gives each inference the number of the other one of its round."""

    def reports(self):
        return [
            report._replace(event=replace(report.event, inference=report.event.inference ^ 1))
            if isinstance(report.event, InferenceFinished)
            else report
            for report in super().reports()
        ]


class KeepsBuffers(ThreadExecutor):
    """Reads the observation only when the worker starts on it."""

    def start(self, inference, worker, inputs, now_ns):
        self._busy[worker] = time.monotonic_ns()
        self._inboxes[worker].put((inference, False, inputs))


class SharesParts(ThreadExecutor):
    """Copies a dict, and not the arrays in it."""

    def start(self, inference, worker, inputs, now_ns):
        (observation,) = inputs
        if not isinstance(observation, dict):
            super().start(inference, worker, inputs, now_ns)
            return
        self._busy[worker] = time.monotonic_ns()
        self._inboxes[worker].put((inference, False, (dict(observation),)))


class Swallows(ThreadExecutor):
    """Reports no failures."""

    def reports(self):
        return [report for report in super().reports() if not isinstance(report.event, InferenceFailed)]


class Mute(ThreadExecutor):
    """Loses the tracebacks of failures."""

    def reports(self):
        return [report._replace(traceback=None) for report in super().reports()]


class Renumbers(ThreadExecutor):
    """Counts workers from 10 once the run has begun."""

    def reports(self):
        return [
            report._replace(event=replace(report.event, worker=report.event.worker + 10))
            if isinstance(report.event, WorkerJoined)
            else report
            for report in super().reports()
        ]


class Hasty(ThreadExecutor):
    def wait(self, until_ns):
        time.sleep(0.0005)


class Oversleeps(ThreadExecutor):
    """Always sleeps until the end."""

    def wait(self, until_ns):
        time.sleep(max(0, until_ns - time.monotonic_ns()) / 1e9)


class Patient(ThreadExecutor):
    """Closes when the last policy has answered."""

    def close(self):
        while self._busy:
            self.wait(time.monotonic_ns() + 10**8)
            self.reports()
        super().close()


class Premature(ThreadExecutor):
    """Reports times that have not come."""

    def reports(self):
        return [
            report._replace(event=replace(report.event, time_ns=report.event.time_ns + 10**12))
            for report in super().reports()
        ]


class Forgets(ThreadExecutor):
    """Binds every head to the features of worker 0's last trunk."""

    def bind(self, inference, worker, inputs, now_ns):
        super().bind(inference, 0, inputs, now_ns)


@dataclass(frozen=True, kw_only=True)
class Kind(ExecutorKind):
    executor_class: type[ThreadExecutor]

    def executor(self, job, learn):
        return self.executor_class(hocket.Threads(), job, learn)


def test_an_executor_that_keeps_the_promises_passes():
    check_executor(Kind(executor_class=ThreadExecutor))


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (Loses, r"inferences \d+ and \d+: 1 of 2 reports came"),
        (Repeats, r"more reports than inferences|reported were inferences \[(0, 0|1, 1)\] in round 0"),
        (Swaps, r"inference \d+ answered \[\d+, \d\]; its observation was \[\d+, \d\]"),
        (KeepsBuffers, r"`start` kept the caller's buffer: \[9, 0\]"),
        (SharesParts, r"the parts of an observation, 5 and 7, arrived as \[9, 7\]"),
        (Swallows, r"a policy that raises: 0 of 1 reports came"),
        (Mute, r"the failure's traceback is lost"),
        (Renumbers, r"workers are numbered in order: 1 was due"),
        (Hasty, r"`wait` ended early"),
        (Oversleeps, r"`wait` slept through a report"),
        (Patient, r"`close` took 3\.\d s: it waited for a policy"),
        (Premature, r"it ran from \d+ ns on, until now"),
        (Forgets, r"heads answered|more reports|reports came"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_executor_is_found(executor, message):
    with pytest.raises(AssertionError, match=message):
        check_executor(Kind(executor_class=executor))
