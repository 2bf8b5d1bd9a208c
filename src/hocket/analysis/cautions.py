"""Sentences about what a plan cannot know: too few times, spells, one time that outweighs all others, units."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hocket.analysis.choice import workers_needed, workers_of
from hocket.analysis.forecast import Agent, Forecast
from hocket.core.rules import TickDispatch
from hocket.latency.contention import Crowded
from hocket.latency.laws import Empirical, LatencyModel
from hocket.latency.replayed import Replayed, spell_length

FEWEST_BEYOND = 5
"""A quantile is known from at least this many times beyond it."""
LONG_S, LONG_TICKS = 10.0, 1000.0
SHORT_S = 1e-5
DOMINANT = 0.3
FEWEST_SPELLS = 20
UNCERTAIN = 0.03
"""A mean that is less certain than this share of it moves coverage by about as much where workers are scarce."""


def cautions_of(chosen: Forecast, figures: dict[str, float], hz: float) -> tuple[str, ...]:
    """Cautions about the recommendation ``chosen``, as far as its uncertainty lies in the inference times."""
    law = chosen.agent.latency
    said = [_of_units(figures["mean_s"], hz), _of_chunks(chosen.agent, figures, hz)]
    measured = _measured(law)
    if measured is not None:
        durations_s = np.asarray(measured, np.float64)
        count = len(durations_s)
        said += [_of_few(chosen, count), _of_dominant(durations_s), _of_mean(durations_s)]
    if isinstance(law, Replayed):
        said.append(_of_spells(law))
    return tuple(caution for caution in said if caution)


def _measured(law: LatencyModel) -> tuple[float, ...] | None:
    if isinstance(law, Crowded):
        law = law.alone
    return tuple(law.durations_s) if isinstance(law, Empirical | Replayed) else None


def _of_units(mean_s: float, hz: float) -> str:
    if mean_s > LONG_S or mean_s * hz > LONG_TICKS:
        return (
            f"The mean inference takes {mean_s:g} s, {mean_s * hz:.3g} ticks. If the times are in milliseconds, divide "
            "them by 1000."
        )
    if mean_s < SHORT_S:
        return f"The mean inference takes {mean_s:g} s. Inference times are in seconds; 50 ms is 0.05."
    return ""


def _of_chunks(agent: Agent, figures: dict[str, float], hz: float) -> str:
    if workers_of(agent, figures["longest_s"], hz) is not None:
        return ""
    longest, usual = (workers_needed(figures[name], hz) for name in ("longest_s", "p50_s"))
    return (
        f"Inferences take up to {longest} ticks (p50: {usual}), and their chunks have actions for "
        f"{agent.horizon_ticks}: an answer that takes longer comes after all its ticks, with any number of workers. "
        "Try longer chunks, quicker inferences, or hocket.Alignment.RELEASE."
    )


def _of_few(chosen: Forecast, count: int) -> str:
    rule = chosen.rule
    if count == 1:
        return "There is one inference time only: nothing is known about how much they vary; try at least 100."
    quantile = rule.quantile if isinstance(rule, TickDispatch) and isinstance(rule.quantile, float) else 0.95
    needed = math.ceil(round(FEWEST_BEYOND / (1 - quantile), 6))
    if count < needed:
        return (
            f"{count} inference times are too few for the {quantile:g} quantile: {count * (1 - quantile):.2g} are "
            f"longer; try at least {needed}."
        )
    return ""


def _of_dominant(durations_s: NDArray[np.float64]) -> str:
    longest, whole = float(durations_s.max()), float(durations_s.sum())
    if len(durations_s) > 1 and longest > DOMINANT * whole and longest > 10 * float(np.median(durations_s)):
        return (
            f"One time, {longest:g} s, is {longest / whole:.0%} of the sum of all {len(durations_s)}: how often such a "
            "time comes is unknown."
        )
    return ""


def _of_mean(durations_s: NDArray[np.float64]) -> str:
    spell = spell_length(durations_s.tolist()) or 1.0
    if len(durations_s) == 1:
        return ""
    mean = float(durations_s.mean())
    off = 1.96 * float(durations_s.std(ddof=1)) * math.sqrt(spell / len(durations_s)) / mean
    if off <= UNCERTAIN:
        return ""
    worth = f", worth {len(durations_s) / spell:.0f} independent ones," if spell > 1 else ""
    return (
        f"Too few times were measured: {len(durations_s)} of them{worth} give the mean to ± {off:.0%}, and coverage "
        "and delay no better."
    )


def _of_spells(law: Replayed) -> str:
    count = len(law.durations_s)
    spell = spell_length(law.durations_s) or 1.0
    clock = (
        "spans of time"
        if law.started_s is not None
        else "numbers of inferences, as the file does not tell when each began (a saved run's inferences.npz does)"
    )
    order = (
        "Times in a row differ more than others" if spell == 1 else f"Times are alike over about {spell:.0f} inferences"
    )
    text = f"{order}, so they are replayed in blocks of {law.block}, by {clock}."
    if spell * FEWEST_SPELLS > count:
        text += (
            f" That is {spell / count:.0%} of the file: it may hold regimes, and a run under others, or for other "
            "lengths of time, will differ."
        )
    return text
