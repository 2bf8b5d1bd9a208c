"""`hocket bench rules`: every rule under every law and number of workers, in virtual time."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.bench.laws import Autoregressive, Regimes, Weibull
from hocket.core.cadence import NS_PER_S
from hocket.core.rules import Rule
from hocket.envs.null import NullEnv
from hocket.latency.laws import Independent, LatencyModel
from hocket.latency.sharing import ProcessorSharing
from hocket.results.files import unwritable
from hocket.theory.clairvoyant import clairvoyant_bound, workload_bound

MEAN_S = 0.2
PREDICTABILITIES = (0.9, 0.95, 0.99, 0.999)
WARM_UP_TICKS = 1200
RATES = (60, 240)
LOADS = (0.8, 1.0, 1.1, 1.3, 2.0, 4.0)
"""Numbers of workers, as multiples of the mean inference time in ticks."""
TABLE = (12, 13, 14, 16, 20, 32, 64)
"""Numbers of workers of the table at 60 Hz, under the laws of the table."""
CHUNKS = ((4, 3), (4, 4), (16, 1), (16, 2))
"""Actions of an answer, and numbers of workers, where an answer has more than one."""
SHARED_FOR = 1.2
"""Workers that a shared device serves at full speed, as a multiple of the mean inference time in ticks."""
STRAGGLER = 3.0
BOUND_TICKS = 300
"""Ticks that a clairvoyant schedule is found for."""
ALLOWED = 0.002
"""J_ρ above that of the best other rule which counts as noise."""

TABLE_LAWS: dict[str, LatencyModel] = {
    "constant": hocket.Constant(MEAN_S),
    "lognormal 0.1": hocket.LogNormal(MEAN_S, 0.1),
    "lognormal 0.3": hocket.LogNormal(MEAN_S, 0.3),
    "gamma 4": hocket.Gamma(MEAN_S, 4),
    "1 % five times slower": hocket.HeavyTail(MEAN_S, 0.01, 5.0),
}
HELD_OUT: dict[str, LatencyModel] = {
    "2 % twenty times slower": hocket.HeavyTail(MEAN_S, 0.02, 20.0),
    "weibull 0.8": Weibull(MEAN_S, 0.8),
    "correlated 0.95": Autoregressive(MEAN_S, 0.3, 0.95),
    "regimes of 5 s": Regimes(MEAN_S, 0.1, 5.0),
    "one worker three times slower": hocket.PerWorker(hocket.LogNormal(MEAN_S, 0.3), (STRAGGLER,) + (1.0,) * 1023),
}
SHARED = "a shared device"
LAWS = (*TABLE_LAWS, *HELD_OUT, SHARED)


def law_of(name: str, hz: int) -> LatencyModel:
    """The law called ``name``; what a shared device can serve depends on the rate."""
    if name == SHARED:
        return ProcessorSharing(hocket.LogNormal(MEAN_S, 0.1), SHARED_FOR * MEAN_S * hz)
    return (TABLE_LAWS | HELD_OUT)[name]


@dataclass(frozen=True)
class Cell:
    """One rule under one law, at a rate, with a number of workers, and answers of ``chunk`` actions."""

    law: str
    workers: int
    name: str
    rule: Rule
    predictability: float | None = None
    hz: int = 60
    chunk: int = 1

    @property
    def place(self) -> tuple[str, int, int, int]:
        """The law, the rate, the number of workers and of actions: cells of one place are compared."""
        return self.law, self.hz, self.workers, self.chunk


@dataclass(frozen=True)
class Figures:
    """The results of one seed of a cell, as sums, so that seeds can be pooled."""

    elapsed: int
    delay_counts: NDArray[np.int64]
    """Fresh actions by delay in ticks."""


Place = tuple[str, int, int, int]
Task = tuple[Cell, int, int]
"""A cell, a seed and a number of ticks."""


def places() -> list[Place]:
    """Law, rate, number of workers and of actions of each comparison."""
    found: dict[Place, None] = {}
    for law in LAWS:
        for hz in RATES:
            found |= {(law, hz, round(MEAN_S * hz * load), 1): None for load in LOADS}
    found |= {(law, 60, workers, 1): None for law in TABLE_LAWS for workers in TABLE}
    found |= {("lognormal 0.3", 60, workers, chunk): None for chunk, workers in CHUNKS}
    return list(found)


QUICK: dict[Place, tuple[float, ...]] = {
    ("constant", 60, 12, 1): (0.99,),
    ("constant", 60, 24, 1): (0.99,),
    ("lognormal 0.1", 60, 13, 1): (0.99,),
    ("lognormal 0.3", 60, 12, 1): (0.99, 0.999),
    ("lognormal 0.3", 60, 14, 1): (0.9, 0.999),
    ("lognormal 0.3", 60, 24, 1): (0.99,),
    ("lognormal 0.3", 60, 1, 16): (0.99, 0.999),
    ("lognormal 0.3", 60, 4, 4): (0.99,),
    ("gamma 4", 60, 12, 1): (0.95,),
    ("gamma 4", 60, 14, 1): (0.9, 0.99),
    ("gamma 4", 60, 24, 1): (0.99,),
    ("1 % five times slower", 60, 12, 1): (0.99, 0.999),
    ("1 % five times slower", 60, 16, 1): (0.99,),
    ("2 % twenty times slower", 60, 10, 1): (0.99,),
    ("2 % twenty times slower", 60, 12, 1): (0.9, 0.999),
    ("2 % twenty times slower", 60, 13, 1): (0.99,),
    ("2 % twenty times slower", 60, 24, 1): (0.99,),
    ("weibull 0.8", 60, 12, 1): (0.99, 0.999),
    ("weibull 0.8", 60, 16, 1): (0.95,),
    ("weibull 0.8", 60, 24, 1): (0.9, 0.99),
    ("correlated 0.95", 60, 12, 1): (0.999,),
    ("correlated 0.95", 60, 16, 1): (0.9, 0.99),
    ("regimes of 5 s", 60, 12, 1): (0.95, 0.999),
    ("regimes of 5 s", 60, 16, 1): (0.99,),
    ("regimes of 5 s", 60, 24, 1): (0.99,),
    ("one worker three times slower", 60, 10, 1): (0.99,),
    ("one worker three times slower", 60, 12, 1): (0.99, 0.999),
    ("one worker three times slower", 60, 13, 1): (0.999,),
    (SHARED, 60, 13, 1): (0.99,),
    (SHARED, 60, 24, 1): (0.9, 0.99),
    (SHARED, 60, 48, 1): (0.99,),
}
"""A few telling places, and predictabilities."""


def cells(quick: bool = False) -> Iterator[Cell]:
    """Every cell of the benchmark, the slow ones first; with ``quick`` a few."""
    chosen = QUICK if quick else dict.fromkeys(places(), PREDICTABILITIES)
    for (law, hz, n, chunk), predictabilities in chosen.items():
        for rho in predictabilities:
            auto = hocket.TickDispatch(n, quantile="auto", predictability=rho)
            yield Cell(law, n, "TickDispatch(quantile=auto)", auto, rho, hz, chunk)
    for law, hz, n, chunk in chosen:
        rules: dict[str, Rule] = {
            "Unstaggered": hocket.Unstaggered(n),
            "MaxTime": hocket.MaxTime(n),
            "ExpectedTime": hocket.ExpectedTime(n),
            **{f"TickDispatch(quantile={q})": hocket.TickDispatch(n, quantile=q) for q in (0.5, 0.9, 0.95, 0.99)},
        }
        for name, rule in rules.items():
            yield Cell(law, n, name, rule, None, hz, chunk)
    for law, hz, chunk in dict.fromkeys((law, hz, chunk) for law, hz, _, chunk in chosen):
        yield Cell(law, 1, "Sequential", hocket.Sequential(), None, hz, chunk)


def idle_policy(observation: Any) -> int:
    """The policy of benchmarks that measure scheduling only."""
    return 0


def idle_chunks(length: int) -> hocket.FunctionPolicy:
    """A policy whose answers have ``length`` actions, for the ticks from their release on."""
    answer = np.zeros(length, np.int64)
    return hocket.FunctionPolicy(lambda observation: answer, chunk_length=length, alignment=hocket.Alignment.RELEASE)


def measure(task: Task) -> Figures:
    """Run one seed of one cell."""
    cell, seed, ticks = task
    clock = hocket.Virtual(hz=cell.hz, latency=law_of(cell.law, cell.hz))
    policy = idle_policy if cell.chunk == 1 else idle_chunks(cell.chunk)
    result = hocket.run(NullEnv(), policy, cell.rule, clock, ticks=WARM_UP_TICKS + ticks, seed=seed)
    return Figures(ticks, np.bincount(result.metrics(WARM_UP_TICKS).delays))


def most_coverage(cell: Cell) -> float:
    """The share of ticks for which the workers can run an inference to its end."""
    needed, workers = MEAN_S * cell.hz, float(cell.workers)
    if cell.law == "one worker three times slower":
        workers += 1 / STRAGGLER - 1
    if cell.law == SHARED:
        workers = min(workers, SHARED_FOR * needed)
    if cell.law == "regimes of 5 s":
        return (min(1.0, workers / (0.5 * needed)) + min(1.0, workers / (1.5 * needed))) / 2
    return min(1.0, cell.chunk * workers / needed)


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
        "hz": cell.hz,
        "workers": cell.workers,
        "chunk": cell.chunk,
        "rule": cell.name,
        "predictability": cell.predictability,
        "coverage": fresh / elapsed,
        "bound": most_coverage(cell),
        "delay_mean": float((counts * delays).sum() / fresh) if fresh else None,
        "delay_p99": int(np.searchsorted(np.cumsum(counts), 0.99 * fresh)) if fresh else None,
        "regret_per_tick": {
            str(rho): 1 - float((counts[1:] * rho ** (delays[1:] - 1.0)).sum()) / elapsed for rho in PREDICTABILITIES
        },
    }


def _drawn_ticks(place: Place, observations: int, copies: int) -> NDArray[np.float64] | None:
    """Inference times under the law of a place, by observation and copy; None where other things matter as well."""
    law, hz, _, chunk = place
    model = law_of(law, hz)
    if chunk > 1 or isinstance(model, ProcessorSharing | hocket.PerWorker):
        return None
    sample, period_ns = model.checked_sampler(np.random.default_rng(0)), NS_PER_S / hz
    drawn = [[sample(0, int(k * period_ns)) / period_ns for _ in range(copies)] for k in range(observations)]
    return np.array(drawn)


def bounds_of(place: Place, predictability: float, ticks: int = BOUND_TICKS) -> dict[str, float | None]:
    """The least J_ρ of a place without cancelling: for rules that know the times in advance, and for those that do not.

    None where a law's times depend on more than the observation, or on each other.
    """
    law, hz, workers, _ = place
    mean = MEAN_S * hz
    longest_delay_ticks = round(3.75 * mean)
    drawn = _drawn_ticks(place, ticks + longest_delay_ticks, 1 if workers <= mean else 2)
    clairvoyant = None
    if drawn is not None:
        clairvoyant = clairvoyant_bound(drawn, workers, predictability, longest_delay_ticks=longest_delay_ticks)
    model = law_of(law, hz)
    workload = None
    if isinstance(model, Independent) and place[3] == 1:
        sample = model.draw_s(np.random.default_rng(0), 200_000) * hz
        workload = workload_bound(sample, workers, predictability)
    return {"clairvoyant": clairvoyant, "workload": workload}


def bench_bounds(
    rows: list[dict[str, Any]], done: Callable[[int, int], None] | None = None
) -> list[tuple[Margin, float, dict[str, float | None]]]:
    """For each cell of the rule that is tuned to ρ: its margin, its J_ρ and the bounds."""
    margins = worst_margins(rows)
    tasks = [((margin.law, margin.hz, margin.workers, margin.chunk), margin.predictability) for margin in margins]
    regrets = {
        (row["law"], row["hz"], row["workers"], row["chunk"], rho): row["regret_per_tick"][str(rho)]
        for row in rows
        if (rho := row["predictability"]) is not None
    }
    found = []
    with multiprocessing.get_context("forkserver").Pool(len(os.sched_getaffinity(0))) as pool:
        for finished, bounds in enumerate(pool.imap(_bounds_of, tasks), 1):
            margin = margins[finished - 1]
            found.append((margin, regrets[margin[1:6]], bounds))
            if done is not None:
                done(finished, len(tasks))
    return found


def _bounds_of(task: tuple[Place, float]) -> dict[str, float | None]:
    return bounds_of(*task)


class KeptFigures:
    """Figures by task in a file of one line each, so that an interrupted benchmark can be completed later.

    Args:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, Figures] = {}
        if path is None:
            return
        try:
            path.touch()
            lines = path.read_text().splitlines(keepends=True)
        except OSError as error:
            raise unwritable(path, error) from error
        if lines and not lines[-1].endswith("\n"):  # an interrupted write
            path.write_text("".join(lines := lines[:-1]))
        for line in lines:
            key, elapsed, counts = json.loads(line)
            self._found[json.dumps(key)] = Figures(elapsed, np.array(counts, np.int64))

    def get(self, task: Task) -> Figures | None:
        """The figures of ``task``, if they are there."""
        return self._found.get(json.dumps(_key(task)))

    def add(self, task: Task, figures: Figures) -> None:
        """Append those of ``task``."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps([_key(task), figures.elapsed, figures.delay_counts.tolist()]) + "\n")


def _key(task: Task) -> list[Any]:
    cell, seed, ticks = task
    return [*cell.place, cell.name, cell.predictability, seed, ticks]


def bench_rules(
    *,
    seeds: int = 3,
    ticks: int = 7200,
    quick: bool = False,
    keep: Path | None = None,
    done: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Run every cell on all processors.

    Args:
        seeds, ticks: of each cell.
        quick: a few cells only.
        keep: a file of finished runs, which are not run again (`KeptFigures`).
        done: called with the number of finished runs and that of all.
    """
    tasks = [(cell, seed, ticks) for cell in cells(quick) for seed in range(seeds)]
    kept = KeptFigures(keep)
    found = {number: figures for number, task in enumerate(tasks) if (figures := kept.get(task)) is not None}
    missing = [number for number in range(len(tasks)) if number not in found]
    with multiprocessing.get_context("forkserver").Pool(len(os.sched_getaffinity(0))) as pool:
        measured = pool.imap(measure, [tasks[number] for number in missing], chunksize=5)
        for number, figures in zip(missing, measured, strict=True):
            kept.add(tasks[number], figures)
            found[number] = figures
            if done is not None:
                done(len(found), len(tasks))
    gathered: dict[Cell, list[Figures]] = {}
    for number, (cell, _, _) in enumerate(tasks):
        gathered.setdefault(cell, []).append(found[number])
    return [row(cell, figures) for cell, figures in gathered.items()]


