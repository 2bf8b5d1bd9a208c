"""`hocket bench chunks`: one inference in flight beside staggered ones, with a slow chunk policy on a server.

The policy waits for 24 ticks ± 20 %, then answers with a chunk of 16 actions. Aligned to its observation, a chunk has
no action left by then, so these two runs are aligned to the release. In a third run, with inferences of 150 ms and
chunks that are aligned to the observation, steps that are executed at another tick than their own are counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.bench.remote import OBSERVATION, TOKEN, bench_remote, serve_policy, server_process
from hocket.core.rules import Rule
from hocket.envs.null import NullEnv
from hocket.policies.cancellation import sleep_until_cancelled
from hocket.remote import WebSocketPolicy
from hocket.results.metrics import Ints, Metrics, percentiles

HZ, CHUNK_LENGTH, WORKERS = 50, 16, 3
SLOW_TICKS, NAMING_TICKS = 24, 7.5
"""The mean inference times: 480 and 150 ms."""
SPREAD = 0.2
MODULUS = 256
"""`NullEnv` counts its ticks modulo this number, so actions name them modulo it."""
ROUND_TRIPS_PER_S = 100
"""Of each kind, by second of a run."""


class NamingPolicy:
    """Waits for ``mean_ticks`` ± `SPREAD`, then answers with the numbers of the ticks after the observation's.

    Each ten inferences have one time from each tenth of that range, in random order.
    """

    def __init__(self, mean_ticks: float) -> None:
        shares = [1 + SPREAD * (tenth / 5 - 0.9) for tenth in range(10)]
        order = random.Random(0)
        self._durations_s = cycle(
            [share * mean_ticks / HZ for _ in range(100) for share in order.sample(shares, len(shares))]
        )

    def __call__(self, observation: NDArray[Any]) -> Ints:
        sleep_until_cancelled(next(self._durations_s))
        return (int(observation.flat[0]) + 1 + np.arange(CHUNK_LENGTH)) % MODULUS


def _serve(starter: Any, mean_ticks: float) -> None:
    serve_policy(starter, hocket.FunctionPolicy(NamingPolicy(mean_ticks), CHUNK_LENGTH), WORKERS)


def bench_chunks(*, seconds: float, tell: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Coverage and delay in ticks of `OneInFlight` and of ``TickDispatch(3)``; misaligned steps; round trips.

    Args:
        seconds: length of the first two runs, rounded to whole inferences; the third is half as long.
        tell: called with a line before each part.
    """
    figures: dict[str, Any] = {}
    rules = {"one_in_flight": hocket.OneInFlight(), "staggered": hocket.TickDispatch(WORKERS)}
    inferences = max(1, round(seconds * HZ / SLOW_TICKS))
    with server_process(_serve, SLOW_TICKS) as address:
        for name, rule in rules.items():
            tell(f"{name.replace('_', ' ')}, inferences of {SLOW_TICKS} ticks")
            result = _run(address, rule, hocket.Alignment.RELEASE, SLOW_TICKS, inferences)
            metrics = result.metrics()
            p50, p99 = percentiles(metrics.delays, 50, 99)
            figures |= {
                f"{name}_coverage": _coverage(metrics, SLOW_TICKS * inferences),
                f"{name}_delay_p50": p50,
                f"{name}_delay_p99": p99,
            }
    inferences = max(1, round(seconds / 2 * HZ / NAMING_TICKS))
    with server_process(_serve, NAMING_TICKS) as address:
        tell("actions that name their ticks")
        result = _run(address, rules["staggered"], hocket.Alignment.OBSERVATION, NAMING_TICKS, inferences)
    ticks = result.metrics().ticks
    figures["misaligned_steps"] = misaligned_steps(ticks.tick, np.asarray(result.record.actions), ticks.fresh)
    figures["fresh_steps"] = int(ticks.fresh.sum())
    tell("round trips of 150 KB")
    remote = bench_remote(count=max(1, round(seconds * ROUND_TRIPS_PER_S)))
    return figures | {"websocket_added_ratio": remote["websocket_added_ratio"]}


def _run(address: str, rule: Rule, alignment: hocket.Alignment, mean_ticks: float, inferences: int) -> hocket.RunResult:
    """A run as long as ``inferences`` in a row and two more, since coverage counts from the first answer only."""
    env = NullEnv(OBSERVATION.shape, actions=MODULUS)
    policy = WebSocketPolicy(address, token=TOKEN, chunk_length=CHUNK_LENGTH, alignment=alignment)
    return hocket.run(env, policy, rule, hocket.Realtime(hz=HZ), ticks=round((inferences + 2) * mean_ticks))


def _coverage(metrics: Metrics, ticks: int) -> float:
    """Coverage of the ``ticks`` from the first one that an inference could have made.

    As these are a whole number of mean inference times, it matters little where in a chunk they end.
    """
    first = max(1, metrics.first_due())
    return float(metrics.ticks.fresh[first - 1 :][:ticks].mean())


def misaligned_steps(tick: Ints, action: Ints, fresh: NDArray[np.bool_]) -> int:
    """Count the fresh ticks whose action does not name that tick."""
    return int((fresh & (action != tick % MODULUS)).sum())
