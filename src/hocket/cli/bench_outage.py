"""``hocket bench outage``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.bench_command import positive


def outage(*, seconds: float = 10.0, json: Path | None = None) -> None:
    """A loop of your own whose policy server is killed, and started again later.

    Args:
        seconds: for which the server is dead.
        json: also write the figures to this file.
    """
    from hocket.bench.outage import HZ, OLDER_THAN_S, bench_outage

    positive(seconds=seconds)
    console.check_writable(json=json)
    figures = bench_outage(seconds=seconds)
    console.write_json(json, figures)
    rows = [
        ("the server was dead for", f"{figures['outage_s']:.2f} s"),
        ("calls of act() that raised", f"{figures['raised']} of {figures['calls']}"),
        ("times that failures passed their limits", str(figures["told"])),
        (f"safe state, older_than_s={OLDER_THAN_S:g}: first called after", f"{figures['safe_state_s']:.2f} s"),
        ("first fresh action after the server's return", f"{figures['recovery_s']:.2f} s"),
        ("act() p99 before", console.microseconds(figures["act_p99_s"])),
        ("act() p99 during the outage", console.microseconds(figures["act_outage_p99_s"])),
    ]
    console.table(f"A loop at {HZ} Hz whose server is killed (realtime)", ("", ""), rows)
