"""The frontier of a plan as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hocket.analysis.choice import label
from hocket.analysis.forecast import Forecast
from hocket.errors import MissingExtraError
from hocket.results.files import replacing

# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vPX*"
LABEL_WIDTH, LABEL_HEIGHT = 34, 15
"""Pixels that a label needs for itself."""


def check_drawable() -> None:
    """Raises MissingExtraError without matplotlib: to be asked before a long plan, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("drawing a plan", "report") from error


def draw_frontier(
    forecasts: Sequence[Forecast], chosen: Forecast, path: str | os.PathLike[str], *, title: str, predictability: float
) -> None:
    """Left regret against workers, right coverage against delay; into the PNG ``path``.

    A marker is a number of workers N of a rule, written beside it where N is the least, the most or the chosen one.

    Only what runs the policy in the way of ``chosen`` is drawn.

    Raises:
        ConfigurationError: if the disk refuses.
        MissingExtraError: without matplotlib.
    """
    check_drawable()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    shown = [one for one in forecasts if one.agent is chosen.agent]
    kinds = list(dict.fromkeys(label(one.rule) for one in shown))
    labels: dict[Any, list[tuple[float, float, str]]] = {left: [], right: []}
    for number, kind in enumerate(kinds):
        own = sorted((one for one in shown if label(one.rule) == kind), key=lambda one: one.workers)
        style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        left.plot([one.workers for one in own], [one.regret_per_tick for one in own], label=kind, markersize=5, **style)
        acting = [one for one in own if one.coverage > 0]
        right.plot(
            [one.delay_mean for one in acting], [one.coverage for one in acting], linewidth=0.6, markersize=5, **style
        )
        for one in own:
            if one.workers in (own[0].workers, own[-1].workers) or one is chosen:
                place = 0 if one is chosen else len(labels[left])  # the chosen one is written first
                labels[left].insert(place, (one.workers, one.regret_per_tick, f"N={one.workers}"))
                if one.coverage > 0:
                    place = 0 if one is chosen else len(labels[right])
                    labels[right].insert(place, (one.delay_mean, one.coverage, f"N={one.workers}"))
    ring: dict[str, Any] = {"s": 160, "facecolors": "none", "edgecolors": "black", "linewidths": 1.5, "zorder": 5}
    left.scatter([chosen.workers], [chosen.regret_per_tick], label="recommended", **ring)
    right.scatter([chosen.delay_mean], [chosen.coverage], **ring)
    left.set(xlabel="workers", ylabel=f"regret a tick, J at ρ = {predictability:g}", ylim=(0, 1.02))
    right.set(xlabel="mean delay (ticks)", ylabel="coverage", ylim=(0, 1.02))
    if max(one.workers for one in shown) > 8 * min(one.workers for one in shown):
        left.set_xscale("log", base=2)
        left.xaxis.set_major_formatter("{x:g}")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.draw_without_rendering()  # settles where the points are
    for panel, names in labels.items():
        _write(panel, names)
    with replacing(Path(path)) as partial:
        figure.savefig(partial, dpi=110, format="png")


def _write(panel: Any, labels: Sequence[tuple[float, float, str]]) -> None:
    """Writes each label above its point, or below where another is in the way; none where both places are taken."""
    taken: list[tuple[float, float]] = []
    for x, y, text in labels:
        across, up = panel.transData.transform((x, y))
        for offset in (5, -13):
            if all(abs(across - a) > LABEL_WIDTH or abs(up + offset - b) > LABEL_HEIGHT for a, b in taken):
                taken.append((across, up + offset))
                panel.annotate(text, (x, y), xytext=(4, offset), textcoords="offset points", fontsize=7.5)
                break
