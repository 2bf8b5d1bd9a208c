"""`hocket bench jitter`: lateness and coverage of the tick loop with many workers, on the wall clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hocket
from hocket.drivers.executors.base import ExecutorKind
from hocket.envs.null import NullEnv


@dataclass(frozen=True)
class SleepingPolicy:
    """Answers after ``seconds`` without using a processor, as a policy on a server or an accelerator does."""

    seconds: float

    def __call__(self, observation: Any) -> int:
        time.sleep(self.seconds)
        return 0


def bench_jitter(
    *,
    hz: float,
    workers: int,
    latency: float,
    executor: ExecutorKind,
    seconds: float,
    instruments: Sequence[hocket.Instrument] = (),
) -> dict[str, Any]:
    """Run ``TickDispatch(workers)`` at ``hz`` with a policy of ``latency`` seconds, on an 84×84×4 environment.

    Coverage counts from the first tick that an inference can have served.
    """
    env = NullEnv(observation_shape=(4, 84, 84))
    clock = hocket.Realtime(hz=hz, executor=executor)
    ticks = max(1, round(seconds * hz))
    summary = hocket.run(
        env, SleepingPolicy(latency), hocket.TickDispatch(workers), clock, ticks=ticks, instruments=instruments
    ).summary()
    return {
        "coverage": summary.steady_coverage,
        "lateness_p50_s": summary.lateness_p50_s,
        "lateness_p99_s": summary.lateness_p99_s,
        "tick_loop_cpu_share": summary.tick_loop_cpu_share,
        "delay_mean": summary.delay_mean,
        "inference_mean_s": summary.inference_mean_s,
    }
