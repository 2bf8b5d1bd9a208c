"""``hocket bench remote``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.bench_command import at_least_one

NAMES = {
    "bare": "websockets: an echo",
    "websocket": "hocket's client: the same echo",
    "served": "hocket's client and server: 50 actions back",
}


def remote(*, count: int = 2000, json: Path | None = None) -> None:
    """Round trip of 150 KB by hocket's client and server, beside a bare echo by websockets.

    Args:
        count: round trips of each kind.
        json: also write the figures to this file.
    """
    from hocket.bench.remote import bench_remote

    at_least_one(count=count)
    console.check_writable(json=json)
    figures = bench_remote(count=count)
    console.write_json(json, figures)
    console.table(
        "150 KB to a server on this machine, inference excluded",
        ("through", "p50", "p99"),
        [
            (name, *(console.microseconds(figures[f"{key}_{quantile}_s"]) for quantile in ("p50", "p99")))
            for key, name in NAMES.items()
        ],
    )
    console.say(f"hocket's client takes {figures['websocket_added_ratio']:.2f} times as long as the bare one at p50")
