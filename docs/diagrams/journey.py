"""Draws docs/images/journey.svg: one observation's way through the scheduler, from a run's own events and commands.

    python docs/diagrams/journey.py

The run is in virtual time, where the same scheduler sees the same events as on the wall clock. Every arrow is one
event or command of its trace; nothing is drawn that is not in it.
"""

from html import escape
from pathlib import Path

import gymnasium as gym

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.trace import Trace

IMAGES = Path(__file__).parent.parent / "images"
HZ, INFERENCE_S, OBSERVATION = 50, 0.034, 5
"""Ticks of 20 ms and an inference of 1.7 ticks, on two workers."""
LANES = ("environment", "driver", "scheduler (core)", "worker 0", "worker 1")
X = (90, 260, 520, 800, 920)
ROW, TOP, WIDTH = 28, 66, 980
COLOURS = {"event": "#0072b2", "command": "#d55e00", "other": "#888888"}

Arrow = tuple[float, str, int, int, str, bool]
"""Milliseconds since the observation; kind; from lane; to lane; label; whether it is of this observation."""


def trace() -> Trace:
    """Of a short run with two staggered workers."""
    result = hocket.run(
        gym.make("hocket/Null-v0"),
        lambda observation: 1,
        hocket.TickDispatch(workers=2),
        hocket.Virtual(hz=HZ, latency=hocket.Constant(INFERENCE_S)),
        ticks=12,
    )
    return result.record.trace


def arrows(steps: Trace, observation: int) -> list[Arrow]:
    """From the tick that yielded ``observation`` to the one that executed the action computed from it."""
    drawn: list[Arrow] = []
    ours: set[int] = set()
    workers: dict[int, int] = {}
    began_ns = None
    done = False
    for event, commands in steps.steps():
        if isinstance(event, e.Ticked) and event.tick == observation:
            began_ns = event.time_ns
        for command in commands:
            if isinstance(command, c.StartInference):
                workers[command.inference] = command.worker
        if began_ns is None or done:
            continue
        ms = (event.time_ns - began_ns) / 1e6
        drawn.append((ms, "event", *_event(event, workers, observation, ours)))
        for command in commands:
            if isinstance(command, c.StartInference) and command.observation == observation:
                ours.add(command.inference)
            drawn.append((ms, "command", *_command(command, workers, ours)))
        for command in commands:
            if isinstance(command, c.Execute):  # the driver acts once it has all of the commands
                mine = command.inference in ours
                drawn.append((ms, "other", 1, 0, "env.step(action)", mine))
                done = done or mine
    return drawn


def _event(event: e.Event, workers: dict[int, int], observation: int, ours: set[int]) -> tuple[int, int, str, bool]:
    name = type(event).__name__
    if isinstance(event, e.Ticked):
        return 0, 2, f"{name}(tick {event.tick})", event.tick == observation
    if isinstance(event, e.InferenceFinished):
        return 3 + workers[event.inference], 2, f"{name}({event.inference})", event.inference in ours
    if isinstance(event, e.DeadlineReached):
        return 1, 2, f"{name}(tick {event.tick})", False
    return 1, 2, name, False


def _command(command: c.Command, workers: dict[int, int], ours: set[int]) -> tuple[int, int, str, bool]:
    name = type(command).__name__
    if isinstance(command, c.StartInference):
        label = f"{name}({command.inference}: observation {command.observation}, for tick {command.target})"
        return 2, 3 + command.worker, label, command.inference in ours
    if isinstance(command, c.Execute):
        label = f"{name}(tick {command.tick}, inference {command.inference}, delay {command.delay_ticks})"
        return 2, 1, label, command.inference in ours
    if isinstance(command, c.EndInference):
        return 2, 1, f"{name}({command.inference}, {command.outcome.name.lower()})", command.inference in ours
    return 2, 1, name, False


def svg(drawn: list[Arrow]) -> str:
    """The picture: a lane for each part, an arrow for each event and command, time downwards."""
    height = TOP + ROW * len(drawn) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        "<defs>",
    ]
    for kind, colour in COLOURS.items():
        out.append(
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="8" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" '
            f'markerHeight="9" orient="auto">'
            f'<path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
        )
    out.append("</defs>")
    for x, lane in zip(X, LANES, strict=True):
        out.append(f'<text x="{x}" y="24" text-anchor="middle" font-weight="bold">{escape(lane)}</text>')
        out.append(f'<line x1="{x}" y1="34" x2="{x}" y2="{height - 16}" stroke="#cccccc"/>')
    before = None
    for row, (ms, kind, start, end, label, mine) in enumerate(drawn):
        y = TOP + ROW * row
        if ms != before:
            out.append(f'<line x1="10" y1="{y - 15}" x2="{WIDTH - 10}" y2="{y - 15}" stroke="#eeeeee"/>')
            out.append(f'<text x="8" y="{y + 4}" fill="#444444">{ms:.0f} ms</text>')
            before = ms
        colour, width = COLOURS[kind], 2.5 if mine else 1
        out.append(
            f'<line x1="{X[start]}" y1="{y}" x2="{X[end]}" y2="{y}" stroke="{colour}" stroke-width="{width}" '
            f'marker-end="url(#{kind})"/>'
        )
        middle = (X[start] + X[end]) / 2
        weight = ' font-weight="bold"' if mine else ""
        out.append(
            f'<text x="{middle:g}" y="{y - 6}" text-anchor="middle" fill="{colour}"{weight} stroke="#ffffff" '
            f'stroke-width="3" paint-order="stroke">{escape(label)}</text>'
        )
    return "\n".join([*out, "</svg>"]) + "\n"


def pictures() -> dict[str, str]:
    """The picture by the name of its file."""
    return {"journey.svg": svg(arrows(trace(), OBSERVATION))}


if __name__ == "__main__":
    for file, text in pictures().items():
        (IMAGES / file).write_text(text)
