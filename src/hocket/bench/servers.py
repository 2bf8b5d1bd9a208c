"""`hocket bench servers`: a run against three policy servers, one of which is killed every few seconds and comes back.

The servers are processes of the lowest priority: they stand for other machines, so that the start of one does not take
the loop's processor. A quiet run comes first, with the same servers.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from itertools import cycle
from threading import Event, Thread
from time import sleep
from typing import Any

import hocket
from hocket.bench.remote import TOKEN, serve_policy, server_process
from hocket.envs.null import NullEnv
from hocket.remote import WebSocketPolicy
from hocket.results.summary import Summary

SERVERS, WORKERS = 3, 6
HZ, INFERENCE_S = 50, 0.06
SHAPE = (224, 224, 3)
KILL_EVERY_S = 5.0
LONGEST_OUTAGE_S = 60.0
NICE = 19


def slow(observation: Any) -> int:
    """A policy that waits."""
    sleep(INFERENCE_S)
    return 1


def _serve(starter: Any, port: int = 0) -> None:
    os.nice(NICE)
    serve_policy(starter, slow, WORKERS, port)


class _Killer(Thread):
    """Kills the servers in turn, and starts the next one at the same port."""

    def __init__(self, urls: list[str], servers: list[ExitStack]) -> None:
        super().__init__(name="hocket-bench-killer")
        self._urls, self._servers = urls, servers
        self.over = Event()
        self.kills = 0

    def run(self) -> None:
        for number in cycle(range(len(self._servers))):
            if self.over.wait(KILL_EVERY_S):
                return
            self._servers[number].close()
            self.kills += 1
            port = int(self._urls[number].rsplit(":", 1)[1])
            self._servers[number].enter_context(server_process(_serve, port, killed=True))


def bench_servers(*, seconds: float) -> dict[str, Any]:
    """Coverage, lateness and lost inferences of a quiet run, and of one whose servers are killed.

    Args:
        seconds: length of each.
    """
    threads = set(threading.enumerate())
    servers = [ExitStack() for _ in range(SERVERS)]
    with ExitStack() as all_servers:
        for server in servers:
            all_servers.callback(server.close)
        urls = [server.enter_context(server_process(_serve, killed=True)) for server in servers]
        quiet = _run(urls, seconds)
        killer = _Killer(urls, servers)
        killer.start()
        try:
            killed = _run(urls, seconds)
        finally:
            killer.over.set()
            killer.join()
        left = [thread.name for thread in threading.enumerate() if thread not in threads]
    return {
        "ticks": killed.ticks,
        "kills": killer.kills,
        "quiet_coverage": quiet.steady_coverage,
        "coverage": killed.steady_coverage,
        "failed": killed.outcomes.get("failed", 0),
        "quiet_lateness_p99_s": quiet.lateness_p99_s,
        "lateness_p99_s": killed.lateness_p99_s,
        "lateness_ratio": killed.lateness_p99_s / quiet.lateness_p99_s,
        "threads_left": left,
    }


def _run(urls: list[str], seconds: float) -> Summary:
    policy = WebSocketPolicy(urls, token=TOKEN)
    clock = hocket.Realtime(hz=HZ, failures=hocket.FailureLimits(outage_s=LONGEST_OUTAGE_S))
    rule = hocket.TickDispatch(WORKERS)
    return hocket.run(NullEnv(SHAPE), policy, rule, clock, ticks=round(seconds * HZ)).summary()
