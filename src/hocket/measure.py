"""How long a policy's inferences take here: measured in a worker process, as a run would have them."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.events import InferenceFinished
from hocket.core.rules import Sequential
from hocket.drivers.executors import Processes
from hocket.drivers.executors.base import ExecutorKind, Job
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import PolicyError
from hocket.latency import Empirical, LatencyModel
from hocket.policy import PolicyFactory
from hocket.spaces import ActionCodec

_PROCESSES = Processes()
PATIENCE_NS = 60_000_000_000


@dataclass(frozen=True)
class Measured(Empirical):
    """The inference times of the very policy that a run plays: what they are charged with is *true-size*."""


def measure(
    policy: PolicyFactory, env: gym.Env[Any, Any], *, count: int = 100, executor: ExecutorKind = _PROCESSES
) -> Measured:
    """The times of ``count`` inferences of ``policy`` on samples of ``env``'s observations, one at a time.

    Several workers that share processors are slower than that.

    Raises:
        PolicyError: if the policy cannot be built, or raises.
    """
    space = env.observation_space
    assert isinstance(space, gym.spaces.Box)
    codec = ActionCodec(env.action_space, policy.chunk_length)
    job = Job.under(Sequential(), policy, codec, space.shape, np.dtype(space.dtype))
    codes = (np.zeros(policy.pending, np.int64),) if policy.pending else ()
    running = executor.executor(job, None)
    took: list[float] = []
    try:
        running.launch()
        for number in range(count):
            began_ns = monotonic_ns()
            running.start(number, 0, (space.sample(), *codes), began_ns)
            answered = False
            while not answered:
                running.wait(began_ns + PATIENCE_NS)
                for report in running.reports():
                    if not isinstance(report.event, InferenceFinished):
                        raise PolicyError(f"the policy could not be timed:\n{report.traceback}")
                    took.append((report.event.time_ns - began_ns) / 1e9)
                    answered = True
    finally:
        running.close()
    return Measured(tuple(took))


def mode_of(clock: Virtual | Realtime, charge: LatencyModel | None = None) -> str:
    """What a run under ``clock`` is: *true-size* if its policy is charged with its own time, else *delay-only*.

    Args:
        clock: of the run.
        charge: on the wall clock, what its workers are charged with instead.
    """
    if isinstance(clock, Realtime):
        return "true-size, realtime" if charge is None else "delay-only, realtime"
    return "true-size, virtual" if isinstance(clock.latency, Measured) else "delay-only, virtual"
