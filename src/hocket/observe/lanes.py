"""A schedule as lanes in time: one a worker, with the ticks below."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from hocket.core.commands import Outcome
from hocket.errors import MissingExtraError
from hocket.observe.metrics import Metrics
from hocket.record import RunRecord

# Okabe and Ito's colours: told apart with any colour vision.
FRESH, DEFAULT = "#009E73", "#D55E00"
COLOURS = {
    Outcome.EXECUTED: ("#0072B2", "executed"),
    Outcome.SUPERSEDED: ("#E69F00", "superseded"),
    Outcome.DROPPED: ("#CC79A7", "dropped (late)"),
    Outcome.DUPLICATE: ("#56B4E9", "duplicate"),
    Outcome.DISCARDED: ("#999999", "discarded"),
    Outcome.FAILED: ("#000000", "failed"),
}


def draw_lanes(
    runs: Sequence[tuple[str, RunRecord]], path: str | os.PathLike[str], *, title: str, seconds: float = 0.5
) -> None:
    """Draw ``seconds`` from the middle of each run, one panel a run, into the PNG ``path``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise MissingExtraError("drawing lanes", "report") from error
    heights = [1.0 + 0.55 * len(Metrics(record).worker_seconds()) for _, record in runs]
    figure = Figure(figsize=(11, 1.6 + 0.75 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(runs), 1, squeeze=False, height_ratios=heights)[:, 0]
    seen: set[int] = set()
    for panel, (name, record) in zip(panels, runs, strict=True):
        seen |= _draw_run(panel, name, record, seconds)
    panels[-1].set_xlabel("time within the excerpt (s)")
    legend = [Patch(color=FRESH, label="tick: fresh action"), Patch(color=DEFAULT, label="tick: default")]
    legend += [
        Patch(color=colour, label=f"inference: {label}") for kind, (colour, label) in COLOURS.items() if kind in seen
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def _draw_run(panel: Any, name: str, record: RunRecord, seconds: float) -> set[int]:
    metrics = Metrics(record)
    cadence, ticks, inferences = record.trace.cadence, metrics.ticks, metrics.inferences
    window_ns = int(seconds * 1e9)
    begin_ns = cadence.deadline_ns(int(ticks.tick[len(ticks.tick) // 2]))
    finished = np.where(inferences.finished_ns >= 0, inferences.finished_ns, begin_ns + window_ns)
    shown = (inferences.started_ns < begin_ns + window_ns) & (finished > begin_ns)
    workers = sorted(metrics.worker_seconds())
    for i in np.flatnonzero(shown).tolist():
        began, ended = ((int(t) - begin_ns) / 1e9 for t in (inferences.started_ns[i], finished[i]))
        colour = COLOURS[Outcome(int(inferences.outcome[i]))][0]
        lane = workers.index(int(inferences.worker[i])) + 1
        panel.barh(lane, ended - began, left=began, height=0.62, color=colour, edgecolor="white", linewidth=0.8)
    due = np.array([cadence.deadline_ns(int(k)) - begin_ns for k in ticks.tick]) / 1e9
    inside = (due >= 0) & (due <= seconds)
    for at, fresh in zip(due[inside], ticks.fresh[inside], strict=True):
        panel.plot(at, 0, marker="o" if fresh else "x", color=FRESH if fresh else DEFAULT, markersize=6)
        panel.axvline(at, color="#DDDDDD", linewidth=0.6, zorder=0)
    panel.set_xlim(0, seconds)
    panel.set_ylim(len(workers) + 0.6, -0.6)
    panel.set_yticks(range(len(workers) + 1), ["ticks", *(f"worker {w}" for w in workers)])
    coverage, delays = metrics.coverage, metrics.delays
    delay = f", mean delay {delays.mean():.1f} ticks" if len(delays) else ""
    panel.set_title(f"{name}: {coverage:.0%} of all ticks fresh{delay}", loc="left", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    return set(inferences.outcome[shown].tolist())
