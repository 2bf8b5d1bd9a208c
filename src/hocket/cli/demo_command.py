"""``hocket demo``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hocket.bench import demo as demonstration
from hocket.cli import console
from hocket.cli.options.live import check_live, live_page
from hocket.cli.outcome import conclude
from hocket.core.rules import Rule
from hocket.envs import make_atari
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.instruments.live.live_page import LOOPBACK, USUAL_PORT
from hocket.results.lanes import check_drawable
from hocket.results.report import REPORT
from hocket.running.result import RunResult


def demo(
    *,
    seconds: float = 20.0,
    out: Path = Path("runs/demo"),
    json: Path | None = None,
    live: bool = False,
    live_port: int = USUAL_PORT,
    live_host: str = LOOPBACK,
) -> None:
    """Let a network too slow for 60 Hz play Boxing, sequential against staggered.

    Args:
        seconds: length of each arm.
        out: folder of the runs and the picture.
        json: also write the table to this file.
        live: serve a page with the game's picture and the schedule during the run.
        live_port: port of the page; 0 for any free one.
        live_host: address that the page is served on; 127.0.0.1 is reached from this machine only. The page needs the
            printed token.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigurationError(f"--seconds {seconds} must be greater than 0; try --seconds 20")
    check_live(live, live_port, live_host)
    check_drawable()
    console.check_writable(out=out, json=json)
    low, high = demonstration.TICKS_PER_FORWARD
    console.say(f"Looking for a network whose forward pass takes {low} to {high} ticks of 1/60 s:")
    env = make_atari(demonstration.GAME)
    try:
        network = demonstration.choose_network(env, lambda line: console.say(f"  {line}"))
    finally:
        env.close()
    with live_page(live, live_port, live_host) as watching:
        results = [
            (name, play_arm(name, rule, network, seconds=seconds, out=out, live=live, watching=watching))
            for name, rule in demonstration.ARMS
        ]
    rows = demonstration.figures(results)
    console.write_json(json, rows)
    picture = demonstration.compare(results, network, out)
    console.table(
        f"\nBoxing at {demonstration.HZ} Hz for {seconds:g} s each, {network.parameters / 1e6:.1f} million parameters, "
        f"{network.forward_s * demonstration.HZ:.2f} ticks a\nforward pass (realtime, true-size)",
        ("rule", "workers", "coverage", "mean delay", "lateness p99"),
        [
            (
                str(row["rule"]),
                str(row["workers"]),
                f"{row['coverage']:.3f}",
                console.number(row["delay_mean"], ".2f") + " ticks",
                console.milliseconds(row["lateness_p99_s"]),
            )
            for row in rows
        ],
    )
    console.say("coverage: the share of the game's frames on which the network itself acted", style="dim")
    console.say("delay: age in frames of the observation that it acted on; 1 is the least", style="dim")
    for note in results[-1][1].record.notes:
        console.say(f"note: {note}")
    console.say(f"Runs saved in {out}: {out / REPORT} compares them, {picture} has their schedules")


def play_arm(
    name: str,
    rule: Rule,
    network: demonstration.Network,
    *,
    seconds: float,
    out: Path,
    live: bool,
    watching: Sequence[Instrument],
) -> RunResult:
    """Play one arm, and save it even if it is interrupted."""

    def work() -> RunResult:
        with console.progress(name, demonstration.ticks_in(seconds)) as line:
            return demonstration.play(rule, network, seconds=seconds, instruments=[*watching, *line], drawn=live)

    def save(result: RunResult) -> None:
        demonstration.save(name, result, out)

    result: RunResult = conclude(work, save=[save], show=lambda result: None)
    return result
