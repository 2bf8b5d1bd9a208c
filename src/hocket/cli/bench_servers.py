"""``hocket bench servers``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.bench_command import positive


def servers(*, seconds: float = 60.0, json: Path | None = None) -> None:
    """A run against three policy servers, one of which is killed every five seconds.

    Args:
        seconds: length of the run, and of the quiet one before it.
        json: also write the figures to this file.
    """
    from hocket.bench.servers import HZ, SERVERS, bench_servers

    positive(seconds=seconds)
    console.check_writable(json=json)
    figures = bench_servers(seconds=seconds)
    console.write_json(json, figures)
    rows = [
        (label, f"{figures[f'{kind}coverage']:.3f}", console.microseconds(figures[f"{kind}lateness_p99_s"]))
        for label, kind in (("quiet", "quiet_"), (f"{figures['kills']} kills", ""))
    ]
    title = f"{SERVERS} servers, one killed every 5 s, at {HZ} Hz (realtime)"
    console.table(title, ("", "coverage", "tick lateness p99"), rows)
    console.say(
        f"{figures['failed']} inferences failed in {figures['ticks']} ticks; lateness p99 is "
        f"{figures['lateness_ratio']:.2f} times the quiet run's; threads left: {len(figures['threads_left'])}"
    )
