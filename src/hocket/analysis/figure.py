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
    for number, kind in enumerate(kinds):
        own = sorted((one for one in shown if label(one.rule) == kind), key=lambda one: one.workers)
        style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        left.plot([one.workers for one in own], [one.regret_per_tick for one in own], label=kind, markersize=4, **style)
        acting = [one for one in own if one.coverage > 0]
        right.plot(
            [one.delay_mean for one in acting], [one.coverage for one in acting], linewidth=0.6, markersize=4, **style
        )
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
    left.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    with replacing(Path(path)) as partial:
        figure.savefig(partial, dpi=110, format="png")
