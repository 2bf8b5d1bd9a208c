"""Axes of a chart: the mapping from values to pixels, and round numbers beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 12, 42


@dataclass(frozen=True, slots=True)
class PlotArea:
    """Maps values to pixels of the picture."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    log: bool = False

    def x(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return pixels from the left."""
        at, low, high = np.asarray(values, np.float64), self.low_x, self.high_x
        if self.log:
            at, low, high = np.log10(np.maximum(at, low)), math.log10(low), math.log10(high)
        pixels: NDArray[np.float64] = LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return pixels

    def y(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return pixels from the top."""
        share = (np.asarray(values, np.float64) - self.low_y) / (self.high_y - self.low_y)
        pixels: NDArray[np.float64] = HEIGHT - BOTTOM - np.clip(share, -0.02, 1.02) * (HEIGHT - TOP - BOTTOM)
        return pixels


def axes(place: PlotArea, x: str, y: str, *, whole: bool = False) -> str:
    """Draw grid, ticks and labels."""
    parts = []
    for value in nice(place.low_y, place.high_y, 5):
        at = float(place.y(value))
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
    marks = decades(place.low_x, place.high_x) if place.log else nice(place.low_x, place.high_x, 7, least=float(whole))
    bottom = HEIGHT - BOTTOM
    for value in marks:
        at = float(place.x(value))
        parts.append(f'<path class="grid" d="M{at:.1f} {bottom}v4"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{number(value)}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>')
    half = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 13 {half})"'
    parts.append(f'<text class="label" x="13" y="{half}" text-anchor="middle" {turned}>{escape(y)}</text>')
    return "".join(parts)


def nice(low: float, high: float, about: int, *, least: float = 0.0) -> list[float]:
    """Return round values between ``low`` and ``high``, no closer than ``least``."""
    if not high > low:
        return [low]
    raw = max((high - low) / about, least)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(
        (f * power for f in (1, 2, 2.5, 5) if f * power >= raw * (1 - 1e-9) and (f != 2.5 or not least)), 10 * power
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return powers of ten between ``low`` and ``high``, and 2 and 5 times them where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(powers) > 4 else (1, 2, 5)
    return [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]


def number(value: float) -> str:
    """Format a number as short as possible; ``n/a`` if it is not finite."""
    if not math.isfinite(value):
        return "n/a"
    if value and (abs(value) >= 1e7 or abs(value) < 1e-4):
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
