"""Charts as SVG text, sized for a column of the report. Colours come from the page's style sheet, by class.

A chart takes numbers and words and knows nothing of runs. The drawn values are also stored beside it in a small JSON,
from which the page's script reads the values under the pointer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.results.report.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, PlotArea, axes

QUANTILES = ("1st percentile", "1st quartile", "median", "3rd quartile", "99th percentile")
LEAST_BOX = 4.0
"""Least height in pixels of a box with its median inside; a lower one, of nearly equal values, is drawn as a line."""
SERIES = 8
"""Number of colours in the style sheet; with more series they repeat, with other dashes."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; it is interrupted where a value is NaN."""

    name: str
    x: ArrayLike
    y: ArrayLike
    style: str
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    """The band around it, if it has one."""
    points: bool = False
    """True to mark each point."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars between ``edges``; one bar fewer than edges."""

    name: str
    edges: ArrayLike
    heights: ArrayLike
    style: str


@dataclass(frozen=True, slots=True)
class Boxes:
    """At each whole ``x`` the 1st, 25th, 50th, 75th and 99th percentile: a whisker, a box and a mark."""

    name: str
    x: ArrayLike
    quantiles: ArrayLike
    """One row for each x."""
    style: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The data, titles and units of a chart.

    Attributes:
        title: of the figure.
        x, y: labels of the axes, with units.
        note: a sentence below the chart.
        from_zero: True to begin the vertical axis at 0; ``to`` is its end, if known.
        log: True for a logarithmic horizontal axis.
        whole: True to put only whole numbers on the horizontal axis.
        x_range: begin and end of the horizontal axis; None: those of the data.
        legend: True for a legend; None: if there is more than one name.
    """

    title: str
    x: str
    y: str
    lines: Sequence[Line] = ()
    bars: Sequence[Bars] = ()
    boxes: Sequence[Boxes] = ()
    note: str = ""
    from_zero: bool = True
    to: float | None = None
    log: bool = False
    whole: bool = False
    x_range: tuple[float, float] | None = None
    legend: bool | None = None

    def html(self) -> str:
        """Return a figure element."""
        low_x, high_x, low_y, high_y = self._ranges()
        if not all(map(math.isfinite, (low_x, high_x, low_y, high_y))):
            return figure(self.title, f'<p class="nothing">There is nothing to show. {escape(self.note)}</p>')
        place = PlotArea(low_x, high_x, low_y, high_y, self.log)
        parts = [
            axes(place, self.x, self.y, whole=self.whole),
            *(_boxes(boxes, place) for boxes in self.boxes),
            *(_bars(bars, place) for bars in self.bars),
            *(_band(line, place) for line in self.lines),
            *(_line(line, place) for line in self.lines),
        ]
        hover = {
            "frame": [LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM],
            "x": [low_x, high_x],
            "log": self.log,
            "label": self.x,
            "series": [
                {"name": line.name, "x": _short(line.x), "y": _short(line.y)} for line in self.lines if line.name
            ]
            + [{"name": bar.name, "edges": _short(bar.edges), "y": _short(bar.heights)} for bar in self.bars]
            + [
                {"name": f"{boxes.name}, {name}", "x": _short(boxes.x), "y": _short(column)}
                for boxes in self.boxes
                for name, column in zip(QUANTILES, np.asarray(boxes.quantiles, float).T, strict=True)
            ],
        }
        svg = (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">{"".join(parts)}</svg>'
            f'<script type="application/json">{embedded(hover)}</script>'
        )
        named = [(line.name, line.style) for line in self.lines] + [(bars.name, bars.style) for bars in self.bars]
        wanted = len(named) > 1 if self.legend is None else self.legend
        below = legend(named) if wanted else ""
        return figure(self.title, svg + below, self.note, kind="chart")

    def _ranges(self) -> tuple[float, float, float, float]:
        xs = [*(line.x for line in self.lines), *(bars.edges for bars in self.bars)]
        ys = [each for line in self.lines for each in (line.y, line.low, line.high) if each is not None]
        ys += [bars.heights for bars in self.bars]
        if self.boxes:
            xs += [np.asarray(boxes.x) + side for boxes in self.boxes for side in (-0.6, 0.6)]
            ys += [boxes.quantiles for boxes in self.boxes]
        low_x, high_x = self.x_range or _extent(xs)
        low_y, high_y = _extent(ys)
        if self.from_zero:
            low_y = min(0.0, low_y)
        if self.to is not None:
            high_y = self.to
        elif high_y > low_y:
            high_y += 0.06 * (high_y - low_y)
        if not self.from_zero and low_y < high_y:
            low_y -= 0.06 * (high_y - low_y)
        if high_y <= low_y:
            high_y = low_y + (abs(low_y) * 0.1 or 1.0)
            low_y = low_y if self.from_zero else low_y - (high_y - low_y)
        if high_x <= low_x:
            low_x, high_x = low_x - 0.5, high_x + 0.5
        return low_x, high_x, low_y, high_y


def figure(title: str, content: str, note: str = "", *, kind: str = "") -> str:
    """Return a titled figure with a note below."""
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<figure class="{kind}"><figcaption>{escape(title)}</figcaption>{content}{below}</figure>'


MARKS = {
    "fresh": '<path class="fresh" d="M7 1h8v8h-8z"/>',
    "default": '<path class="default" d="M7 1l8 8m0 -8l-8 8"/>',
}
"""Marks of ticks, as in lanes."""


def key(style: str) -> str:
    """Return a colour with its dashes, or a mark, small enough for a line of text."""
    mark = f'<path class="{style} line" d="M0 5H22"/>' if style.startswith("s") else MARKS.get(style)
    mark = mark or f'<rect class="{style}" width="22" height="10" rx="2"/>'
    return f'<svg class="key" viewBox="0 0 22 10">{mark}</svg>'


def legend(named: Sequence[tuple[str, str]]) -> str:
    """Return names with their colours; styles are classes of the style sheet."""
    items = "".join(f"<li>{key(style)}{escape(name)}</li>" for name, style in named)
    return f'<ul class="legend">{items}</ul>'


def embedded(content: object) -> str:
    """Encode JSON so that it may stand inside a script element."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def series(index: int) -> str:
    """Return the style of one of several series: a colour, and dashes once colours repeat or lines lie close."""
    return f"s{index % SERIES} d{index % 4 if index < SERIES else (index + 1) % 4}"


