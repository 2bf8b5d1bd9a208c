"""`hocket bench outage`: a loop whose policy server is killed, stays dead for a while, and is started again.

The server is a process of its own, killed by SIGKILL; the loop is a `StaggeredAgent` with a safe state.
"""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic, perf_counter_ns, sleep
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

import hocket
from hocket.bench.remote import TOKEN, serve_policy, server_process
from hocket.core.cadence import NS_PER_S
from hocket.policies.failures import OnStale
from hocket.remote import WebSocketPolicy
from hocket.spaces.defaults import HoldThenStop

HZ, CHUNK_LENGTH, WORKERS = 50, 16, 2
INFERENCE_S = 0.1
OLDER_THAN_S = 0.5
QUIET_S = 3.0
SPACE = Box(-1, 1, (7,), np.float32)


def slow(observation: Any) -> NDArray[Any]:
    """A policy that waits, then answers with a chunk of one action again and again."""
    sleep(INFERENCE_S)
    return np.full((CHUNK_LENGTH, 7), 0.5, np.float32)


class _Servers(Thread):
    """Serves, kills the server after a quiet time, and starts another one at the same port after ``outage_s``."""

    def __init__(self, outage_s: float) -> None:
        super().__init__(name="hocket-bench-outage")
        self._outage_s = outage_s
        self.url = ""
        self.up = Event()
        self.killed_s = self.back_s = 0.0
        self.over = Event()

    def run(self) -> None:
        policy = hocket.FunctionPolicy(slow, CHUNK_LENGTH)
        try:
            with server_process(serve_policy, policy, WORKERS, killed=True) as self.url:
                self.up.set()
                sleep(QUIET_S)
                self.killed_s = monotonic()
            sleep(self._outage_s)
            with server_process(serve_policy, policy, WORKERS, int(self.url.rsplit(":", 1)[1])):
                self.back_s = monotonic()
                sleep(QUIET_S)
        finally:
            self.up.set()
            self.over.set()


def bench_outage(*, seconds: float) -> dict[str, Any]:
    """Calls of `act` that raised, the time until the safe state and until the recovery, and the time of a call.

    Args:
        seconds: for which no server runs; the next one takes a moment more to start.
    """
    servers = _Servers(seconds)
    servers.start()
    servers.up.wait()
    stale: list[tuple[float, float]] = []  # when it was called, the seconds since the last fresh action
    fresh_s: list[float] = []
    took: list[tuple[float, int]] = []
    failures: list[Exception] = []
    raised = 0
    policy = WebSocketPolicy(servers.url, token=TOKEN, chunk_length=CHUNK_LENGTH)
    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(WORKERS),
        hz=HZ,
        default=HoldThenStop(hold_s=OLDER_THAN_S, stop=np.zeros(7, np.float32)),
        observation_space=SPACE,
        action_space=SPACE,
        failures=hocket.FailureLimits(outage_s=seconds / 4),
        on_failure=failures.append,
        on_stale=OnStale(lambda idle_s: stale.append((monotonic(), idle_s)), OLDER_THAN_S),
    ) as agent:
        observation = np.zeros(7, np.float32)
        cycle, began_s = 0, monotonic()
        while not servers.over.is_set():
            now_s, now_ns = monotonic(), perf_counter_ns()
            try:
                agent.act(observation)
            except Exception:
                raised += 1
            took.append((now_s, perf_counter_ns() - now_ns))
            if agent.last.fresh:
                fresh_s.append(now_s)
            cycle += 1
            sleep(max(0.0, began_s + cycle / HZ - monotonic()))
        counts = agent.counts()
    servers.join()
    outage = [idle_s for at_s, idle_s in stale if at_s > servers.killed_s]
    quiet_ns = [ns for at_s, ns in took if at_s < servers.killed_s]
    outage_ns = [ns for at_s, ns in took if servers.killed_s <= at_s < servers.back_s]
    return {
        "outage_s": servers.back_s - servers.killed_s,
        "calls": len(took),
        "raised": raised,
        "told": len(failures),
        "older_than_s": OLDER_THAN_S,
        "safe_state_s": min(outage, default=float("nan")),
        "safe_state_calls": len(outage),
        "recovery_s": min((at_s for at_s in fresh_s if at_s > servers.back_s), default=float("nan")) - servers.back_s,
        "failed": counts["failed"],
        "act_p99_s": float(np.percentile(quiet_ns, 99)) / NS_PER_S,
        "act_outage_p99_s": float(np.percentile(outage_ns, 99)) / NS_PER_S,
    }
