"""Frames for viewers: one binary message each, with the data that is new since the viewer's last frame.

A message is the length of its header (32 bits, little-endian), the header as JSON padded to a multiple of 8 bytes, and
then the sections that it lists, each padded likewise. Tables are rows of 64-bit floats; `live.board` names their
columns, and so does the first message of a run.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.core.commands import Outcome
from hocket.instruments.images import picture_of
from hocket.instruments.live.board import ENDED, IDLE, RINGS, RUNNING, STARTING, LiveBoard
from hocket.instruments.live.lateness import percentiles

NO_RUN = -2
KEPT_S = 61.0
"""Seconds of the past that a new viewer is sent."""
PHASES = {IDLE: "idle", STARTING: "starting", RUNNING: "running", ENDED: "ended"}


@dataclass
class Viewer:
    """The rows and pictures that a viewer has already been sent."""

    run: int = NO_RUN
    seen: dict[str, int] = field(default_factory=dict)
    picture: int = 0
    phase: int = IDLE

    def is_up_to_date(self, board: LiveBoard) -> bool:
        """Return True if there is nothing new for this viewer."""
        return (
            self.run == board.run
            and self.phase == board.phase
            and self.picture == board.pictures.head
            and all(self.seen[name] == ring.head for name, ring in board.rings.items())
        )


def frame(board: LiveBoard, viewer: Viewer, now_ns: int) -> bytes | None:
    """Return the new data for ``viewer`` and mark it as sent; None while the run changes."""
    run, phase, epoch_ns = board.run, board.phase, board.epoch_ns
    if run < 0:
        return None
    begins = run != viewer.run
    if begins:
        viewer.run, viewer.picture = run, board.first("pictures")
        viewer.seen = {name: board.first(name) for name in RINGS}
    tick = float(board.totals["tick"][0])
    about = board.about() if begins else {}
    header: dict[str, Any] = {"run": run, "phase": PHASES[phase], "totals": totals(board)}
    if board.realtime and phase == RUNNING and epoch_ns >= 0:
        header["now_s"] = (now_ns - epoch_ns) / NS_PER_S
    sections: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, ring in board.rings.items():
        seen, rows = ring.read(viewer.seen[name])
        if begins and about:
            rows = _recent(name, rows, tick, float(about["hz"]))
        viewer.seen[name] = seen
        if len(rows):
            sections.append({"name": name, "rows": len(rows)})
            parts.append(rows.tobytes())
    if begins:
        header["about"] = about
        header["columns"] = {name: list(kind.names or ()) for name, (_, kind) in RINGS.items()}
    head = board.pictures.head
    if head > viewer.picture and (newest := board.pictures.newest()) is not None:
        viewer.picture = head
        picture_tick, rendered, array = newest
        kind, height, width, content = picture_of(array)
        said = {"name": "picture", "kind": kind, "height": height, "width": width, "tick": picture_tick}
        sections.append({**said, "rendered": rendered, "bytes": len(content)})
        parts.append(content)
    if board.run != run:
        viewer.run = NO_RUN
        return None
    viewer.phase = phase
    header["sections"] = sections
    return _packed(header, parts)


def _recent(name: str, rows: NDArray[Any], tick: float, hz: float) -> NDArray[Any]:
    if name == "ticks":
        return rows[rows["tick"] >= tick - KEPT_S * hz]
    if name == "inferences":
        return rows[rows["observation"] >= tick - KEPT_S * hz]
    return rows


def _packed(header: dict[str, Any], parts: list[bytes]) -> bytes:
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join([struct.pack("<I", len(text)), text, *(part + bytes(-len(part) % 8) for part in parts)])


def totals(board: LiveBoard) -> dict[str, Any]:
    """Return the run's figures so far, as its summary defines them; None for figures without a value."""
    row = board.totals[0]
    elapsed, fresh, episodes = (float(row[name]) for name in ("elapsed", "fresh", "episodes"))
    p50, p99 = percentiles(board.lateness, 50, 99)
    return {
        "tick": int(row["tick"]),
        "ticks": int(row["ticks"]),
        "missed": int(elapsed - float(row["ticks"])),
        "coverage": fresh / elapsed if elapsed else None,
        "delay_mean": float(row["delay_ticks"]) / fresh if fresh else None,
        "lateness_p50_s": p50,
        "lateness_p99_s": p99,
        "episodes": int(episodes),
        "return_mean": _finite(float(row["returns"]) / episodes) if episodes else None,
        "episode_reward": _finite(float(row["episode_reward"])),
        "reward_total": _finite(float(row["reward"])),
        "outcomes": {kind.name.lower(): int(row[kind.name.lower()]) for kind in Outcome},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
