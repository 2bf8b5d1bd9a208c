"""``hocket bench live``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.bench_command import at_least_one, positive


def live(
    *, hz: float = 60.0, workers: int = 72, seconds: float = 8.0, rounds: int = 4, json: Path | None = None
) -> None:
    """Cost of two viewers of the live page to the tick loop.

    Args:
        hz: ticks per second.
        workers: waiting workers of the first case; in the second, two compute.
        seconds: length of each run.
        rounds: pairs of a run without and a run with the page.
        json: also write the figures to this file.
    """
    from hocket.bench.live import bench_live

    at_least_one(workers=workers, rounds=rounds)
    positive(hz=hz, seconds=seconds)
    console.check_writable(json=json)
    rows = bench_live(hz=hz, waiting=workers, seconds=seconds, rounds=rounds, tell=console.say)
    console.write_json(json, rows)
    console.table(
        f"\nWithout the page, and with two viewers, {rounds} times {seconds:g} s each at {hz:g} Hz (realtime)",
        ("", "coverage", "watched", "lateness p99", "watched", "frames/s"),
        [
            (
                row["case"],
                *(f"{row[key]:.4f}" for key in ("coverage", "coverage_live")),
                *(console.microseconds(row[key]) for key in ("lateness_p99_s", "lateness_p99_live_s")),
                console.number(row["frames_per_s"], ".1f"),
            )
            for row in rows
        ],
    )
    held = all(row["coverage_within"] and row["lateness_within"] for row in rows)
    console.say(f"coverage within a point, lateness within 0.2 ms or 1.5 times: {'yes' if held else 'no'}")
