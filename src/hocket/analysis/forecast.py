"""Forecasts coverage and delay of a rule under given inference times, by playing the real scheduler in virtual time.

The environment is a null environment. No formula depends on the rule, so users' own rules can be forecast too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S, exact_hz
from hocket.core.rules import Rule
from hocket.drivers.interrupt import interruption
from hocket.drivers.virtual import Virtual, VirtualRun
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.hooks.record import RunRecord
from hocket.latency.laws import Constant, LatencyModel
from hocket.latency.stratified import Typical
from hocket.policies.base import Alignment, FunctionPolicy, PolicyFactory, TwoStage
from hocket.results.intervals import interval
from hocket.results.metrics import Metrics
from hocket.running.setup import set_up

TICKS = 20_000
LIMIT_S = 1.5
MOST_RUNS = 4
LEAST_TICKS = 500
STRETCH = 100
"""Ticks between two checks of the time limit."""
START_UP_TICKS = 300
START_UP_INFERENCES = 3
PARTS = 10
COVERAGE_WITHIN = 0.03
DELAY_WITHIN_TICKS = 1.0
DELAY_WITHIN_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The properties of a policy that matter to the scheduler.

    Args:
        latency: the law of its inference times; with two stages, of its trunk.
        chunk_length: the number of actions in an answer.
        alignment: the ticks that they are for, if there is more than one.
        head_s: seconds before its tick at which the head of a two-stage policy starts; 0: one stage.
        cores_each: processors that a running inference keeps busy.
        worker_bytes: memory of one worker, or None if unknown.
        name: the agent's name in tables.
        policy: the policy that was measured, or None.
    """

    latency: LatencyModel
    chunk_length: int = 1
    alignment: Alignment = Alignment.OBSERVATION
    head_s: float = 0.0
    cores_each: float = 1.0
    worker_bytes: int | None = None
    name: str = ""
    policy: PolicyFactory | None = None

    @property
    def horizon_ticks(self) -> int:
        """As of the policy: see `PolicyFactory.horizon_ticks`."""
        return self.idle().horizon_ticks

    def idle(self) -> PolicyFactory:
        """A policy with constant answers that has as many stages and actions."""
        if self.head_s:
            return TwoStage(_same, _same, head_s=self.head_s)
        if self.chunk_length == 1:
            return FunctionPolicy(_same)
        return FunctionPolicy(partial(_chunk, self.chunk_length), self.chunk_length, alignment=self.alignment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The long-run performance of a rule; delays are in ticks, NaN where no action is ever fresh.

    Attributes:
        agent, rule: what was forecast.
        workers: the largest number of workers at once.
        coverage: after the start-up of each run.
        inaction_regret, delay_regret: the parts of J_ρ: 1 − coverage, and the mean of fresh·(1 − ρ^(delay−1)).
        busy: the mean number of concurrent inferences.
        cores: the mean number of processors that they keep busy.
        memory_bytes: of all workers, or None if unknown.
        ticks, runs: the length of the forecast, in ``runs`` runs of different seeds together.
        cautions: sentences about why it may be wrong by more than 3 points of coverage, or a tick and 5 % of delay.
    """

    agent: Agent
    rule: Rule
    workers: int
    coverage: float
    delay_mean: float
    delay_p50: float
    delay_p99: float
    interval_mean: float
    inaction_regret: float
    delay_regret: float
    busy: float
    cores: float
    memory_bytes: int | None
    ticks: int
    runs: int
    cautions: tuple[str, ...] = ()

    @property
    def regret_per_tick(self) -> float:
        """J_ρ = 1 − mean over ticks of fresh·ρ^(delay−1)."""
        return self.inaction_regret + self.delay_regret


def forecast(
    agent: Agent | LatencyModel,
    rule: Rule,
    hz: float,
    *,
    predictability: float = 0.99,
    ticks: int = TICKS,
    limit_s: float = LIMIT_S,
    episode_ticks: int | None = None,
    seed: int = 0,
) -> Forecast:
    """Forecast ``rule`` at ``hz``: up to four runs of ``ticks`` ticks, pooled, as many as fit into ``limit_s``.

    The result is the same on any machine that is fast enough; a slow one plays fewer ticks, at least 500.

    Args:
        agent: the law of the inference times, or an `Agent`.
        predictability: ρ of J_ρ, in (0, 1].
        limit_s: seconds of computing time.
        episode_ticks: ticks of an episode, whose end discards inferences in flight; None: episodes never end.

    Raises:
        ConfigurationError: if an argument is invalid.
    """
    if not (isfinite(limit_s) and limit_s > 0):
        raise ConfigurationError(f"limit_s={limit_s!r} must be a finite number of seconds above 0; try {LIMIT_S}")
    until_s = perf_counter() + limit_s
    playing = Playing(
        agent, rule, hz, predictability=predictability, ticks=ticks, episode_ticks=episode_ticks, seed=seed
    )
    playing.play(min(LEAST_TICKS, ticks))
    playing.play(MOST_RUNS * ticks, until_s)
    return playing.forecast()


def check_predictability(predictability: float) -> None:
    """Refuse a ρ outside (0, 1]."""
    if not (isinstance(predictability, int | float) and 0 < predictability <= 1):
        raise ConfigurationError(f"predictability={predictability!r} must lie in (0, 1]; try 0.99")


class Playing:
    """A forecast in progress, which can be played on.

    Args:
        ticks: of each run; after it, another begins with the next seed.
        more: see `forecast`.

    Raises:
        ConfigurationError: if an argument is invalid.
    """

    def __init__(
        self,
        agent: Agent | LatencyModel,
        rule: Rule,
        hz: float,
        *,
        predictability: float = 0.99,
        ticks: int = TICKS,
        episode_ticks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_predictability(predictability)
        self.agent = agent if isinstance(agent, Agent) else Agent(latency=agent)
        self.rule = rule
        self._hz, self._predictability = hz, predictability
        self._length, self._episode_ticks, self._seed = ticks, episode_ticks, seed
        self._runs: list[VirtualRun] = []
        self._start_up = start_up_ticks(self.agent.latency, float(exact_hz(hz)))

    @property
    def ticks(self) -> int:
        """The number of ticks played so far, in all runs together."""
        return sum(run.tick for run in self._runs)

    def play(self, to_ticks: int, until_s: float = inf) -> None:
        """Play on up to ``to_ticks`` ticks in all, or until ``until_s`` on the clock of `time.perf_counter`."""
        while self.ticks < to_ticks and perf_counter() < until_s:
            if not self._runs or self._runs[-1].tick == self._length:
                self._begin()
            run = self._runs[-1]
            run.play(run.tick + min(STRETCH, self._length - run.tick, to_ticks - self.ticks))
            if run.record.interrupted:
                raise interruption(run.record.signal)

    def forecast(self) -> Forecast:
        """The forecast of what has been played."""
        runs = [settled(run.record, self._start_up) for run in self._runs]
        found = _pooled(self.agent, self.rule, runs, self._predictability)
        return replace(found, cautions=(*self._of_start_up(), *_of_parts(runs)))

    def _begin(self) -> None:
        clock = Virtual(hz=self._hz, latency=Typical(self.agent.latency), head=Constant(0.0))
        checked = set_up(
            NullEnv(episode_ticks=self._episode_ticks),
            self.agent.idle(),
            self.rule,
            clock,
            ticks=self._length,
            seed=self._seed + len(self._runs),
        )
        self._runs.append(clock.begin(checked.setup()))

    def _of_start_up(self) -> tuple[str, ...]:
        longest = max(run.tick for run in self._runs)
        if longest >= 2 * self._start_up or longest == self._length:
            return ()
        return (
            f"It has played {longest} ticks, and its start-up may take {self._start_up}: more time is needed for a "
            "forecast of what follows.",
        )


def start_up_ticks(law: LatencyModel, hz: float) -> int:
    """The length of a run's start-up: 300 ticks and three long inferences."""
    long_s = latency_figures(law, count=1000)["p99_s"]
    return START_UP_TICKS + ceil(min(START_UP_INFERENCES * long_s * hz, float(TICKS)))


def settled(record: RunRecord, start_up: int) -> Metrics:
    """The metrics of a run without its start-up of ``start_up`` ticks, or the first half of it if that is less."""
    return Metrics(record, max(Metrics(record).first_due() - 1, min(start_up, len(record.ticks) // 2)))


def _of_parts(runs: Sequence[Metrics]) -> tuple[str, ...]:
    """A caution where the parts of a forecast differ so much that another run may be out of its bounds."""
    coverages, delays = [], []
    for run in runs:
        ticks = run.ticks
        count = max(1, PARTS // len(runs))
        for fresh, delay in zip(
            np.array_split(ticks.fresh, count), np.array_split(ticks.delay_ticks, count), strict=True
        ):
            if len(fresh):
                coverages.append(float(fresh.mean()))
            if fresh.any():
                delays.append(float(delay[fresh].mean()))
    coverage_off, delay_off = interval(coverages)[1], interval(delays)[1]
    within = max(DELAY_WITHIN_TICKS, DELAY_WITHIN_SHARE * float(np.mean(delays))) if delays else inf
    if not (coverage_off > COVERAGE_WITHIN or delay_off > within):
        return ()
    return (
        f"Its parts differ: coverage is certain to ± {coverage_off:.2g}, mean delay to ± {delay_off:.2g} ticks; runs "
        "of some minutes will differ as well.",
    )


def _pooled(agent: Agent, rule: Rule, runs: list[Metrics], predictability: float) -> Forecast:
    elapsed = sum(len(run.ticks.tick) for run in runs)
    delays: NDArray[Any] = np.concatenate([run.delays for run in runs])
    intervals: NDArray[Any] = np.concatenate([run.intervals for run in runs])
    fresh = len(delays)
    coverage = fresh / elapsed if elapsed else 0.0
    kept = float(np.sum(predictability ** (delays - 1.0))) / elapsed if elapsed else 0.0
    p50, p99 = np.percentile(delays, (50, 99)) if fresh else (float("nan"), float("nan"))
    busy = sum(_busy_ns(run) for run in runs) / max(1, sum(_span_ns(run) for run in runs))
    workers = max(int(run.inferences.worker.max(initial=-1)) + 1 for run in runs)
    workers = rule.initial_workers if rule.most_workers == rule.initial_workers else workers
    return Forecast(
        agent=agent,
        rule=rule,
        workers=workers,
        coverage=coverage,
        delay_mean=float(delays.mean()) if fresh else float("nan"),
        delay_p50=float(p50),
        delay_p99=float(p99),
        interval_mean=float(intervals.mean()) if len(intervals) else float("nan"),
        inaction_regret=1 - coverage,
        delay_regret=coverage - kept,
        busy=busy,
        cores=busy * agent.cores_each,
        memory_bytes=None if agent.worker_bytes is None else workers * agent.worker_bytes,
        ticks=sum(len(run.record.ticks) for run in runs),
        runs=len(runs),
    )


def _span_ns(run: Metrics) -> int:
    cadence, ticks = run.record.trace.cadence, run.record.ticks
    return cadence.deadline_ns(int(ticks[-1])) - cadence.epoch_ns if len(ticks) else 0


def _busy_ns(run: Metrics) -> int:
    """The time that workers spend on inference, up to the end of the run."""
    inferences = run.inferences
    end_ns = run.record.trace.cadence.epoch_ns + _span_ns(run)
    return int((np.minimum(inferences.until_ns(end_ns), end_ns) - inferences.started_ns).sum())


def latency_figures(law: LatencyModel, *, count: int = 10_000, seed: int = 0) -> dict[str, float]:
    """The mean, p50, p99 and maximum in seconds of ``count`` inference times, each alone."""
    sample = law.checked_sampler(np.random.default_rng(seed))
    apart_ns = int(1e15)
    seconds = np.array([sample(0, number * apart_ns) for number in range(count)]) / NS_PER_S
    return {
        "mean_s": float(seconds.mean()),
        "p50_s": float(np.percentile(seconds, 50)),
        "p99_s": float(np.percentile(seconds, 99)),
        "longest_s": float(seconds.max()),
    }


def _same(*inputs: Any) -> int:
    return 0


def _chunk(length: int, observation: Any) -> NDArray[np.int64]:
    return np.zeros(length, np.int64)
