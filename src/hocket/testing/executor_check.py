"""The conformance check of realtime executors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, monotonic_ns, sleep
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from numpy.typing import NDArray

from hocket.core import events as e
from hocket.core.cadence import NS_PER_S
from hocket.drivers.executors.base import ExecutorKind, RealtimeExecutor, Report, WorkerJob
from hocket.policies.base import FunctionPolicy, PolicyFactory, Stages
from hocket.policies.cancellation import sleep_until_cancelled
from hocket.spaces.codec import ActionCodec

PATIENCE_S = 20.0
LOOK_NS = 100_000_000
FAILS = 99
NUMBERS = Box(-FAILS, FAILS, (2,), np.int64)
PARTS = Dict(first=Box(-FAILS, FAILS, (1,), np.int64), second=Discrete(10))


@dataclass(frozen=True)
class Echo:
    """Answers an observation's two numbers, after ``wait_s``; raises if the first is 99."""

    wait_s: float = 0.0

    def __call__(self, observation: NDArray[Any]) -> list[int]:
        sleep(self.wait_s)
        if observation[0] == FAILS:
            raise RuntimeError("this observation cannot be answered")
        return [int(observation[0]), int(observation[1])]


@dataclass(frozen=True)
class Stoppable:
    """Answers an observation's two numbers after a sleep that ends when the inference is cancelled; 0 ends at once."""

    def __call__(self, observation: NDArray[Any]) -> list[int]:
        if observation[0]:
            sleep_until_cancelled(4 * PATIENCE_S)
        return [int(observation[0]), int(observation[1])]


def echo_parts(observation: dict[str, Any]) -> list[int]:
    """Answers the two parts of an observation, after 50 ms."""
    sleep(0.05)
    return [int(observation["first"][0]), observation["second"]]


class EchoStages(PolicyFactory):
    """A trunk that keeps an observation's first number, and a head that answers it."""

    head_s = 0.001

    def build(self) -> Stages:
        return Stages(lambda observation: int(observation[0]), lambda features: features)


def check_executor(kind: ExecutorKind) -> None:
    """Check that workers of ``kind`` can run policies under the realtime driver.

    Each inference must be reported once, with the answer to its own observation, an array or a dict, whatever becomes
    of its buffers afterwards; failures must be reported and leave the worker usable; workers must come and go; `wait`
    must end in time; features must stay with their worker; a cancelled inference must stop if its policy looks, and
    else run to its end; `close` must wait for no policy, and may be called twice.

    Args:
        kind: as given to ``hocket.Realtime(executor=...)``.

    Raises:
        AssertionError: that names the broken promise.
    """
    for check in (_answers, _buffers, _parts, _failures, _turnover, _waiting, _stages, _cancelling, _closing):
        try:
            check(kind)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error


@contextmanager
def _launched(
    kind: ExecutorKind,
    policy: PolicyFactory,
    *,
    chunk: int = 1,
    workers: int = 2,
    most: int = 2,
    space: Space[Any] = NUMBERS,
) -> Iterator[RealtimeExecutor]:
    job = WorkerJob(
        policy=policy,
        codec=ActionCodec(Discrete(1000), chunk),
        observation_space=space,
        workers=workers,
        most_workers=most,
    )
    executor = kind.executor(job, None)
    try:
        reports = executor.launch()
        joined = sorted(report.event.worker for report in reports if isinstance(report.event, e.WorkerJoined))
        expected = list(range(workers))
        assert joined == expected, f"`launch` reported the workers {joined} joined; {expected} were asked for"
        yield executor
    finally:
        executor.close()


def _gather(executor: RealtimeExecutor, count: int, what: str) -> list[Report]:
    """The next ``count`` reports, and a moment to see that no other follows."""
    reports: list[Report] = []
    give_up = monotonic() + PATIENCE_S
    while len(reports) < count and monotonic() < give_up:
        executor.wait(monotonic_ns() + LOOK_NS)
        reports += executor.reports()
    assert len(reports) >= count, f"{what}: {len(reports)} of {count} reports came in {PATIENCE_S} s: {reports}"
    assert len(reports) == count, f"{what}: more reports than inferences: {reports}"
    return reports


def _finished(report: Report, event: type[Any] = e.InferenceFinished) -> Any:
    assert type(report.event) is event, f"{event.__name__} was expected; the report is {report}"
    return report.event


def _answer(report: Report) -> list[int]:
    assert report.answer is not None, f"a finished inference without its answer: {report}"
    answer: list[int] = np.asarray(report.answer).ravel().tolist()
    return answer


def _observe(first: int, second: int = 0) -> tuple[NDArray[Any], ...]:
    return (np.array([first, second]),)


def _answers(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(), 2), chunk=2) as executor:
        for round_ in range(20):
            began_ns = monotonic_ns()
            for worker in (0, 1):
                executor.start(2 * round_ + worker, worker, _observe(round_, worker), began_ns)
            reports = _gather(executor, 2, f"inferences {2 * round_} and {2 * round_ + 1}")
            seen = sorted(_finished(report).inference for report in reports)
            assert seen == [2 * round_, 2 * round_ + 1], f"reported were inferences {seen} in round {round_}"
            for report in reports:
                event = _finished(report)
                expected = list(divmod(event.inference, 2))
                assert _answer(report) == expected, (
                    f"inference {event.inference} answered {_answer(report)}; its observation was {expected}"
                )
                assert event.length == 2, f"{event}: the answer has 2 steps"
                assert began_ns <= event.time_ns <= monotonic_ns(), f"{event}: it ran from {began_ns} ns on, until now"


