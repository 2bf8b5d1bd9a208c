"""`hocket bench adapt`: how ``TickDispatch(workers="auto", quantile="auto")`` adapts, on the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.core.rules import Rule
from hocket.core.rules.dispatch_schedule import ASSUMED_PREDICTABILITY
from hocket.envs.null import NullEnv
from hocket.policies.cancellation import sleep_until_cancelled

HZ = 60
COMPUTES_S = 0.05
FIXED = (1, 2, 3, 4)
WARM_UP_S = 5.0
"""Not counted: the number of workers is still being found."""
QUICK_S, SLOW_S = 0.1, 0.3
SLOWER_AFTER_S = 10.0
HIGH_COVERAGE = 0.9
WINDOW_S = 0.5


@dataclass(frozen=True)
class ProcessorBoundPolicy:
    """Keeps a processor busy for ``seconds`` of its time; on fewer processors than workers it takes longer."""

    seconds: float

    def __call__(self, observation: Any) -> int:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        return 0


@dataclass(frozen=True)
class SlowerPolicy:
    """Waits for `QUICK_S` until the observation of tick ``slower_tick``, from then on for `SLOW_S`."""

    slower_tick: int

    def __call__(self, observation: Any) -> int:
        sleep_until_cancelled(QUICK_S if observation[0] < self.slower_tick else SLOW_S)
        return 0


def bench_workers(*, seconds: float, tell: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """J_0.99 of ``workers="auto"`` beside that of each fixed number, where inferences compete for the processors."""
    policy = ProcessorBoundPolicy(COMPUTES_S)
    regrets = {}
    for workers in FIXED:
        tell(f"{workers} workers")
        regrets[workers] = _regret(policy, hocket.TickDispatch(workers, quantile="auto"), seconds)
    tell("workers=auto")
    auto = _regret(policy, hocket.TickDispatch("auto", quantile="auto"), seconds)
    best = min(regrets, key=lambda workers: regrets[workers])
    return {
        "regret_by_workers": {str(workers): regret for workers, regret in regrets.items()},
        "best_workers": best,
        "auto_regret": auto,
        "auto_minus_best": auto - regrets[best],
    }


def _regret(policy: ProcessorBoundPolicy, rule: Rule, seconds: float) -> float:
    ticks = round((WARM_UP_S + seconds) * HZ)
    result = hocket.run(NullEnv(), policy, rule, hocket.Realtime(hz=HZ), ticks=ticks)
    return result.metrics(round(WARM_UP_S * HZ)).regret_per_tick(ASSUMED_PREDICTABILITY)


def bench_recovery(*, seconds: float) -> dict[str, Any]:
    """Coverage before and after inferences become three times longer at once.

    Returns:
        ``coverage_before``; ``recovery_s``: the time from the first slow observation until coverage is above
        `HIGH_COVERAGE` for two windows of `WINDOW_S`, or None; ``coverage_after``: from then on.
    """
    slower_tick = round(SLOWER_AFTER_S * HZ)
    clock = hocket.Realtime(hz=HZ, executor=hocket.Threads())
    rule = hocket.TickDispatch("auto", quantile="auto")
    ticks = slower_tick + round(seconds * HZ)
    result = hocket.run(NullEnv(dtype=np.uint16), SlowerPolicy(slower_tick), rule, clock, ticks=ticks)
    fresh = result.metrics().ticks.fresh
    after = fresh[slower_tick:]
    recovery = recovery_tick(after, round(WINDOW_S * HZ))
    return {
        "coverage_before": float(fresh[slower_tick // 2 : slower_tick].mean()),
        "recovery_s": None if recovery is None else recovery / HZ,
        "coverage_after": None if recovery is None else float(after[recovery:].mean()),
    }


def recovery_tick(fresh: NDArray[np.bool_], window: int) -> int | None:
    """The first tick after coverage has fallen from which two windows of ticks in a row are above `HIGH_COVERAGE`.

    Args:
        fresh: of each tick since the fault, whether it was fresh.
        window: the number of ticks whose coverage counts.

    Returns:
        0 if coverage does not fall; None if it does not rise again.
    """
    high = np.convolve(fresh, np.full(window, 1 / window), "valid") > HIGH_COVERAGE
    fallen = int(np.argmin(high))
    recovered = np.flatnonzero(high[fallen:-window] & high[fallen + window :])
    if high.all():
        return 0
    return fallen + int(recovered[0]) if len(recovered) else None
