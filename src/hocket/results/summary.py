"""The summary of a run: its headline figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hocket.hooks.record import RunRecord
from hocket.results.metrics import Metrics, Seams, percentiles

USUAL_PREDICTABILITY = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The headline figures of a run. Delays and intervals are in ticks, all times in seconds."""

    ticks: int
    coverage: float
    steady_coverage: float
    """Coverage from the first tick that an inference could have made."""
    inaction: float
    predictability: float
    """The ρ of the next two: the rule's, or 0.99."""
    inaction_regret: float
    """J_ρ per tick, the part lost to default ticks."""
    delay_regret: float
    """J_ρ per tick, the part lost to delay."""
    default_cost: float
    """β's measured cost a tick: (mean reward of fresh ticks − that of default ticks)·inaction. Only immediate
    rewards count, not later consequences; NaN without two ticks of each."""
    default_cost_error: float
    """Its standard error, as if ticks were independent."""
    missed: int
    delay_mean: float
    delay_p50: float
    delay_p99: float
    age_p50_s: float | None
    """Age of the observation behind an action, its delay included; None where the environment says no ages; see
    `RunRecord.ages_ns`."""
    age_p99_s: float | None
    interval_mean: float
    interval_p99: float
    lateness_p50_s: float
    lateness_p99_s: float
    step_p50_s: float
    """Duration of ``env.step`` on the wall clock, under either clock."""
    step_p99_s: float
    overruns: int
    """Number of ticks whose step, an episode's reset included, took longer than a tick."""
    priority: int
    """The tick loop's real-time priority; 0 for an ordinary thread's."""
    tick_loop_cpu_share: float
    inference_mean_s: float
    inference_p99_s: float
    workers: dict[str, dict[str, float]]
    """By worker: inferences finished, their mean and 99th percentile in seconds."""
    outcomes: dict[str, int]
    binds: int
    """Number of heads of a two-stage policy that were called, just before their tick."""
    uncorrected: int
    """Number of ticks whose head of a chunk failed, and which executed the action as it was planned."""
    missed_binds: int
    """Number of heads that missed their tick."""
    clipped: int
    """Number of ticks whose action was outside the action space and clipped to it."""
    seams: dict[str, float]
    """Of the jumps where one chunk of actions hands over to another, see `hocket.results.Seams`: their ``count``,
    ``jump_p50`` and ``jump_p99``; the changes ``elsewhere_p50`` and ``elsewhere_p99`` between steps of one chunk; with
    a ``jump_bound`` the share ``above`` it. Empty without seams."""
    episodes: int
    return_mean: float
    reward_total: float
    counts: dict[str, int]
    """The totals of what the environment counts, such as battles won; see `RunRecord.counts`."""
    interrupted: bool
    notes: list[str]
    """Requests that the system denied the run."""

    @classmethod
    def of(cls, record: RunRecord) -> Summary:
        """Compute the summary of ``record``."""
        metrics = Metrics(record)
        rho = getattr(record.trace.rule, "predictability", None) or USUAL_PREDICTABILITY
        inaction_regret, delay_regret = metrics.regret_shares(rho)
        (fresh_reward, fresh_error), (default_reward, default_error) = metrics.reward_means()
        delay_p50, delay_p99 = percentiles(metrics.delays, 50, 99)
        ages_s = metrics.ages_s
        age_p50, age_p99 = percentiles(ages_s, 50, 99) if len(ages_s) else (None, None)
        (interval_p99,) = percentiles(metrics.intervals, 99)
        lateness_p50, lateness_p99 = percentiles(metrics.lateness_s, 50, 99)
        step_s = metrics.step_s
        step_p50, step_p99 = percentiles(step_s, 50, 99)
        seconds = metrics.inferences.durations_s
        returns = metrics.episode_returns
        return cls(
            ticks=int(metrics.ticks.tick[-1]) if len(metrics.ticks.tick) else 0,
            coverage=metrics.coverage,
            steady_coverage=Metrics(record, max(0, metrics.first_due() - 1)).coverage,
            inaction=1 - metrics.coverage,
            predictability=rho,
            inaction_regret=inaction_regret,
            delay_regret=delay_regret,
            default_cost=(fresh_reward - default_reward) * inaction_regret,
            default_cost_error=math.hypot(fresh_error, default_error) * inaction_regret,
            missed=metrics.missed,
            delay_mean=_mean(metrics.delays),
            delay_p50=delay_p50,
            delay_p99=delay_p99,
            age_p50_s=age_p50,
            age_p99_s=age_p99,
            interval_mean=_mean(metrics.intervals),
            interval_p99=interval_p99,
            lateness_p50_s=lateness_p50,
            lateness_p99_s=lateness_p99,
            step_p50_s=step_p50,
            step_p99_s=step_p99,
            overruns=int((step_s > 1 / float(record.trace.cadence.hz)).sum()),
            priority=record.priority,
            tick_loop_cpu_share=record.loop_cpu_s / record.wall_s if record.wall_s else float("nan"),
            inference_mean_s=_mean(seconds),
            inference_p99_s=percentiles(seconds, 99)[0],
            workers={
                str(worker): {"inferences": count, "mean_s": mean, "p99_s": p99}
                for worker, (count, mean, p99) in metrics.worker_seconds().items()
            },
            outcomes=metrics.outcomes,
            binds=metrics.binds,
            uncorrected=record.uncorrected,
            missed_binds=metrics.missed_binds,
            clipped=record.clipped,
            seams=_seams(metrics.seams, record.jump_bound),
            episodes=len(returns),
            return_mean=_mean(returns),
            reward_total=float(np.sum(np.frombuffer(record.rewards, np.float64))),
            counts=dict(record.counts),
            interrupted=record.interrupted,
            notes=list(record.notes),
        )

    def __str__(self) -> str:
        def ms(seconds: float) -> str:
            return "n/a" if math.isnan(seconds) else f"{seconds * 1e3:.3g} ms"

        def number(value: float) -> str:
            return "n/a" if math.isnan(value) else f"{value:.4g}"

        ended = ", ".join(f"{count} {how}" for how, count in self.outcomes.items() if count) or "none"
        lines = [
            f"ticks       {self.ticks}"
            + (f", {self.missed} missed" if self.missed else "")
            + (" (interrupted)" if self.interrupted else ""),
            f"coverage    {self.coverage:.3f}; {self.steady_coverage:.3f} once the first inference was due",
            f"regret      {self.inaction_regret + self.delay_regret:.3f} a tick at ρ = {self.predictability:g}: "
            f"{self.inaction_regret:.3f} lost to inaction, {self.delay_regret:.3f} to delay",
            f"delay       mean {number(self.delay_mean)}, p50 {number(self.delay_p50)}, "
            f"p99 {number(self.delay_p99)} ticks",
            *(
                [f"age         p50 {ms(self.age_p50_s)}, p99 {ms(self.age_p99_s)} of the observation behind an action"]
                if self.age_p50_s is not None and self.age_p99_s is not None
                else []
            ),
            f"interval    mean {number(self.interval_mean)}, p99 {number(self.interval_p99)} ticks",
            f"lateness    p50 {ms(self.lateness_p50_s)}, p99 {ms(self.lateness_p99_s)}"
            + (f", at real-time priority {self.priority}" if self.priority else ""),
            f"step        p50 {ms(self.step_p50_s)}, p99 {ms(self.step_p99_s)}"
            + (f"; {self.overruns} longer than a tick" if self.overruns else ""),
            f"inference   mean {ms(self.inference_mean_s)}, p99 {ms(self.inference_p99_s)}, "
            f"{_count(len(self.workers), 'worker')}",
            f"inferences  {ended}",
            *([f"head        failed in {_count(self.uncorrected, 'tick')}"] if self.uncorrected else []),
            *([f"binds       {self.binds}, {self.missed_binds} missed"] if self.binds else []),
            *([_seams_line(self.seams)] if self.seams else []),
            *([f"clipped     the actions of {_count(self.clipped, 'tick')}"] if self.clipped else []),
            *(
                [f"default     cost {number(self.default_cost)} ± {number(self.default_cost_error)} reward a tick"]
                if self.default_cost_error >= 0
                else []
            ),
            f"return      mean {number(self.return_mean)} over {_count(self.episodes, 'episode')}; "
            f"total reward {number(self.reward_total)}",
            *([f"counts      {_counts(self.counts)}"] if self.counts else []),
            *(f"note        {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def _seams(seams: Seams, bound: float | None) -> dict[str, float]:
    if not len(seams.jump):
        return {}
    figures: dict[str, float] = {"count": len(seams.jump)}
    for name, values in (("jump", seams.jump), ("elsewhere", seams.elsewhere)):
        if len(values):
            figures |= zip((f"{name}_p50", f"{name}_p99"), percentiles(values, 50, 99), strict=True)
    if bound is not None:
        figures |= {"jump_bound": bound, "above": seams.share_above(bound)}
    return figures


def _seams_line(seams: Mapping[str, float]) -> str:
    line = f"seams       {seams['count']:g}, jump p50 {seams['jump_p50']:.4g}, p99 {seams['jump_p99']:.4g}"
    if "above" in seams:
        line += f", {seams['above']:.1%} above {seams['jump_bound']:g}"
    if "elsewhere_p50" in seams:
        line += f"; elsewhere p50 {seams['elsewhere_p50']:.4g}, p99 {seams['elsewhere_p99']:.4g}"
    return line


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in counts.items())


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
