"""`hocket bench overhead`: an observation to a worker and its action back, beside the alternatives.

28 KB to a process beside the standard library's ways; a robot's dict of cameras and joints beside one array of as many
bytes.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic_ns, perf_counter_ns
from typing import Any

import numpy as np
from gymnasium import spaces

import hocket
from hocket.bench.rules import idle_policy
from hocket.core.cadence import NS_PER_S
from hocket.core.events import InferenceFinished
from hocket.drivers.executors.base import ExecutorKind, WorkerJob
from hocket.policies.base import as_factory
from hocket.spaces.codec import ActionCodec
from hocket.spaces.observation_check import ObservationCheck
from hocket.spaces.observations import copied, stored

OBSERVATION = np.zeros((4, 84, 84), np.uint8)
CAMERA = spaces.Box(0, 255, (224, 224, 3), np.uint8)
ROBOT = spaces.Dict(wrist=CAMERA, top=CAMERA, joints=spaces.Box(-4, 4, (7,), np.float32))
ARRAY = spaces.Box(0, 255, (2 * CAMERA.sample().nbytes + 7 * 4,), np.uint8)
"""One array of as many bytes."""
BLOCK = 50
"""Round trips of one kind before those of the other."""
WARM_UP = 200
TIMEOUT_NS = 10 * NS_PER_S


def _percentiles(call: Callable[[], object], count: int) -> tuple[float, float]:
    """Median and 99th percentile of ``count`` calls, in seconds."""
    for _ in range(WARM_UP):
        call()
    took = np.empty(count)
    for i in range(count):
        began = perf_counter_ns()
        call()
        took[i] = perf_counter_ns() - began
    p50, p99 = np.percentile(took, (50, 99)) / NS_PER_S
    return float(p50), float(p99)


@contextmanager
def _worker(kind: ExecutorKind, space: spaces.Space[Any]) -> Iterator[Callable[[Any], None]]:
    """A function for round trips to a worker as `hocket.run` makes them: start an inference, wait, take the report."""
    codec, policy = ActionCodec(spaces.Discrete(2)), as_factory(idle_policy)
    executor = kind.executor(WorkerJob.under(policy, hocket.Sequential(), codec, space), None)
    numbers = itertools.count()

    def round_trip(observation: Any) -> None:
        executor.start(next(numbers), 0, (observation,), 0)
        while True:
            executor.wait(monotonic_ns() + TIMEOUT_NS)
            for report in executor.reports():
                assert isinstance(report.event, InferenceFinished)
                return

    try:
        executor.launch()
        yield round_trip
    finally:
        executor.close()


def _hocket(count: int) -> tuple[float, float]:
    """Round trips to a process."""
    space = spaces.Box(0, 255, OBSERVATION.shape, np.uint8)
    with _worker(hocket.Processes(nice=0), space) as round_trip:
        return _percentiles(lambda: round_trip(OBSERVATION), count)


def _serve_queue(requests: Any, replies: Any) -> None:
    while requests.get() is not None:
        replies.put(0)


def _serve_pipe(connection: Any) -> None:
    while connection.recv() is not None:
        connection.send(0)


def _serve_semaphore(go: Any, done: Any) -> None:
    while go.acquire():
        done.release()


def _with_process(target: Callable[..., None], args: tuple[Any, ...], call: Callable[[], object], count: int) -> float:
    process = multiprocessing.get_context("forkserver").Process(target=target, args=args, daemon=True)
    process.start()
    try:
        return _percentiles(call, count)[0]
    finally:
        process.kill()
        process.join()


def bench_overhead(*, count: int = 5000) -> dict[str, Any]:
    """Round trips one after another, ``count`` of each kind, inference excluded."""
    context = multiprocessing.get_context("forkserver")
    p50, p99 = _hocket(count)
    requests, replies = context.Queue(), context.Queue()

    def through_queue() -> None:
        requests.put(OBSERVATION)
        replies.get()

    queue_p50 = _with_process(_serve_queue, (requests, replies), through_queue, count)
    for queue in (requests, replies):
        queue.close()
        queue.cancel_join_thread()
    here, there = context.Pipe()

    def through_pipe() -> None:
        here.send(OBSERVATION)
        here.recv()

    pipe_p50 = _with_process(_serve_pipe, (there,), through_pipe, count)
    go, done = context.Semaphore(0), context.Semaphore(0)

    def through_semaphore() -> None:
        go.release()
        done.acquire()

    semaphore_p50 = _with_process(_serve_semaphore, (go, done), through_semaphore, count)
    return {
        "p50_s": p50,
        "p99_s": p99,
        "queue_p50_s": queue_p50,
        "pipe_p50_s": pipe_p50,
        "semaphore_p50_s": semaphore_p50,
    }


def bench_robot(*, count: int = 3000) -> dict[str, Any]:
    """Observations of a robot and arrays of as many bytes by turns: the check, hocket's copy, and the round trip.

    The ratio is the median of those of neighbouring blocks, as other programs slow a machine down for longer than that.
    """
    figures: dict[str, Any] = {"bytes": ARRAY.shape[0]}
    for name, kind in (("processes", hocket.Processes(nice=0)), ("threads", hocket.Threads(nice=0))):
        with _worker(kind, ROBOT) as to_robot, _worker(kind, ARRAY) as to_array:
            calls = (_passing(ROBOT, to_robot), _passing(ARRAY, to_array))
            blocks = np.array([[_median_s(call) for call in calls] for _ in range(-(-count // BLOCK))])
        figures[f"{name}_dict_p50_s"], figures[f"{name}_box_p50_s"] = np.median(blocks, axis=0).tolist()
        figures[f"{name}_ratio"] = float(np.median(blocks[:, 0] / blocks[:, 1]))
    return figures


def _passing(space: spaces.Space[Any], round_trip: Callable[[Any], None]) -> Callable[[], None]:
    check = ObservationCheck(space, "the benchmark")
    observation = space.sample()
    kept = copied(check(observation))

    def passing() -> None:
        round_trip(stored(check(observation), kept))

    for _ in range(WARM_UP):
        passing()
    return passing


def _median_s(call: Callable[[], None]) -> float:
    """The median of a block of calls, in seconds."""
    took = np.empty(BLOCK)
    for i in range(BLOCK):
        began = perf_counter_ns()
        call()
        took[i] = perf_counter_ns() - began
    return float(np.median(took)) / NS_PER_S
