"""``hocket bench chunks``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.bench_command import positive

NAMES = {"one_in_flight": "one in flight", "staggered": "three staggered"}


def chunks(*, seconds: float = 20.0, json: Path | None = None) -> None:
    """One inference in flight beside three staggered ones, on a server that is slow.

    Args:
        seconds: length of each run; that of the misaligned steps is half as long.
        json: also write the figures to this file.
    """
    from hocket.bench.chunks import CHUNK_LENGTH, HZ, NAMING_TICKS, SLOW_TICKS, SPREAD, bench_chunks

    positive(seconds=seconds)
    console.check_writable(json=json)
    figures = bench_chunks(seconds=seconds, tell=console.say)
    console.write_json(json, figures)
    console.table(
        f"\nChunks of {CHUNK_LENGTH} at {HZ} Hz from a server that takes {SLOW_TICKS} ticks ± {SPREAD:.0%} (realtime)",
        ("", "coverage", "delay p50", "p99"),
        [
            (
                label,
                f"{figures[f'{name}_coverage']:.3f}",
                *(console.number(figures[f"{name}_delay_{quantile}"], ".0f") for quantile in ("p50", "p99")),
            )
            for name, label in NAMES.items()
        ],
    )
    console.say(
        "These chunks are aligned to their release: aligned to its observation, a chunk of "
        f"{CHUNK_LENGTH} has no action left after {SLOW_TICKS} ticks.",
        style="dim",
    )
    console.say(
        f"Aligned to the observation, inferences of {console.milliseconds(NAMING_TICKS / HZ)}: "
        f"{figures['misaligned_steps']} of {figures['fresh_steps']} actions executed at another tick than their own"
    )
    console.say(f"hocket's client takes {figures['websocket_added_ratio']:.2f} times as long as a bare one at p50")
