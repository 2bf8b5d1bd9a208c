"""`hocket bench plan --files`: plans made from files of times, beside the laws that the files were drawn from.

A file has the times of a run with one inference a tick, and the plan knows the file only. Its forecast is compared with
runs of the law itself, and its number of workers with the best one, found by running every number. A plan whose
forecast is out of bounds must have a caution that names the reason.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import hocket
from hocket.analysis.choice import label
from hocket.analysis.forecast import COVERAGE_WITHIN, DELAY_WITHIN_SHARE, DELAY_WITHIN_TICKS, settled, start_up_ticks
from hocket.analysis.plan import Plan
from hocket.bench.laws import Autoregressive, Regimes
from hocket.bench.rules import idle_policy
from hocket.core.cadence import NS_PER_S
from hocket.core.rules import Rule
from hocket.envs.null import NullEnv
from hocket.latency.laws import LatencyModel

HZ = 60
PREDICTABILITY = 0.99
TICKS = 20_000
LIMIT_S = 18.0
SEEDS = (1000, 1001)
WORKERS_WITHIN = 0.15
ALIKE = 0.001
"""Costs that are closer than this are equal: runs of other seeds differ by as much."""
RATIOS = (0.6, 0.75, 0.85, 0.92, 1.0, 1.08, 1.16, 1.33, 1.6, 2.5)
"""The numbers of workers that are searched, as shares of the recommended one."""
REASONS = (
    "Too few times",
    "too few",
    "may hold regimes",
    "parts differ",
    "start-up may take",
    "is unknown",
    "one inference time only",
    "divide them by 1000",
)
"""Words of the cautions that tell why a forecast may be out of bounds."""


@dataclass(frozen=True, slots=True)
class FileCase:
    """A file of times, and the law that it was drawn from.

    Attributes:
        law: None where the file alone matters.
        count: of its times.
        timed: it tells when each inference began, as a saved run's does.
        times_s: its times if they do not follow a law.
        limit_s: of the plan.
        caution: words that a caution must have.
    """

    name: str
    law: LatencyModel | None = None
    count: int = 0
    timed: bool = False
    times_s: tuple[float, ...] = ()
    limit_s: float = LIMIT_S
    caution: str = ""

    def write(self, folder: Path) -> Path:
        """Write the file; returns its path."""
        if self.timed:
            clock = hocket.Virtual(hz=HZ, latency=self._law())
            run = hocket.run(NullEnv(), idle_policy, hocket.TickDispatch(48), clock, ticks=self.count)
            run.save(folder / "run")
            return folder / "run" / "inferences.npz"
        path = folder / "times.txt"
        path.write_text("\n".join(map(repr, self.times_s or self._drawn_s())))
        return path

    def _law(self) -> LatencyModel:
        assert self.law is not None
        return self.law

    def _drawn_s(self) -> list[float]:
        """Times of inferences that begin at every tick."""
        sample = self._law().checked_sampler(np.random.default_rng(0))
        return [sample(0, tick * NS_PER_S // HZ) / NS_PER_S for tick in range(self.count)]


FILES = (
    FileCase("independent", hocket.LogNormal(0.2, 0.3), 5000),
    FileCase("correlated 0.8", Autoregressive(0.2, 0.3, 0.8), 20_000),
    FileCase("correlated 0.95", Autoregressive(0.2, 0.3, 0.95), 40_000),
    FileCase("correlated 0.95, wide", Autoregressive(0.2, 0.6, 0.95), 40_000),
    FileCase("correlated 0.95, timed", Autoregressive(0.2, 0.3, 0.95), 40_000, timed=True),
    FileCase("correlated 0.99", Autoregressive(0.2, 0.3, 0.99), 40_000),
    FileCase("regimes of 5 s", Regimes(0.2, 0.05, 5.0), 40_000),
    FileCase("regimes of 5 s, timed", Regimes(0.2, 0.05, 5.0), 40_000, timed=True),
    FileCase("regimes of 60 s", Regimes(0.2, 0.05, 60.0), 40_000),
    FileCase("half a minute, correlated", Autoregressive(0.2, 0.6, 0.95), 2000, caution="Too few times"),
    FileCase("half a minute, correlated 0.99", Autoregressive(0.2, 0.3, 0.99), 2000, caution="Too few times"),
    FileCase("one regime and a half", Regimes(0.2, 0.05, 60.0), 5400, caution="may hold regimes"),
    FileCase(
        "1 ms, once 1,000 s", times_s=(0.001,) * 999 + (1000.0,), limit_s=2.0, caution="how often such a time comes"
    ),
    FileCase("in milliseconds", times_s=tuple(range(190, 290)) * 3, limit_s=2.0, caution="divide them by 1000"),
    FileCase("one time", times_s=(0.2,), limit_s=2.0, caution="one inference time only"),
)


def measured(law: LatencyModel, rule: Rule, *, ticks: int) -> dict[str, float]:
    """Coverage, mean delay and J_ρ of runs of the law itself, without their start-up."""
    start_up = start_up_ticks(law, HZ)
    runs = []
    for seed in SEEDS:
        clock = hocket.Virtual(hz=HZ, latency=law)
        result = hocket.run(NullEnv(), idle_policy, rule, clock, ticks=ticks, seed=seed)
        runs.append(settled(result.record, start_up))
    return {
        "coverage": float(np.mean([run.coverage for run in runs])),
        "delay_mean": float(np.concatenate([run.delays for run in runs]).mean()),
        "regret": float(np.mean([run.regret_per_tick(PREDICTABILITY) for run in runs])),
    }


def compare_file(case: FileCase, *, ticks: int = TICKS) -> dict[str, Any]:
    """Plan from the file of ``case``, and run its law.

    Returns:
        The recommendation, its forecast and cautions; and if the file has a law, what was measured, and the best number
        of workers by search.
    """
    with TemporaryDirectory() as folder:
        path = case.write(Path(folder))
        began_s = perf_counter()
        made = hocket.plan(path, HZ, predictability=PREDICTABILITY, limit_s=case.limit_s)
        took_s = perf_counter() - began_s
    chosen = made.recommended
    reasons = [caution for caution in made.cautions if any(words in caution for words in REASONS)]
    row: dict[str, Any] = {
        "file": case.name,
        "seconds": took_s,
        "limit_s": case.limit_s,
        "rule": label(chosen.rule),
        "workers": chosen.workers,
        "ticks": chosen.ticks,
        "coverage": chosen.coverage,
        "delay_mean": chosen.delay_mean,
        "cautions": list(made.cautions),
        "reasons": reasons,
        "said": not case.caution or any(case.caution in caution for caution in made.cautions),
    }
    if case.law is not None:
        row |= _beside_the_law(made, case.law, ticks)
    row["holds"] = row["said"] and (bool(reasons) or (row.get("within", True) and row.get("near", True)))
    return row


def _beside_the_law(made: Plan, law: LatencyModel, ticks: int) -> dict[str, Any]:
    chosen = made.recommended
    tried = sorted({max(1, round(chosen.workers * ratio)) for ratio in RATIOS})
    kind: Any = chosen.rule
    alone = isinstance(kind, hocket.Sequential)  # which has no number of workers
    found = {
        number: measured(law, kind if alone else replace(kind, workers=number), ticks=ticks)
        for number in ([1] if alone else tried)
    }
    cost = {number: figures["regret"] + made.worker_price * number for number, figures in found.items()}
    best = min(cost, key=lambda number: cost[number])
    own = found[chosen.workers]
    off = abs(chosen.delay_mean - own["delay_mean"])
    return {
        "coverage_measured": own["coverage"],
        "delay_mean_measured": own["delay_mean"],
        "within": abs(chosen.coverage - own["coverage"]) <= COVERAGE_WITHIN
        and off <= max(DELAY_WITHIN_TICKS, DELAY_WITHIN_SHARE * own["delay_mean"]),
        "workers_best": best,
        "costs": cost,
        "worse": cost[chosen.workers] - cost[best],
        "near": abs(chosen.workers - best) <= WORKERS_WITHIN * best or cost[chosen.workers] - cost[best] <= ALIKE,
    }


def bench_plan_files(
    *,
    files: Sequence[FileCase] = FILES,
    ticks: int = TICKS,
    processes: int | None = None,
    done: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Compare every file, one row each."""
    one = partial(compare_file, ticks=ticks)
    rows = []
    with multiprocessing.get_context("forkserver").Pool(processes or os.cpu_count()) as pool:
        for row in pool.imap(one, files):
            rows.append(row)
            if done is not None:
                done(len(rows), len(files))
    return rows
