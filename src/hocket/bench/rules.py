"""`hocket bench rules`: every rule under every law and number of workers, in virtual time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.core.rules import Rule
from hocket.envs.null import NullEnv
from hocket.latency.laws import LatencyModel

HZ = 60
MEAN_S = 0.2
PREDICTABILITIES = (0.9, 0.95, 0.99, 0.999)
WORKERS = (12, 13, 14, 16, 20, 32, 64)
WARM_UP_TICKS = 1200

LAWS: dict[str, LatencyModel] = {
    "constant": hocket.Constant(MEAN_S),
    "lognormal 0.1": hocket.LogNormal(MEAN_S, 0.1),
    "lognormal 0.3": hocket.LogNormal(MEAN_S, 0.3),
    "gamma 4": hocket.Gamma(MEAN_S, 4),
    "1 % five times slower": hocket.HeavyTail(MEAN_S, 0.01, 5.0),
}


@dataclass(frozen=True)
class Cell:
    """One rule at one law and number of workers."""

    law: str
    workers: int
    name: str
    rule: Rule
    predictability: float | None = None


@dataclass(frozen=True)
class Figures:
    """The results of one seed of a cell, as sums, so that seeds can be pooled."""

    elapsed: int
    delay_counts: NDArray[np.int64]
    """Fresh actions by delay in ticks."""


def cells() -> Iterator[Cell]:
    """Every cell of the benchmark, the slow ones first."""
    for law in LAWS:
        for n in WORKERS:
            for rho in PREDICTABILITIES:
                rule = hocket.TickDispatch(n, quantile="auto", predictability=rho)
                yield Cell(law, n, "TickDispatch(quantile=auto)", rule, rho)
    for law in LAWS:
        yield Cell(law, 1, "Sequential", hocket.Sequential())
        for n in WORKERS:
            yield Cell(law, n, "Unstaggered", hocket.Unstaggered(n))
            yield Cell(law, n, "MaxTime", hocket.MaxTime(n))
            yield Cell(law, n, "ExpectedTime", hocket.ExpectedTime(n))
            for q in (0.5, 0.9, 0.95, 0.99):
                yield Cell(law, n, f"TickDispatch(quantile={q})", hocket.TickDispatch(n, quantile=q))


def idle_policy(observation: Any) -> int:
    """The policy of benchmarks that measure scheduling only."""
    return 0


def measure(task: tuple[Cell, int, int]) -> tuple[Cell, Figures]:
    """Run one seed of one cell."""
    cell, seed, ticks = task
    clock = hocket.Virtual(hz=HZ, latency=LAWS[cell.law])
    result = hocket.run(NullEnv(), idle_policy, cell.rule, clock, ticks=WARM_UP_TICKS + ticks, seed=seed)
    return cell, Figures(ticks, np.bincount(result.metrics(WARM_UP_TICKS).delays))


def row(cell: Cell, seeds: list[Figures]) -> dict[str, Any]:
    """The row of a cell: its seeds pooled."""
    elapsed = sum(figures.elapsed for figures in seeds)
    counts = np.zeros(max(len(figures.delay_counts) for figures in seeds), np.int64)
    for figures in seeds:
        counts[: len(figures.delay_counts)] += figures.delay_counts
    delays = np.arange(len(counts))
    fresh = int(counts.sum())
    return {
        "law": cell.law,
        "workers": cell.workers,
        "rule": cell.name,
        "predictability": cell.predictability,
        "coverage": fresh / elapsed,
        "bound": min(1.0, cell.workers / (MEAN_S * HZ)),
        "delay_mean": float((counts * delays).sum() / fresh) if fresh else None,
        "delay_p99": int(np.searchsorted(np.cumsum(counts), 0.99 * fresh)) if fresh else None,
        "regret_per_tick": {
            str(rho): 1 - float((counts[1:] * rho ** (delays[1:] - 1.0)).sum()) / elapsed for rho in PREDICTABILITIES
        },
    }


def bench_rules(
    *, seeds: int = 5, ticks: int = 7200, done: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """Run every cell on all processors; ``done(finished, all)`` reports progress."""
    tasks = [(cell, seed, ticks) for cell in cells() for seed in range(seeds)]
    gathered: dict[tuple[str, int, str, float | None], tuple[Cell, list[Figures]]] = {}
    with multiprocessing.get_context("forkserver").Pool(os.cpu_count()) as pool:
        for finished, (cell, figures) in enumerate(pool.imap_unordered(measure, tasks, chunksize=5), 1):
            key = (cell.law, cell.workers, cell.name, cell.predictability)
            gathered.setdefault(key, (cell, []))[1].append(figures)
            if done is not None:
                done(finished, len(tasks))
    return [row(cell, figures) for cell, figures in gathered.values()]


def worst_margins(rows: list[dict[str, Any]]) -> list[tuple[float, str, int, float, str]]:
    """J_ρ of the rule tuned to ρ − that of the best other rule, with law, workers, ρ and that rule; worst first."""
    margins = []
    for tuned in rows:
        rho = tuned["predictability"]
        if rho is None:
            continue
        key = str(rho)
        others = [
            other
            for other in rows
            if other["law"] == tuned["law"]
            and (other["workers"] == tuned["workers"] or other["rule"] == "Sequential")
            and other["predictability"] is None
        ]
        best = min(others, key=lambda other: other["regret_per_tick"][key])
        margin = tuned["regret_per_tick"][key] - best["regret_per_tick"][key]
        margins.append((margin, tuned["law"], tuned["workers"], rho, best["rule"]))
    return sorted(margins, reverse=True)


HZ = 60
LOAD = 0.8


def bench_virtual(*, workers: int = 16, ticks: int = 50_000, seed: int = 0) -> dict[str, Any]:
    """Run `hocket.run` under ``TickDispatch(workers)`` with workers that are busy four fifths of the time."""
    clock = hocket.Virtual(hz=HZ, latency=hocket.LogNormal(LOAD * workers / HZ, 0.1))
    began = perf_counter()
    hocket.run(NullEnv(), idle_policy, hocket.TickDispatch(workers), clock, ticks=ticks, seed=seed)
    return {"workers": workers, "ticks_per_s": ticks / (perf_counter() - began)}