def _buffers(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(0.1), 2), chunk=2) as executor:
        (buffer,) = inputs = _observe(5)
        executor.start(0, 0, inputs, monotonic_ns())
        buffer[0] = 9
        (report,) = _gather(executor, 1, "an inference whose buffer was reused")
        assert _answer(report) == [5, 0], f"`start` kept the caller's buffer: {_answer(report)} was written later"


def _parts(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(echo_parts, 2), chunk=2, workers=1, space=PARTS) as executor:
        observation: dict[str, Any] = {"first": np.array([5]), "second": 7}
        executor.start(0, 0, (observation,), monotonic_ns())
        observation["first"][0] = 9
        (report,) = _gather(executor, 1, "an observation of two parts")
        assert _answer(report) == [5, 7], f"the parts of an observation, 5 and 7, arrived as {_answer(report)}"


def _failures(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(), 2), chunk=2) as executor:
        executor.start(0, 0, _observe(FAILS), monotonic_ns())
        (report,) = _gather(executor, 1, "a policy that raises")
        event = _finished(report, e.InferenceFailed)
        assert event.inference == 0, f"the inference that failed is 0; reported was {event}"
        traceback = report.traceback or ""
        assert "cannot be answered" in traceback, f"the failure's traceback is lost: {report}"
        executor.start(1, 0, _observe(7), monotonic_ns())
        (report,) = _gather(executor, 1, "the worker after a failure")
        assert _answer(report) == [7, 0], f"after a failure the worker answers {report}"


def _turnover(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(), 2), chunk=2, workers=1) as executor:
        for worker in range(1, 14):  # more than there are places
            executor.add_worker(monotonic_ns())
            (report,) = _gather(executor, 1, "a worker that was added")
            event = _finished(report, e.WorkerJoined)
            assert event.worker == worker, f"workers are numbered in order: {worker} was due, and {event} came"
            executor.retire(worker)
        executor.start(0, 0, _observe(3), monotonic_ns())
        (report,) = _gather(executor, 1, "the first worker, after others came and went")
        assert _answer(report) == [3, 0]


def _waiting(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(0.05), 2), chunk=2) as executor:
        until_ns = monotonic_ns() + 20_000_000
        executor.wait(until_ns)
        assert monotonic_ns() >= until_ns, "`wait` ended early, and there was no report"
        early = executor.reports()
        assert early == [], f"reports without an inference: {early}"
        executor.wait(until_ns)  # long past
        began = monotonic()
        executor.start(0, 0, _observe(1), monotonic_ns())
        executor.wait(monotonic_ns() + int(PATIENCE_S * NS_PER_S))
        assert monotonic() - began < PATIENCE_S / 2, "`wait` slept through a report"
        count = len(executor.reports())
        assert count == 1, f"`wait` ended, and {count} reports were there; 1 is due"


def _stages(kind: ExecutorKind) -> None:
    with _launched(kind, EchoStages()) as executor:
        for worker in (0, 1):
            executor.start(worker, worker, _observe(5 + worker), monotonic_ns())
        for report in _gather(executor, 2, "two trunks"):
            _finished(report, e.TrunkFinished)
        executor.start(2, 0, _observe(9), monotonic_ns())  # inference 0 is abandoned
        _finished(_gather(executor, 1, "a trunk in place of an abandoned one")[0], e.TrunkFinished)
        for inference, worker in ((1, 1), (2, 0)):
            executor.bind(inference, worker, (), monotonic_ns())
        answers = {_finished(report).inference: _answer(report) for report in _gather(executor, 2, "two heads")}
        assert answers == {1: [6], 2: [9]}, f"heads answered {answers} on the features of 6 and 9"


def _cancelling(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Stoppable(), 2), chunk=2) as executor:
        executor.start(0, 0, _observe(1), monotonic_ns())
        executor.cancel(0, 0, monotonic_ns())
        event = _gather(executor, 1, "a cancelled inference of a policy that looks")[0].event
        assert isinstance(event, e.InferenceCancelled | e.InferenceFinished), f"a cancelled inference ended by {event}"
        assert event.inference == 0, f"inference 0 was cancelled; reported was {event}"
        executor.start(1, 0, _observe(0, 7), monotonic_ns())
        (report,) = _gather(executor, 1, "the worker after a cancelled inference")
        assert _answer(report) == [0, 7], f"after a cancelled inference the worker answers {report}"
    with _launched(kind, FunctionPolicy(Echo(0.1), 2), chunk=2) as executor:
        executor.start(0, 0, _observe(4), monotonic_ns())
        sleep(0.02)
        executor.cancel(0, 0, monotonic_ns())
        event = _finished(_gather(executor, 1, "a cancelled inference of a policy that does not look")[0])
        assert event.inference == 0, f"inference 0 ran to its end; reported was {event}"


def _closing(kind: ExecutorKind) -> None:
    with _launched(kind, FunctionPolicy(Echo(3.0), 2), chunk=2) as executor:
        executor.start(0, 0, _observe(0), monotonic_ns())
        began = monotonic()
        executor.close()
        executor.close()
        took_s = monotonic() - began
        assert took_s < 2.5, f"`close` took {took_s:.1f} s: it waited for a policy"
