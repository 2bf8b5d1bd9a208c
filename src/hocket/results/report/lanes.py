"""Schedules as lanes in time: excerpts as SVG, and the data of the whole for the page's script to draw."""

from __future__ import annotations

import math
import zlib
from base64 import b64encode
from html import escape
from typing import Any

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.core.commands import Outcome
from hocket.results.metrics import Metrics, deadlines_ns
from hocket.results.report.axes import nice, number

NAMES = {
    Outcome.EXECUTED: "executed",
    Outcome.SUPERSEDED: "superseded",
    Outcome.DROPPED: "dropped (late)",
    Outcome.DUPLICATE: "duplicate",
    Outcome.DISCARDED: "discarded",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
}
STYLES = {kind: f"o{int(kind)}" for kind in Outcome}
WIDTH, LEFT, RIGHT = 1160, 78, 10
TALLEST = 430
"""Height of all lanes together, in pixels."""
MOST_BARS = 700
MOST_SCROLLED = 30_000
"""The most inferences in the scrolling view."""


def window_ticks(metrics: Metrics) -> int:
    """Return the number of ticks of an excerpt: an inference must be visible from its start to its end."""
    seconds = metrics.inferences.durations_s
    period_s = metrics.record.trace.cadence.period_ns / NS_PER_S
    needed = 3.5 * float(np.median(seconds)) / period_s if len(seconds) else 0.0
    return int(np.clip(needed, 40, 240))


