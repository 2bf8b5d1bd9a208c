"""Draws the scheduler's state machines from its own tables, `hocket.core.lifecycle`, as SVG files.

python docs/diagrams/state_machines.py      writes docs/images/state-{tick,inference,worker}.svg

Edges are numbered; the list beside the picture says what takes each. A state without a place here is an error, so a new
state cannot be left out of its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from html import escape
from math import hypot
from pathlib import Path

from hocket.core.lifecycle import INFERENCES, TICKS, WORKERS, InferenceState, TickPhase, WorkerState

IMAGES = Path(__file__).parents[1] / "images"
COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 150, 96, 104, 34, 30
LINE = 19  # of the list

Places = Mapping[IntEnum, tuple[float, float]]
Edge = tuple[IntEnum, IntEnum, str]

PLACES: dict[str, Places] = {
    "tick": {
        TickPhase.STARTING: (0, 0),
        TickPhase.OBSERVED: (1, 0),
        TickPhase.ACTED: (2, 0),
        TickPhase.ENDED: (1, 1),
    },
    "inference": {
        InferenceState.RUNNING: (0, 0.8),
        InferenceState.WAITING: (0.9, 1.7),
        InferenceState.BOUND: (1.9, 1),
        InferenceState.HELD: (1.3, 0),
        InferenceState.DUE: (2.4, 0),
        InferenceState.PLAYING: (3.5, 0),
        InferenceState.ABANDONED: (0.9, 3),
        InferenceState.OVER: (3.5, 2.1),
    },
    "worker": {WorkerState.IDLE: (0, 0), WorkerState.BUSY: (1.4, 0), WorkerState.ABSENT: (0.7, 1.1)},
}


def edges() -> dict[str, list[Edge]]:
    """Every edge of every machine, one for each pair of states."""
    return {
        "tick": list(_by_event(TICKS)),
        "inference": [(a, b, cause) for a, nexts in INFERENCES.items() for b, cause in nexts.items()],
        "worker": list(_by_event(WORKERS)),
    }


def _by_event(table: Mapping[IntEnum, Mapping[type, IntEnum]]) -> Iterator[Edge]:
    for state, nexts in table.items():
        for following in dict.fromkeys(nexts.values()):
            yield state, following, ", ".join(kind.__name__ for kind, to in nexts.items() if to is following)


def draw(places: Places, arrows: list[Edge]) -> str:
    """One machine as an SVG."""
    across = max(x for x, _ in places.values()) * COLUMN + WIDTH
    list_x = MARGIN * 2 + across
    width = list_x + 8 * max(len(_line(n, edge)) for n, edge in enumerate(arrows, 1)) + MARGIN
    down = max(y for _, y in places.values()) * ROW + HEIGHT
    height = MARGIN * 2 + max(down, LINE * len(arrows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#556"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    for number, (start, end, _) in enumerate(arrows, 1):
        parts.append(_arrow(number, _centre(places[start]), _centre(places[end])))
    for state, place in places.items():
        x, y = _centre(place)
        parts.append(
            f'<rect x="{x - WIDTH / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="8" '
            'fill="#eef3fb" stroke="#3a5a8c"/>'
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="#123">{state.name.lower()}</text>'
        )
    for number, edge in enumerate(arrows, 1):
        y = MARGIN + LINE * (number - 0.4)
        parts.append(f'<text x="{list_x:.0f}" y="{y:.0f}" fill="#234">{escape(_line(number, edge))}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(number: int, edge: Edge) -> str:
    start, end, cause = edge
    return f"{number}  {start.name.lower()} → {end.name.lower()}: {cause}"


def _centre(place: tuple[float, float]) -> tuple[float, float]:
    return MARGIN + WIDTH / 2 + place[0] * COLUMN, MARGIN + HEIGHT / 2 + place[1] * ROW


def _arrow(number: int, start: tuple[float, float], end: tuple[float, float]) -> str:
    """A bent arrow from border to border, with its number; bent to the right, so that two ways do not meet."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    length = hypot(dx, dy)
    bend = 22
    cx, cy = (x0 + x1) / 2 - dy / length * bend, (y0 + y1) / 2 + dx / length * bend
    ax, ay = _border(x0, y0, cx, cy)
    bx, by = _border(x1, y1, cx, cy)
    mx, my = (ax + 2 * cx + bx) / 4, (ay + 2 * cy + by) / 4
    return (
        f'<path d="M{ax:.1f} {ay:.1f} Q{cx:.1f} {cy:.1f} {bx:.1f} {by:.1f}" fill="none" stroke="#556" '
        'marker-end="url(#tip)"/>'
        f'<circle cx="{mx:.1f}" cy="{my:.1f}" r="9" fill="#fff" stroke="#99a"/>'
        f'<text x="{mx:.1f}" y="{my + 4:.1f}" text-anchor="middle" font-size="11">{number}</text>'
    )


def _border(x: float, y: float, towards_x: float, towards_y: float) -> tuple[float, float]:
    """Where the line from a box's centre leaves the box."""
    dx, dy = towards_x - x, towards_y - y
    scale = min(WIDTH / 2 / abs(dx) if dx else 9e9, HEIGHT / 2 / abs(dy) if dy else 9e9)
    return x + dx * scale, y + dy * scale


def pictures() -> dict[str, str]:
    """File name → SVG."""
    return {f"state-{name}.svg": draw(PLACES[name], arrows) for name, arrows in edges().items()}


if __name__ == "__main__":
    for name, picture in pictures().items():
        (IMAGES / name).write_text(picture)
