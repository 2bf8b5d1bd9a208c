"""Measures the inference times of a policy on this machine, in a worker process as in a run."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

import gymnasium as gym

from hocket.core.cadence import NS_PER_S
from hocket.core.events import InferenceFinished, TrunkFinished
from hocket.core.rules import Sequential
from hocket.drivers.executors.base import ExecutorKind, RealtimeExecutor, WorkerJob, late_inputs
from hocket.drivers.realtime import as_executor_kind
from hocket.errors import PolicyError, check_whole
from hocket.latency.laws import Measured
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.spaces.checked_env import name_of
from hocket.spaces.codec import ActionCodec, check_spaces
from hocket.spaces.observation_check import ObservationCheck

WORKER = 0
LOOK_NS = NS_PER_S // 10


def measure(
    env: gym.Env[Any, Any], policy: PolicyFactory | Policy, *, count: int = 100, executor: ExecutorKind | None = None
) -> Measured:
    """Measure ``count`` inferences of ``policy`` on sampled observations of ``env``, one at a time.

    Of a policy with two stages only the trunk is timed, as in all latency laws. Several workers that share processors
    are slower; see `hocket.measure_agent`.

    Raises:
        ConfigurationError: if an option cannot work.
        PolicyError: if the policy cannot be built, raises or hangs, with its traceback.
    """
    check_whole("count", count, example=100)
    check_spaces(env)
    factory, space = as_factory(policy), env.observation_space
    codec = ActionCodec(env.action_space, factory.chunk_length)
    job = WorkerJob.under(factory, Sequential(), codec, space)
    running = as_executor_kind(executor, factory).executor(job, None)
    check = ObservationCheck(space, name_of(env))
    durations_s: list[float] = []
    try:
        running.launch()
        for number in range(count):
            observation = check(space.sample())
            began_ns = monotonic_ns()
            told = () if factory.head_s else late_inputs(factory, codec, observation)
            running.start(number, WORKER, (observation, *told), began_ns)
            finished = _finished(running)
            durations_s.append((finished.time_ns - began_ns) / NS_PER_S)
            if isinstance(finished, TrunkFinished):
                running.bind(number, WORKER, late_inputs(factory, codec, observation), monotonic_ns())
                _finished(running)
    finally:
        running.close()
    return Measured(tuple(durations_s))


def _finished(running: RealtimeExecutor) -> InferenceFinished | TrunkFinished:
    """Wait for the running stage; the executor ends one that hangs."""
    while True:
        running.wait(monotonic_ns() + LOOK_NS)
        for event, _, traceback in running.reports():
            if isinstance(event, InferenceFinished | TrunkFinished):
                return event
            raise PolicyError(f"the policy could not be timed:\n{traceback}")