def excerpt(metrics: Metrics, first: int, count: int) -> str:
    """Draw ticks ``first`` + 1 … ``first`` + ``count`` as SVG."""
    cadence, ticks, inferences = metrics.record.trace.cadence, metrics.ticks, metrics.inferences
    begin_ns, end_ns = cadence.deadline_ns(first), cadence.deadline_ns(first + count + 1)
    until_ns = inferences.until_ns(metrics.over_ns)
    shown = np.flatnonzero((inferences.started_ns < end_ns) & (until_ns > begin_ns))[:MOST_BARS]
    workers = np.unique(inferences.worker).tolist()
    lane = float(np.clip(TALLEST / max(1, len(workers)), 4.0, 26.0))
    top, bottom = 6.0, 6.0 + lane * len(workers)
    tick_y = bottom + 14
    height = tick_y + 34
    scale = (WIDTH - LEFT - RIGHT) / (end_ns - begin_ns)

    def x(ns: Any) -> Any:
        return LEFT + (np.clip(ns, begin_ns, end_ns) - begin_ns) * scale

    parts = []
    inside = (ticks.tick > first) & (ticks.tick <= first + count)
    due = x(deadlines_ns(cadence, ticks.tick[inside]))
    grid = "".join(f"M{at:.1f} {top}V{tick_y:.1f}" for at in due.tolist())
    parts.append(f'<path class="grid" d="{grid}"/>')
    every = math.ceil(14 / lane)
    for place, worker in enumerate(workers):
        if place % every == 0:
            parts.append(
                f'<text class="tick" x="{LEFT - 8}" y="{top + lane * (place + 0.5) + 4:.1f}" text-anchor="end">'
                f"worker {worker}</text>"
            )
    thick = max(3.0, lane * 0.62)
    pad = (lane - thick) / 2
    place_of = np.searchsorted(workers, inferences.worker[shown]).tolist()
    for row, place in zip(shown.tolist(), place_of, strict=True):
        parts.append(_bar(metrics, row, top + lane * place + pad, thick, x, int(until_ns[row])))
    half = min(4.5, max(1.2, 0.35 * (WIDTH - LEFT) / count))
    fresh = ticks.fresh[inside]
    side, up = f"{2 * half:.1f}", f"{tick_y - half:.1f}"
    dots = "".join(f"M{at:.1f} {up}h{side}v{side}h-{side}z" for at in (due[fresh] - half).tolist())
    crosses = "".join(f"M{at:.1f} {up}l{side} {side}m0 -{side}l-{side} {side}" for at in (due[~fresh] - half).tolist())
    parts.append(f'<path class="fresh" d="{dots}"/><path class="default" d="{crosses}"/>')
    parts.append(f'<text class="tick" x="{LEFT - 8}" y="{tick_y + 4:.1f}" text-anchor="end">ticks</text>')
    begin_s, end_s = ((ns - cadence.epoch_ns) / NS_PER_S for ns in (begin_ns, end_ns))
    for at_s in nice(begin_s, end_s, 10):
        at = float(x(cadence.epoch_ns + at_s * NS_PER_S))
        if at > WIDTH - 22:
            continue
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{height - 4:.1f}" text-anchor="middle">{number(at_s)} s</text>'
        )
    label = escape(f"Lanes of {len(workers)} workers, ticks {first + 1} to {first + count}")
    return (
        f'<svg class="lanes" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _bar(metrics: Metrics, row: int, y: float, thick: float, x: Any, until_ns: int) -> str:
    """Draw one inference: its bar, and a thin line from its end to the tick that executed it."""
    cadence, every = metrics.record.trace.cadence, metrics.inferences
    kind = kind_of(int(every.outcome[row]))
    left, right = float(x(every.started_ns[row])), float(x(until_ns))
    executed = int(every.executed_tick[row])
    took = f"{(until_ns - int(every.started_ns[row])) / 1e6:.1f} ms"
    fate = f"executed at tick {executed}" if executed >= 0 else NAMES[kind]
    told = f"inference {row}: observation {every.observation[row]}, {fate}, {took}"
    wait = ""
    if executed >= 0:
        at = float(x(cadence.deadline_ns(executed)))
        wait = f'<path class="wait {STYLES[kind]}" d="M{right:.1f} {y + thick / 2:.1f}H{at:.1f}"/>'
    return (
        f'{wait}<rect class="{STYLES[kind]}" x="{left:.1f}" y="{y:.1f}" width="{max(1.0, right - left):.1f}" '
        f'height="{thick:.1f}"><title>{told}</title></rect>'
    )


def kind_of(outcome: int) -> Outcome:
    """Return the outcome that it is drawn as; one that the run's end cut off is drawn as discarded."""
    return Outcome.DISCARDED if outcome < 0 else Outcome(outcome)


def kinds_in(metrics: Metrics) -> list[tuple[str, str]]:
    """Return names and styles of the outcomes that occur."""
    there = {kind_of(kind) for kind in np.unique(metrics.inferences.outcome).tolist()}
    return [(NAMES[kind], STYLES[kind]) for kind in Outcome if kind in there]


def scrolled(metrics: Metrics) -> dict[str, Any]:
    """Return the schedule, or its beginning as far as it fits, for the page's script: columns as base64 of int32.

    Times are microseconds since the epoch; a run of more than 35 minutes uses tens or hundreds of microseconds.
    """
    cadence, ticks, every = metrics.record.trace.cadence, metrics.ticks, metrics.inferences
    order = np.argsort(every.started_ns, kind="stable")[:MOST_SCROLLED]
    until_ns = every.until_ns(metrics.over_ns)[order]
    whole = len(order) == len(every.worker)
    end_ns = metrics.over_ns if whole else int(every.started_ns[order[-1]])
    unit = 1000
    while (end_ns - cadence.epoch_ns) / unit >= 2**31:
        unit *= 10
    shown = deadlines_ns(cadence, ticks.tick) <= end_ns
    return {
        "unit_s": unit / NS_PER_S,
        "period_s": cadence.period_ns / NS_PER_S,
        "end_s": (end_ns - cadence.epoch_ns) / NS_PER_S,
        "workers": np.unique(every.worker).tolist(),
        "names": [NAMES[kind] for kind in Outcome],
        "start": _packed((every.started_ns[order] - cadence.epoch_ns) // unit),
        "until": _packed((until_ns - cadence.epoch_ns) // unit),
        "worker": _packed(every.worker[order]),
        "fate": _packed(np.where(every.outcome[order] < 0, Outcome.DISCARDED, every.outcome[order])),
        "observation": _packed(every.observation[order]),
        "executed": _packed(every.executed_tick[order]),
        "tick": _packed(ticks.tick[shown]),
        "delay": _packed(ticks.delay_ticks[shown]),
    }


def _packed(values: Any) -> str:
    """Encode differences of neighbours as int32, deflated: schedules are repetitive."""
    whole = np.asarray(values, np.int64)
    return b64encode(zlib.compress(np.diff(whole, prepend=0).astype("<i4").tobytes(), 6)).decode()
