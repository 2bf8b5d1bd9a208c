"""Measures a policy on this machine: inference times by the number of concurrent inferences, processors, memory.

Busy workers slow each other and the tick loop where they share processors. So each number of workers is measured
separately, with all of them inferring without pause, in worker processes as in a run.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, monotonic_ns, perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.analysis.forecast import Agent
from hocket.core.cadence import NS_PER_S
from hocket.core.events import InferenceFinished, TrunkFinished
from hocket.core.rules import Unstaggered
from hocket.drivers.executors import Processes
from hocket.drivers.executors.base import RealtimeExecutor, WorkerJob, late_inputs
from hocket.errors import ConfigurationError, PolicyError
from hocket.latency.contention import Crowded
from hocket.latency.laws import Empirical
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.policies.bfloat16 import computes_bfloat16
from hocket.policies.torch_policy import TorchPolicy
from hocket.spaces.checked_env import name_of
from hocket.spaces.codec import ActionCodec, check_spaces
from hocket.spaces.observation_check import ObservationCheck

PATIENCE_S = 60.0
STEPS = 200
"""Steps of the environment that are timed."""


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_crowds(threads: int = 1) -> tuple[int, ...]:
    """Powers of two up to the number of processors per worker, that number itself, and one more."""
    room = max(1, processors() // threads)
    return tuple(sorted({1, 2, room, room + 1} | {2**k for k in range(room.bit_length())}))


def measure_agent(
    env: gym.Env[Any, Any],
    policy: PolicyFactory | Policy,
    *,
    crowds: Sequence[int] | None = None,
    count: int = 60,
    limit_s: float = 3.0,
    name: str = "",
) -> Agent:
    """Measure the inference times of ``policy`` on sampled observations of ``env``, and the step time of ``env``.

    Args:
        crowds: the numbers of workers that infer at once. If None, 1, the number that the processors allow, and more.
        count: inferences for each number of workers.
        limit_s: seconds for each number of workers; may reduce ``count``, down to two inferences of each worker.
        name: the agent's name in tables.

    Returns:
        An agent with a `Crowded` law. Its times count from a tick's deadline, so they include the environment's step.

    Raises:
        PolicyError: if the policy cannot be built, or raises.
        ConfigurationError: if the policy does not fit ``env``, or ``crowds`` lacks 1.
    """
    check_spaces(env)
    factory = as_factory(policy)
    numbers = tuple(sorted(set(crowds or default_crowds(getattr(factory, "threads", 1)))))
    if numbers[0] != 1:
        raise ConfigurationError(f"crowds={crowds!r} must contain 1 and otherwise larger numbers; try (1, 2, 4)")
    step_s = _step_seconds(env)
    check = ObservationCheck(env.observation_space, name_of(env))
    codec = ActionCodec(env.action_space, factory.chunk_length)
    rule = Unstaggered(numbers[-1])
    job = WorkerJob.under(factory, rule, codec, check.space)
    before = {child.pid for child in multiprocessing.active_children()}
    running = Processes().executor(job, None)
    try:
        running.launch()
        workers = [child for child in multiprocessing.active_children() if child.pid not in before]
        bench = _Bench(running, factory, check, codec)
        laws = {}
        busy_cores = float("nan")
        for number in numbers:
            cpu_s, began = _cpu_seconds(workers), monotonic()
            durations_s = bench.measure(number, count, limit_s)
            if number == 1:
                busy_cores = (_cpu_seconds(workers) - cpu_s) / (monotonic() - began)
            laws[number] = Empirical(tuple(duration_s + step_s for duration_s in durations_s))
        own_bytes = max((_own_bytes(child.pid) for child in workers), default=0)
    finally:
        running.close()
    return Agent(
        latency=Crowded(laws),
        chunk_length=factory.chunk_length,
        alignment=factory.alignment,
        head_s=factory.head_s,
        cores_each=busy_cores if np.isfinite(busy_cores) else 1.0,
        worker_bytes=own_bytes or None,
        name=name,
        policy=factory,
    )


@dataclass
class _Bench:
    """Lets some of the workers infer without pause, and times them."""

    running: RealtimeExecutor
    policy: PolicyFactory
    check: ObservationCheck
    codec: ActionCodec
    inference: int = 0
    began_ns: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By inference: its worker and its start."""

    def measure(self, workers: int, count: int, seconds: float) -> list[float]:
        """The seconds of about ``count`` inferences while ``workers`` workers infer at once."""
        durations_s: list[float] = []
        finished = dict.fromkeys(range(workers), 0)
        until = monotonic() + seconds
        for worker in finished:
            self._start(worker)
        silent_since = monotonic()
        while self.began_ns:
            self.running.wait(monotonic_ns() + NS_PER_S)
            for report in self.running.reports():
                silent_since = monotonic()
                event = report.event
                if isinstance(event, TrunkFinished):
                    worker, began_ns = self.began_ns[event.inference]
                    durations_s.append((event.time_ns - began_ns) / NS_PER_S)
                    self._bind(event.inference, worker)
                elif isinstance(event, InferenceFinished):
                    worker, began_ns = self.began_ns.pop(event.inference)
                    if not self.policy.head_s:
                        durations_s.append((event.time_ns - began_ns) / NS_PER_S)
                    finished[worker] += 1
                    enough = len(durations_s) >= count or monotonic() > until
                    if not (enough and min(finished.values()) >= 2):
                        self._start(worker)
                else:
                    raise PolicyError(f"the policy could not be timed:\n{report.traceback}")
            if monotonic() - silent_since > PATIENCE_S:
                raise PolicyError(f"the policy could not be timed: no answer in {PATIENCE_S:g} s")
        return durations_s

    def _observation(self) -> Any:
        return self.check(self.check.space.sample())

    def _start(self, worker: int) -> None:
        observation = self._observation()
        inputs = (observation, *(() if self.policy.head_s else late_inputs(self.policy, self.codec, observation)))
        began_ns = monotonic_ns()
        self.began_ns[self.inference] = worker, began_ns
        self.running.start(self.inference, worker, inputs, began_ns)
        self.inference += 1

    def _bind(self, inference: int, worker: int) -> None:
        self.running.bind(inference, worker, late_inputs(self.policy, self.codec, self._observation()), monotonic_ns())


