"""Draws sequential.svg and staggered.svg in docs/images: an inference of 3.5 ticks under two rules, from traces.

python docs/diagrams/staggering.py
"""

from pathlib import Path

import gymnasium as gym

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.rules import Rule
from hocket.core.trace import Trace

IMAGES = Path(__file__).parent.parent / "images"
HZ, INFERENCE_S, TICKS = 50, 0.07, 22
RULES: dict[str, Rule] = {"sequential": hocket.Sequential(), "staggered": hocket.TickDispatch(workers=4)}
LEFT, TICK, LANE = 90, 36, 26
WORKER, FRESH, DEFAULT = "#56b4e9", "#009e73", "#d55e00"


def trace(rule: Rule) -> Trace:
    """Of a short run under ``rule``."""
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(INFERENCE_S))
    return hocket.run(gym.make("hocket/Null-v0"), lambda observation: 1, rule, clock, ticks=TICKS).record.trace


def picture(rule: Rule) -> str:
    """A lane for each worker with a bar for each inference; below, a dot for a fresh tick, a cross for others."""
    began: dict[int, tuple[int, int]] = {}
    bars: list[tuple[int, float, float]] = []
    marks: list[tuple[int, bool]] = []
    tick_ns = 1e9 / HZ
    for event, commands in trace(rule).steps():
        if isinstance(event, e.InferenceFinished):
            worker, start_ns = began.pop(event.inference)
            bars.append((worker, start_ns / tick_ns, event.time_ns / tick_ns))
        for command in commands:
            if isinstance(command, c.StartInference):
                began[command.inference] = command.worker, event.time_ns
            elif isinstance(command, c.Execute | c.ExecuteDefault):
                marks.append((command.tick, isinstance(command, c.Execute)))
    bars += [(worker, start_ns / tick_ns, float(TICKS)) for worker, start_ns in began.values()]
    workers = 1 + max(worker for worker, _, _ in bars)
    width, bottom = LEFT + TICK * (TICKS + 1), 14 + LANE * workers
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 62}" font-family="sans-serif" '
        f'font-size="12">',
        f'<rect width="{width}" height="{bottom + 62}" fill="#ffffff"/>',
    ]
    for tick in range(TICKS + 1):
        x = LEFT + TICK * tick
        out.append(f'<line x1="{x}" y1="8" x2="{x}" y2="{bottom + 36}" stroke="#e4e4e4"/>')
        out.append(f'<text x="{x}" y="{bottom + 52}" text-anchor="middle" fill="#444444">{tick}</text>')
    out += [
        f'<text x="8" y="{14 + LANE * worker + 16}" fill="#444444">worker {worker}</text>' for worker in range(workers)
    ]
    for worker, start, end in sorted(bars):
        x, length = LEFT + TICK * start + 1, TICK * (end - start) - 2
        out.append(
            f'<rect x="{x:.1f}" y="{14 + LANE * worker + 3}" width="{length:.1f}" height="{LANE - 8}" rx="3" '
            f'fill="{WORKER}"/>'
        )
    y = bottom + 20
    out.append(f'<text x="8" y="{y + 4}" fill="#444444">ticks</text>')
    for tick, fresh in marks:
        x = LEFT + TICK * tick
        if fresh:
            out.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{FRESH}"/>')
        else:
            out.append(f'<path d="M{x - 5} {y - 5}l10 10m0 -10l-10 10" stroke="{DEFAULT}" stroke-width="2.5"/>')
    return "\n".join([*out, "</svg>"]) + "\n"


def pictures() -> dict[str, str]:
    """The pictures by the names of their files."""
    return {f"{name}.svg": picture(rule) for name, rule in RULES.items()}


if __name__ == "__main__":
    for file, text in pictures().items():
        (IMAGES / file).write_text(text)
