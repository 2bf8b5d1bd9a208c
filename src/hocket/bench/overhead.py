"""`hocket bench overhead`: a round trip of 28 KB to a process and its action back, beside the alternatives."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from time import monotonic_ns, perf_counter_ns
from typing import Any

import numpy as np

import hocket
from hocket.bench.rules import idle_policy
from hocket.core.cadence import NS_PER_S
from hocket.core.events import InferenceFinished
from hocket.drivers.executors.base import WorkerJob
from hocket.envs.null import NullEnv
from hocket.policies.base import as_factory
from hocket.spaces.codec import ActionCodec

OBSERVATION = np.zeros((4, 84, 84), np.uint8)
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


def _hocket(count: int) -> tuple[float, float]:
    """`hocket.Processes` as `hocket.run` uses it: start an inference, wait, take the report."""
    env = NullEnv(observation_shape=OBSERVATION.shape)
    codec, policy = ActionCodec(env.action_space, 1), as_factory(idle_policy)
    job = WorkerJob.under(policy, hocket.Sequential(), codec, OBSERVATION.shape, OBSERVATION.dtype)
    executor = hocket.Processes(nice=0).executor(job, None)
    try:
        (joined,) = executor.launch()
        assert joined.event is not None
        numbers = iter(range(count + WARM_UP))

        def round_trip() -> None:
            executor.start(next(numbers), 0, (OBSERVATION,), 0)
            while True:
                executor.wait(monotonic_ns() + TIMEOUT_NS)
                for report in executor.reports():
                    assert isinstance(report.event, InferenceFinished)
                    return

        return _percentiles(round_trip, count)
    finally:
        executor.close()


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
