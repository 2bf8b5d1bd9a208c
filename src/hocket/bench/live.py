"""`hocket bench live`: the live page's cost to the tick loop. Runs with two viewers and without a page alternate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic, sleep, thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.bench.jitter import SleepingPolicy
from hocket.envs.null import NullEnv
from hocket.errors import HocketError
from hocket.ipc.child_processes import begin_as_child, end_children
from hocket.policies.base import Policy

VIEWERS = 2
COVERAGE_WITHIN = 0.01
LATENESS_S = 0.0002
LATENESS_TIMES = 1.5
NICE = 19
START_S = 60.0


@dataclass(frozen=True)
class ComputingPolicy:
    """Keeps a processor busy for ``seconds`` of its own time."""

    seconds: float

    def __call__(self, observation: Any) -> int:
        until_s = thread_time() + self.seconds
        while thread_time() < until_s:
            pass
        return 0


class DrawnEnv(NullEnv):
    """The null environment, rendered at the size of an Atari game: 210 x 160 pixels in colour."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's own declaration)
    render_mode = "rgb_array"

    def __init__(self) -> None:
        super().__init__((4, 84, 84))
        self._picture = np.zeros((210, 160, 3), np.uint8)
        self._drawn = 0

    def render(self) -> NDArray[np.uint8]:
        """A picture that differs in every frame."""
        self._drawn += 1
        self._picture[self._drawn % 210] += 1
        return self._picture


@dataclass(frozen=True)
class LiveCase:
    """A policy and its number of workers."""

    name: str
    policy: Policy
    workers: int


def cases(hz: float, waiting: int) -> tuple[LiveCase, ...]:
    """Many workers that only wait, and two that keep both processors busy for 1.6 ticks at a time."""
    return (
        LiveCase(f"{waiting} workers that wait", SleepingPolicy(min(1.17, 0.9 * waiting / hz)), waiting),
        LiveCase("2 workers that compute", ComputingPolicy(1.6 / hz), 2),
    )


def bench_live(
    *,
    hz: float = 60.0,
    waiting: int = 72,
    seconds: float = 8.0,
    rounds: int = 4,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Coverage and lateness of each case without a page, and with one that two viewers load; one row a case.

    Args:
        hz: ticks per second.
        waiting: workers of the first case.
        seconds: length of each run.
        rounds: pairs of a run without and a run with the page.
        tell: called with a progress line before each run.
    """
    ticks = max(1, round(seconds * hz))
    rows = []
    for case in cases(hz, waiting):
        without: list[hocket.RunResult] = []
        watched: list[hocket.RunResult] = []
        seen: list[int] = []
        for number in range(rounds):
            tell(f"{case.name}: round {number + 1} of {rounds}")
            without.append(_play(case, hz, ticks))
            with hocket.LivePage(0) as page, viewers(page.url) as count:
                watched.append(_play(case, hz, ticks, page))
                seen += count()
        rows.append(_row(case, without, watched, sum(seen) / len(seen) / seconds))
    return rows


def _play(case: LiveCase, hz: float, ticks: int, *instruments: hocket.Instrument) -> hocket.RunResult:
    clock = hocket.Realtime(hz=hz)
    rule = hocket.TickDispatch(case.workers)
    return hocket.run(DrawnEnv(), case.policy, rule, clock, ticks=ticks, instruments=instruments)


def _row(
    case: LiveCase, without: list[hocket.RunResult], watched: list[hocket.RunResult], frames_per_s: float
) -> dict[str, Any]:
    (coverage, lateness), (coverage_live, lateness_live) = _figures(without), _figures(watched)
    return {
        "case": case.name,
        "coverage": coverage,
        "coverage_live": coverage_live,
        "lateness_p99_s": lateness,
        "lateness_p99_live_s": lateness_live,
        "frames_per_s": frames_per_s,
        "tick_loop_cpu_share": float(np.mean([one.summary().tick_loop_cpu_share for one in without])),
        "tick_loop_cpu_share_live": float(np.mean([one.summary().tick_loop_cpu_share for one in watched])),
        "coverage_within": coverage - coverage_live <= COVERAGE_WITHIN,
        "lateness_within": lateness_live <= max(LATENESS_S, LATENESS_TIMES * lateness),
    }


def _figures(results: list[hocket.RunResult]) -> tuple[float, float]:
    """Mean coverage from the first due tick, and the 99th percentile of all lateness."""
    late = np.concatenate([result.metrics().lateness_s for result in results])
    return float(np.mean([r.summary().steady_coverage for r in results])), float(np.percentile(late, 99))


@contextmanager
def viewers(url: str) -> Iterator[Callable[[], list[int]]]:
    """Start two viewers of the page at ``url``; yields a function: frames that each has seen since the last call.

    Raises:
        HocketError: if a viewer cannot load the page.
    """
    context = get_context("spawn")
    connections, processes = [], []
    for number in range(VIEWERS):
        here, there = context.Pipe()
        process = context.Process(target=_look, args=(url, there), name=f"hocket-viewer-{number}", daemon=True)
        process.start()
        there.close()
        connections.append(here)
        processes.append(process)

    def count() -> list[int]:
        seen = []
        for connection in connections:
            connection.send("count")
            seen.append(int(connection.recv()))
        return seen

    try:
        give_up = monotonic() + START_S
        while not all(connection.poll() for connection in connections):
            if monotonic() > give_up:
                raise HocketError(f"a viewer has not seen {url} for {START_S} s; try again on a less busy machine")
            sleep(0.05)
        for connection in connections:
            connection.recv()
        yield count
    finally:
        for connection in connections:
            connection.close()
        end_children(processes, 2.0)


def _look(url: str, bench: Connection) -> None:
    """A viewer process: fetches frames as fast as they come, until the benchmark ends it."""
    from websockets.sync.client import connect

    begin_as_child(NICE)
    seen = -1
    with connect(url.replace("http", "ws", 1).replace("/?", "/frames?", 1), max_size=None, proxy=None) as page:
        while True:
            page.send(b"\1")
            page.recv()
            seen += 1
            if seen == 0:
                bench.send("here")
            if bench.poll():
                try:
                    bench.recv()
                    bench.send(seen)
                    seen = 0
                except EOFError:
                    return
