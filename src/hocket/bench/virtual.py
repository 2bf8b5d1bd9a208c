"""`hocket bench virtual`: how many ticks a second of scheduling alone, with a null environment and policy."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import hocket
from hocket.bench.rules import idle_policy
from hocket.envs.null import NullEnv

HZ = 60
LOAD = 0.8


def bench_virtual(*, workers: int = 16, ticks: int = 50_000, seed: int = 0) -> dict[str, Any]:
    """Run `hocket.run` under ``TickDispatch(workers)`` with the workers busy four fifths of the time."""
    clock = hocket.Virtual(hz=HZ, latency=hocket.LogNormal(LOAD * workers / HZ, 0.1))
    began = perf_counter()
    hocket.run(NullEnv(), idle_policy, hocket.TickDispatch(workers), clock, ticks=ticks, seed=seed)
    return {"workers": workers, "ticks_per_s": ticks / (perf_counter() - began)}