class Margin(NamedTuple):
    """J_ρ of the rule tuned to ρ − that of the best other rule of its place."""

    margin: float
    law: str
    hz: int
    workers: int
    chunk: int
    predictability: float
    other: str


def worst_margins(rows: list[dict[str, Any]]) -> list[Margin]:
    """The margin of every cell of the rule that is tuned to ρ, the worst first."""
    margins = []
    for tuned in rows:
        rho = tuned["predictability"]
        if rho is None:
            continue
        key = str(rho)
        others = [
            other
            for other in rows
            if all(other[name] == tuned[name] for name in ("law", "hz", "chunk"))
            and (other["workers"] == tuned["workers"] or other["rule"] == "Sequential")
            and other["predictability"] is None
        ]
        best = min(others, key=lambda other: other["regret_per_tick"][key])
        margin = tuned["regret_per_tick"][key] - best["regret_per_tick"][key]
        margins.append(Margin(margin, tuned["law"], tuned["hz"], tuned["workers"], tuned["chunk"], rho, best["rule"]))
    return sorted(margins, reverse=True)


HZ = 60
LOAD = 0.8


def bench_virtual(*, workers: int = 16, ticks: int = 50_000, seed: int = 0) -> dict[str, Any]:
    """Run `hocket.run` under ``TickDispatch(workers)`` with workers that are busy four fifths of the time."""
    clock = hocket.Virtual(hz=HZ, latency=hocket.LogNormal(LOAD * workers / HZ, 0.1))
    began = perf_counter()
    hocket.run(NullEnv(), idle_policy, hocket.TickDispatch(workers), clock, ticks=ticks, seed=seed)
    return {"workers": workers, "ticks_per_s": ticks / (perf_counter() - began)}