def _short(values: ArrayLike) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in np.asarray(values, float).tolist()]


def _extent(arrays: Sequence[ArrayLike]) -> tuple[float, float]:
    values = np.concatenate([np.asarray(each, np.float64).ravel() for each in arrays]) if arrays else np.empty(0)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (math.nan, math.nan)


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return a path through the points, interrupted at values that are not finite."""
    there = np.isfinite(x) & np.isfinite(y)
    text, drawing = [], False
    for here, one, other in zip(there.tolist(), x.tolist(), y.tolist(), strict=True):
        if here:
            text.append(f"{'L' if drawing else 'M'}{one:.1f} {other:.1f}")
        drawing = here
    return "".join(text)


def _line(line: Line, place: PlotArea) -> str:
    x, y = place.x(line.x), place.y(line.y)
    drawn = f'<path class="{line.style} line" d="{_path(x, y)}"/>'
    if line.points:
        there = np.isfinite(x) & np.isfinite(y)
        drawn += "".join(
            f'<circle class="{line.style} dot" cx="{one:.1f}" cy="{other:.1f}" r="2.6"/>'
            for one, other in zip(x[there].tolist(), y[there].tolist(), strict=True)
        )
    return drawn


def _band(line: Line, place: PlotArea) -> str:
    if line.low is None or line.high is None:
        return ""
    low, high = np.asarray(line.low, float), np.asarray(line.high, float)
    there = np.isfinite(low) & np.isfinite(high)
    x = place.x(line.x)
    parts = []
    for piece in np.split(np.arange(len(x)), np.flatnonzero(np.diff(there.astype(int))) + 1):
        if not len(piece) or not there[piece[0]]:
            continue
        if len(piece) == 1:
            at = int(piece[0])
            down, up = float(place.y(low[at])), float(place.y(high[at]))
            parts.append(f'<path class="{line.style} line thin" d="M{x[at]:.1f} {down:.1f}V{up:.1f}"/>')
            continue
        way = np.concatenate([piece, piece[::-1]])
        edge = np.concatenate([place.y(high[piece]), place.y(low[piece[::-1]])])
        parts.append(f'<path class="{line.style} band" d="{_path(x[way], edge)}Z"/>')
    return "".join(parts)


def _bars(bars: Bars, place: PlotArea) -> str:
    edges, tops = place.x(bars.edges), place.y(bars.heights)
    bottom = float(place.y(max(0.0, place.low_y)))
    gap = 0.8 if len(tops) < 120 else 0.0
    return "".join(
        f'<rect class="{bars.style}" x="{left:.1f}" y="{top:.1f}" width="{max(0.6, right - left - gap):.1f}" '
        f'height="{max(0.0, bottom - top):.1f}"/>'
        for left, right, top in zip(edges[:-1].tolist(), edges[1:].tolist(), tops.tolist(), strict=True)
        if bottom - top > 0.05
    )


def _boxes(boxes: Boxes, place: PlotArea) -> str:
    x = np.asarray(boxes.x, float)
    half = min(26.0, 0.36 * float(place.x(1.0) - place.x(0.0)))
    parts = []
    for at, row in zip(place.x(x).tolist(), place.y(boxes.quantiles).tolist(), strict=True):
        low, first, middle, third, high = row
        parts.append(
            f'<path class="{boxes.style} line" d="M{at:.1f} {low:.1f}V{high:.1f}"/>'
            f'<rect class="{boxes.style} fill" x="{at - half:.1f}" y="{third:.1f}" width="{2 * half:.1f}" '
            f'height="{max(1.0, first - third):.1f}"/>'
            f'<path class="{"median" if first - third >= LEAST_BOX else f"{boxes.style} line"}" '
            f'd="M{at - half:.1f} {middle:.1f}h{2 * half:.1f}"/>'
        )
    return "".join(parts)
