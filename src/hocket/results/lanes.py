"""Draws a schedule as lanes in time: one lane a worker, with the ticks below."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.core.commands import Outcome
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.hooks.record import RunRecord
from hocket.results.files import replacing
from hocket.results.metrics import Metrics, deadlines_ns

# Okabe and Ito's colours: distinct with any colour vision.
FRESH, DEFAULT = "#009E73", "#D55E00"
COLOURS = {
    Outcome.EXECUTED: ("#0072B2", "executed"),
    Outcome.SUPERSEDED: ("#E69F00", "superseded"),
    Outcome.DROPPED: ("#CC79A7", "dropped (late)"),
    Outcome.DUPLICATE: ("#56B4E9", "duplicate"),
    Outcome.DISCARDED: ("#999999", "discarded"),
    Outcome.FAILED: ("#000000", "failed"),
    Outcome.CANCELLED: ("#F0E442", "cancelled"),
}


LANE_INCHES = 0.41
MOST_INCHES = 8.0
"""Height of all lanes in one panel: many workers get thin lanes."""
MOST_LABELS = 16
LINK = 1.0
"""Width of the line from an observation to the tick that executes its action."""
LINK_LABEL = "from an observation to the tick that acts on it"
LEAST_LANE_INCHES = 0.2
"""Least height of a lane with room for these lines below its bars."""
ROWS = 3
"""Rows of these lines in one lane, used in turn."""


def check_drawable() -> None:
    """Raise MissingExtraError without matplotlib; call it before a long run, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("drawing lanes", "report") from error


def draw_lanes(
    runs: Sequence[tuple[str, RunRecord]], path: str | os.PathLike[str], *, title: str, duration_s: float = 0.5
) -> None:
    """Draw ``duration_s`` from the middle of each run, one panel a run, into the PNG ``path``.

    Raises:
        ConfigurationError: if there is nothing to draw, or the file cannot be written.
        MissingExtraError: without matplotlib.
    """
    if not runs or not duration_s > 0:
        raise ConfigurationError(
            f"{len(runs)} runs, duration_s={duration_s!r}: give at least one run and a time above 0"
        )
    check_drawable()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawn = [(name, Metrics(record)) for name, record in runs]
    lanes = [np.unique(metrics.inferences.worker).tolist() for _, metrics in drawn]
    heights = [0.75 + min(LANE_INCHES * len(workers), MOST_INCHES) for workers in lanes]
    figure = Figure(figsize=(11, 1.3 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(runs), 1, squeeze=False, height_ratios=heights)[:, 0]
    seen: set[int] = set()
    for panel, (name, metrics), workers in zip(panels, drawn, lanes, strict=True):
        seen |= _draw_run(panel, name, metrics, workers, duration_s)
    panels[-1].set_xlabel("time within the excerpt (s)")
    legend: list[Any] = [
        Line2D([], [], linestyle="", marker="o", color=FRESH, label="tick: fresh action"),
        Line2D([], [], linestyle="", marker="x", color=DEFAULT, label="tick: default"),
        Line2D([], [], marker="|", color=COLOURS[Outcome.EXECUTED][0], linewidth=LINK, label=LINK_LABEL),
    ]
    legend += [
        Patch(color=colour, label=f"inference: {label}") for kind, (colour, label) in COLOURS.items() if kind in seen
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title)
    with replacing(Path(path)) as partial:
        figure.savefig(partial, dpi=110, format="png")


def _draw_run(panel: Any, name: str, metrics: Metrics, workers: list[int], duration_s: float) -> set[int]:
    cadence, ticks, inferences = metrics.record.trace.cadence, metrics.ticks, metrics.inferences
    window_ns = int(duration_s * NS_PER_S)
    gap = max(1.0, len(workers) * LANE_INCHES / MOST_INCHES)  # thin lanes keep their distance from the ticks
    # The middle one of the stretches of this length, or the whole of a shorter run.
    last_ns = cadence.deadline_ns(int(ticks.tick[-1])) if len(ticks.tick) else cadence.epoch_ns
    begin_ns = cadence.epoch_ns + max(0, last_ns - cadence.epoch_ns - window_ns) // 2
    end_ns = begin_ns + window_ns
    until_ns = inferences.until_ns(last_ns)
    shown = np.flatnonzero((inferences.started_ns < end_ns) & (until_ns > begin_ns))
    kinds = [Outcome.DISCARDED if kind < 0 else Outcome(kind) for kind in inferences.outcome[shown].tolist()]
    left = (inferences.started_ns[shown] - begin_ns) / NS_PER_S
    lane = np.searchsorted(workers, inferences.worker[shown]) + 1
    tall = LANE_INCHES / gap >= LEAST_LANE_INCHES
    ticks_y = len(workers) + gap
    panel.barh(
        lane - 0.16 * tall,
        (until_ns[shown] - begin_ns) / NS_PER_S - left,
        left=left,
        height=0.5 if tall else 0.62,
        color=[COLOURS[kind][0] for kind in kinds],
        edgecolor="white",
        linewidth=min(0.8, 4 * LANE_INCHES / gap),
    )
    if tall:
        _draw_links(panel, metrics, shown, lane, begin_ns, ticks_y)
    due = (deadlines_ns(cadence, ticks.tick) - begin_ns) / NS_PER_S
    inside = (due >= 0) & (due <= duration_s)
    size = float(np.clip(600 / max(1, inside.sum()), 1, 6))
    for fresh, marker, colour in ((True, "o", FRESH), (False, "x", DEFAULT)):
        at = due[inside & (ticks.fresh == fresh)]
        if len(at):  # an unclipped line without points would count as one in the figure's corner
            panel.plot(at, np.full(len(at), ticks_y), marker, color=colour, markersize=size, clip_on=False)
    panel.vlines(due[inside], 0.6, ticks_y, color="#DDDDDD", linewidth=0.1 * size, zorder=0)
    panel.set_xlim(0, duration_s)
    panel.set_ylim(ticks_y + 0.6 * gap, 0.4)
    labelled = range(0, len(workers), math.ceil(len(workers) / MOST_LABELS) or 1)
    panel.set_yticks([*(i + 1 for i in labelled), ticks_y], [*(f"worker {workers[i]}" for i in labelled), "ticks"])
    coverage, delays = metrics.coverage, metrics.delays
    delay = f", mean delay {delays.mean():.1f} ticks" if len(delays) else ""
    panel.set_title(f"{name}: {coverage:.0%} of all ticks fresh{delay}", loc="left", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    return set(kinds)


def _draw_links(panel: Any, metrics: Metrics, shown: Any, lane: Any, begin_ns: int, ticks_y: float) -> None:
    """Draw lines from each observation to the tick that executed its action, and down to that tick's mark."""
    cadence, inferences = metrics.record.trace.cadence, metrics.inferences
    turn = np.zeros(len(shown), np.int64)
    for worker in np.unique(lane):
        turn[lane == worker] = np.arange((lane == worker).sum())
    executed = inferences.executed_tick[shown]
    some = executed >= 0
    seen_s = (deadlines_ns(cadence, inferences.observation[shown][some]) - begin_ns) / NS_PER_S
    acted_s = (deadlines_ns(cadence, executed[some]) - begin_ns) / NS_PER_S
    y = (lane + 0.2 + 0.11 * (turn % ROWS))[some]
    style: dict[str, Any] = {"color": COLOURS[Outcome.EXECUTED][0], "linewidth": LINK}
    panel.hlines(y, seen_s, acted_s, **style)
    panel.vlines(seen_s, y - 0.05, y + 0.05, **style)
    panel.vlines(acted_s, y, ticks_y, **style, alpha=0.3)
