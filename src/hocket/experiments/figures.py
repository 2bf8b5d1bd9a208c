"""The experiments' figures: means over seeds with 95 % intervals, in colours safe for colour-blind readers.

Intervals are Student's t over seeds; one seed has none. Colours: Okabe & Ito 2008.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hocket.errors import MissingExtraError
from hocket.experiments.tasks import Row
from hocket.results.intervals import interval

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("s", "^", "o", "D", "v", "P")
REFERENCES = ((0, (1, 1)), (0, (4, 2)), "-.", (0, (6, 1, 1, 1, 1, 1)))


KINDS = {
    "final": "greedy, best weights,\nepisodes of their own",
    "training": "while exploring,\nlast tenth of training",
}
"""Label of each kind of row that is shown."""


def values_of(rows: Iterable[Row], column: str = "mean_return", /, **wanted: Any) -> list[float]:
    """``column`` of the rows with these entries (compared as text), without empty values."""
    found = (
        float(row[column] or "nan") for row in rows if all(str(row[key]) == str(value) for key, value in wanted.items())
    )
    return [value for value in found if not math.isnan(value)]


def reference_values(rows: Iterable[Row], column: str = "mean_return", /, *, kind: str, **wanted: Any) -> list[float]:
    """`values_of` the rows of ``kind``, or the final ones of an arm that has none such, as one that does not learn."""
    rows = list(rows)
    return values_of(rows, column, **wanted, kind=kind) or values_of(rows, column, **wanted, kind="final")


def draw_against_delay(
    rows: list[Row],
    path: Path,
    *,
    title: str,
    arms: Sequence[str],
    references: Sequence[str],
    games: Sequence[str],
    column: str = "mean_return",
    meaning: str = "mean return of an episode",
    ceiling: str | None = None,
    hz: int = 60,
) -> None:
    """Returns against delay: a column a game, greedy play above and training below.

    Args:
        rows: with game, delay, arm, kind and ``column``.
        arms: one line each.
        references: arms without delay; one horizontal line each, of their training below if they have any.
        column: the column that is drawn.
        meaning: its label.
        ceiling: an arm that does not learn, drawn for the games that have it, on a logarithmic axis.
        hz: ticks a second.
    """
    plt = _pyplot()
    delays = sorted({int(row["delay"]) for row in rows if row["arm"] in arms})
    figure, axes = plt.subplots(2, len(games), figsize=(4.8 * len(games), 7.2), sharex=True, squeeze=False)
    for place, game in enumerate(games):
        for line, (kind, circumstances) in enumerate(KINDS.items()):
            axis = axes[line][place]
            for number, arm in enumerate(arms):
                cells = [interval(values_of(rows, column, game=game, delay=d, arm=arm, kind=kind)) for d in delays]
                beside = 2 ** (0.06 * (number - (len(arms) - 1) / 2))  # or equal arms would hide each other
                _line(axis, [delay * beside for delay in delays], cells, number, arm)
            for number, arm in enumerate(references):
                mean, _ = interval(reference_values(rows, column, game=game, arm=arm, kind=kind))
                axis.axhline(mean, color="0.35", linestyle=REFERENCES[number], linewidth=1, label=arm)
            axis.set_xscale("log", base=2)
            axis.set_xticks(delays, [str(delay) for delay in delays])
            ceilings = [
                (delay, interval(values)[0])
                for delay in delays
                if (values := values_of(rows, column, game=game, delay=delay, arm=ceiling, kind="final"))
            ]
            if ceilings:
                axis.plot(*zip(*ceilings, strict=True), color="black", linewidth=1, marker="x", label=ceiling)
                axis.set_yscale("log")
            else:
                axis.set_ylim(bottom=0)
            axis.grid(alpha=0.25)
            axis.set_title(game.capitalize() if line == 0 else "")
            if place == 0:
                axis.set_ylabel(f"{meaning}\n({circumstances})")
            if line == 1:
                axis.set_xlabel(f"delay of an inference, ticks of 1/{hz} s")
    axes[0][0].legend(fontsize=8)
    seeds = len({row["seed"] for row in rows if row["arm"] in arms})
    figure.suptitle(f"{title}\nmean and 95 % interval, {_seeds(seeds)}", fontsize=11)
    _save(figure, path)


def draw_by_delay(
    rows: list[Row],
    path: Path,
    *,
    title: str,
    arms: Sequence[str],
    references: Sequence[str],
    meaning: str,
    hz: int,
    column: str = "mean_return",
) -> None:
    """One panel of ``column`` against delay, from 0 on.

    Args:
        rows: with delay, arm, seed and ``column``.
        arms: one line each.
        references: arms without delay; one horizontal line each.
        meaning: the label of ``column``.
        hz: ticks a second.
    """
    plt = _pyplot()
    delays = sorted({int(row["delay"]) for row in rows if row["arm"] in arms})
    figure, axis = plt.subplots(figsize=(6.4, 4.8))
    for number, arm in enumerate(arms):
        cells = [interval(values_of(rows, column, delay=delay, arm=arm)) for delay in delays]
        beside = 0.12 * (number - (len(arms) - 1) / 2)  # or equal arms would hide each other
        _line(axis, [delay + beside for delay in delays], cells, number, arm)
    for number, arm in enumerate(references):
        mean, _ = interval(values_of(rows, column, arm=arm))
        axis.axhline(mean, color="0.35", linestyle=REFERENCES[number], linewidth=1, label=arm)
    axis.set_xticks(delays)
    axis.set_xlabel(f"duration of an inference, ticks of 1/{hz} s")
    axis.set_ylabel(meaning)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    seeds = len({row["seed"] for row in rows if row["arm"] in arms})
    axis.set_title(f"{title}\nmean and 95 % interval, {_seeds(seeds)}", fontsize=10)
    _save(figure, path)


def draw_learning_curves(rows: list[Row], path: Path, *, arms: Sequence[str], title: str) -> None:
    """Evaluations against ticks, a band of 95 % an arm.

    Args:
        rows: with arm, tick, kind and mean_return.
    """
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    for number, arm in enumerate(arms):
        ticks = sorted({int(row["tick"]) for row in rows if row["arm"] == arm and row["kind"] == "choosing"})
        cells = [interval(values_of(rows, arm=arm, kind="choosing", tick=tick)) for tick in ticks]
        means = np.array([mean for mean, _ in cells])
        halves = np.nan_to_num([half for _, half in cells])
        thousands = np.array(ticks) / 1000
        axis.plot(thousands, means, color=COLOURS[number], marker=MARKERS[number], markersize=3, label=arm)
        axis.fill_between(thousands, means - halves, means + halves, color=COLOURS[number], alpha=0.2, linewidth=0)
    axis.set_xlabel("thousand ticks")
    axis.set_ylabel("mean return of an episode (greedy)")
    if all(value >= 0 for value in values_of(rows, kind="choosing")):
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.legend()
    seeds = len({row["seed"] for row in rows})
    axis.set_title(f"{title}\nmean and 95 % interval, {_seeds(seeds)}", fontsize=10)
    _save(figure, path)


def _line(axis: Any, places: list[float], cells: list[tuple[float, float]], number: int, label: str) -> None:
    """The ``number``-th line of means with their intervals."""
    axis.errorbar(
        places,
        [mean for mean, _ in cells],
        yerr=np.nan_to_num([half for _, half in cells]),
        label=label,
        color=COLOURS[number],
        marker=MARKERS[number],
        capsize=2,
        linewidth=1.5,
        markersize=5,
    )


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _pyplot() -> Any:
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Figures (matplotlib)", "report")
    import_module("matplotlib").use("Agg")
    return import_module("matplotlib.pyplot")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=140)