def variants(policy: PolicyFactory | Policy) -> list[tuple[str, PolicyFactory]]:
    """Ways to run ``policy``, with names: a `TorchPolicy` on the CPU varies in threads per worker and in bfloat16."""
    factory = as_factory(policy)
    if not (isinstance(factory, TorchPolicy) and factory.device == "cpu"):
        return [("", factory)]
    threads = sorted({1, factory.threads, *(n for n in (2, 4, 8) if n <= processors())})
    kinds = sorted({False, factory.bfloat16, computes_bfloat16() is True})
    return [
        (f"{n} thread{'s' if n > 1 else ''}{', bfloat16' if half else ''}", replace(factory, threads=n, bfloat16=half))
        for half in kinds
        for n in threads
    ]


def _step_seconds(env: gym.Env[Any, Any]) -> float:
    """The median duration of a step with random actions."""
    env.reset(seed=0)
    durations_s = []
    for _ in range(STEPS):
        action = env.action_space.sample()
        began = perf_counter()
        _, _, terminated, truncated, _ = env.step(action)
        durations_s.append(perf_counter() - began)
        if terminated or truncated:
            env.reset()
    return float(np.median(durations_s))


def _cpu_seconds(children: Sequence[Any]) -> float:
    """The processor time of processes with all their threads; NaN where the system does not report it."""
    total = 0.0
    try:
        for child in children:
            fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return float("nan")
    return total if children else float("nan")


def _own_bytes(pid: int | None) -> int:
    """The memory that a process does not share; 0 where the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
