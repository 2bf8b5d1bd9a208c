"""Selects the rules and numbers of workers that a plan forecasts, and recommends one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hocket.analysis.forecast import Agent, Forecast
from hocket.core.cadence import exact_hz
from hocket.core.rules import ExpectedTime, MaxTime, Rule, Sequential, TickDispatch, Unstaggered
from hocket.errors import ConfigurationError, check_whole
from hocket.policies.base import Alignment, check_alignment

WORTH = 0.01
"""As many workers again as the mean inference time needs must save at least this much regret per tick."""


def rules_of(workers: int, predictability: float) -> tuple[Rule, ...]:
    """Every kind of rule with ``workers`` workers; the sequential one only for one worker."""
    staggered: tuple[Rule, ...] = (
        Unstaggered(workers),
        MaxTime(workers),
        ExpectedTime(workers),
        TickDispatch(workers, quantile=0.95),
        TickDispatch(workers, quantile=0.99),
        TickDispatch(workers, quantile=0.95, hold=False),
        TickDispatch(workers, quantile="auto", predictability=float(predictability)),
    )
    return (Sequential(), *staggered) if workers == 1 else staggered


def label(rule: Rule) -> str:
    """A short name of the rule, without its number of workers."""
    if not isinstance(rule, TickDispatch):
        return type(rule).__name__
    aim = "auto" if rule.quantile == "auto" else f"q={rule.quantile:g}"
    return f"TickDispatch {aim}{'' if rule.hold else ', release'}"


def worker_counts(needed: int, needed_on_average: int, most: int) -> tuple[int, ...]:
    """The numbers to forecast: 1, around the number for mean times, and the number for the longest; up to ``most``."""
    mean = needed_on_average
    candidates = {
        1,
        mean,
        mean + max(1, mean // 8),
        mean + max(1, mean // 4),
        mean + max(2, mean // 2),
        2 * mean,
        needed,
    }
    return tuple(sorted({min(number, most) for number in candidates}))


@dataclass(frozen=True, slots=True)
class Choice:
    """The recommended forecast and the reason."""

    forecast: Forecast
    why: str


def worker_price_of(mean_ticks: float) -> float:
    """The regret per tick that each worker must save, unless a price is given, for inferences of ``mean_ticks``.

    It finds the knee of regret against workers, in the scale of the workers that the mean inference time needs.
    """
    return WORTH / max(1.0, mean_ticks)


def rank_of(one: Forecast, worker_price: float) -> tuple[float, int, float]:
    """The cost that a recommendation minimises: J_ρ + ``worker_price``·workers, then workers, then processors."""
    return round(one.regret_per_tick + worker_price * one.workers, 6), one.workers, round(one.cores, 2)


def fits(one: Forecast, cores: float | None, memory_bytes: int | None) -> bool:
    """True if a forecast is within the budget."""
    return (cores is None or one.cores <= cores) and (
        memory_bytes is None or one.memory_bytes is None or one.memory_bytes <= memory_bytes
    )


def recommend(
    forecasts: Sequence[Forecast],
    predictability: float,
    cores: float | None,
    memory_bytes: int | None,
    worker_price: float,
) -> Choice:
    """The forecast with the least J_ρ + ``worker_price``·workers that fits the budget; the first of equal ones.

    Raises:
        ConfigurationError: if nothing fits the budget.
    """
    fitting = [one for one in forecasts if fits(one, cores, memory_bytes)]
    if not fitting:
        raise ConfigurationError(
            f"nothing fits cores={cores}, memory_bytes={memory_bytes}: the least needs "
            f"{min(one.cores for one in forecasts):.2f} cores; try a smaller policy or a larger budget"
        )

    chosen = min(fitting, key=lambda one: rank_of(one, worker_price))
    best = min(fitting, key=lambda one: round(one.regret_per_tick, 6))
    parts = [
        f"Regret {chosen.regret_per_tick:.3f} a tick at ρ = {predictability:g}: {chosen.inaction_regret:.3f} lost "
        f"to inaction, {chosen.delay_regret:.3f} to delay."
    ]
    if chosen is best:
        parts.append("No other forecast within the budget has less.")
    else:
        parts.append(
            f"The least is {best.regret_per_tick:.3f} ({label(best.rule)}, {_workers(best.workers)}); a worker must "
            f"save {worker_price:.2g} a tick."
        )
    sequential = [one for one in forecasts if isinstance(one.rule, Sequential)]
    if sequential and not isinstance(chosen.rule, Sequential):
        regret = min(one.regret_per_tick for one in sequential)
        parts.append(f"The sequential loop: {regret:.3f}.")
    if len(fitting) < len(forecasts):
        parts.append(f"{len(forecasts) - len(fitting)} of {len(forecasts)} exceed the budget.")
    return Choice(chosen, " ".join(parts))


def _workers(count: int) -> str:
    return f"{count} worker" if count == 1 else f"{count} workers"


def workers_needed(
    longest_s: float, hz: float, *, chunk_length: int = 1, alignment: Alignment = Alignment.OBSERVATION
) -> int:
    """The number of staggered workers that act at every tick if no inference takes longer than ``longest_s``.

    N* = ⌈d / a⌉, at least 1: d = ⌈τ_θ^max / τ_M⌉ ticks, and a is how many actions of an answer come in time: 1 of 1,
    all of H aligned to their release, and H − d + 1 of H aligned to their observation.

    Raises:
        ConfigurationError: if ``longest_s`` is negative or not a number, or ``hz`` is not a rate; if no number of
            workers can act, because d exceeds the H of chunks that are aligned to their observations.
    """
    check_whole("chunk_length", chunk_length, example=1)
    check_alignment(alignment)
    ticks = _ceiling(_seconds("longest_s", longest_s) * float(exact_hz(hz)))
    if chunk_length == 1 or alignment is Alignment.RELEASE:
        return -(-ticks // chunk_length)
    in_time = chunk_length - ticks + 1
    if in_time < 1:
        raise ConfigurationError(
            f"chunk_length={chunk_length} is too short for inferences of {ticks} ticks: all actions come after their "
            f"ticks, with any number of workers; try chunk_length={2 * ticks - 1}, or Alignment.RELEASE"
        )
    return -(-ticks // in_time)


def workers_of(agent: Agent, longest_s: float, hz: float) -> int | None:
    """`workers_needed` for the answers of ``agent``; None if no number of workers is enough."""
    if 0 < agent.horizon_ticks < workers_needed(longest_s, hz):
        return None
    return workers_needed(longest_s, hz, chunk_length=agent.chunk_length, alignment=agent.alignment)


def learners_needed(update_s: float, interval_s: float) -> int:
    """The number of learners that make one update for each action, with one action every ``interval_s``.

    N_L* = ⌈τ_L / τ_I⌉, at least 1.

    Raises:
        ConfigurationError: if ``update_s`` is negative, ``interval_s`` is not positive, or either is not a number.
    """
    if _seconds("interval_s", interval_s) == 0:
        raise ConfigurationError("interval_s=0 leaves no time between actions; try the seconds of a tick, 1 / 60")
    return _ceiling(_seconds("update_s", update_s) / interval_s)


def _ceiling(ratio: float) -> int:
    """⌈ratio⌉, at least 1; rounding errors of floating point are ignored."""
    return max(1, math.ceil(round(ratio, 9)))


def _seconds(name: str, value: float) -> float:
    if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
        raise ConfigurationError(f"{name}={value!r} must be a finite number of seconds from 0; try 0.2")
    return value
