"""``hocket bench plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.progress import Progress

from hocket.cli import console
from hocket.cli.bench_command import at_least_one, positive
from hocket.cli.options.typed import was_typed
from hocket.errors import ConfigurationError


def plan(
    *,
    cases: int = 200,
    ticks: int = 20_000,
    files: bool = False,
    realtime: bool = False,
    seconds: float = 15.0,
    json: Path | None = None,
) -> None:
    """The planner's forecasts beside virtual runs, or runs on the wall clock.

    Args:
        cases: random combinations of law, rule, rate and number of workers.
        ticks: length of each run.
        files: plan from files of correlated times, regimes and mistakes instead.
        realtime: forecast and play the arms of the demo instead, on the wall clock.
        seconds: length of each arm.
        json: also write the figures to this file.
    """
    at_least_one(cases=cases, ticks=ticks)
    positive(seconds=seconds)
    if files and realtime:
        raise ConfigurationError("--files and --realtime exclude each other; try --files")
    mode = "--files" if files else "--realtime" if realtime else None
    for name, modes in {"cases": (None,), "ticks": (None, "--files"), "seconds": ("--realtime",)}.items():
        if was_typed(name) and mode not in modes:
            effect = "without --realtime" if mode is None else f"with {mode}"
            raise ConfigurationError(f"--{name} has no effect {effect}; leave it out")
    console.check_writable(json=json)
    if realtime:
        _in_realtime(seconds, json)
    elif files:
        _from_files(ticks, json)
    else:
        _of_cases(cases, ticks, json)


def _of_cases(cases: int, ticks: int, json: Path | None) -> None:
    from hocket.bench import planner as bench

    with _progress() as progress:
        task = progress.add_task("plan", total=cases)
        rows = bench.bench_plan(cases=cases, ticks=ticks, done=lambda n, of: progress.update(task, completed=n))
    console.write_json(json, rows)
    console.table(
        "Forecast and measured: the cases out of bounds (virtual)",
        ("rule", "N", "coverage", "measured", "delay", "measured"),
        [
            (
                row["rule"]["name"],
                str(row["workers"]),
                *(f"{row[key]:.3f}" for key in ("coverage", "coverage_measured")),
                *(console.number(row[key], ".2f") for key in ("delay_mean", "delay_mean_measured")),
            )
            for row in rows
            if not row["within"]
        ],
    )
    agree = sum(row["seeds_agree"] for row in rows)
    console.say(f"{sum(row['within'] for row in rows)} of {len(rows)} within bounds; {bench.worst_seconds(rows)}")
    console.say(f"The driver's own seeds are within these bounds of each other in {agree}.")


def _in_realtime(seconds: float, json: Path | None) -> None:
    from hocket.bench.planner_realtime import bench_plan_realtime

    rows = bench_plan_realtime(seconds=seconds, tell=console.say, watch=console.progress)
    console.write_json(json, rows)
    console.table(
        "\nCoverage: forecast from times measured alone, from the run's own times, and measured (realtime)",
        ("arm", "N", "forecast", "from own times", "measured"),
        [
            (
                row["rule"],
                str(row["workers"]),
                *(f"{row[key]:.3f}" for key in ("coverage", "coverage_from_own_times", "coverage_measured")),
            )
            for row in rows
        ],
    )
    own = sum(row["own_within"] for row in rows)
    console.say(f"within 5 points: {sum(row['within'] for row in rows)} of {len(rows)}; from their own times {own}")


def _from_files(ticks: int, json: Path | None) -> None:
    from hocket.bench.planner_files import bench_plan_files

    with _progress() as progress:
        task = progress.add_task("plan", total=None)
        rows = bench_plan_files(ticks=ticks, done=lambda n, of: progress.update(task, completed=n, total=of))
    console.write_json(json, rows)
    console.table(
        "Plans from files, and runs of the laws they were drawn from (virtual)",
        ("file", "rule", "N", "best N", "J+price", "best", "cover", "runs", "delay", "runs", "ticks", "took"),
        [_file_row(row) for row in rows],
    )
    for row in rows:
        for reason in row["reasons"]:
            console.say(f"{row['file']}: {reason}", style="dim")
    beside = [row for row in rows if "within" in row]
    within = sum(row["within"] for row in beside)
    named = sum(not row["within"] and bool(row["reasons"]) for row in beside)
    console.say(
        f"Forecasts: {within} of {len(beside)} within 3 points of coverage and max(1 tick, 5 %) of delay; of the "
        f"others, {named} have a caution that tells why."
    )
    near = sum(row["near"] for row in beside)
    worst = max((row["worse"] for row in beside), default=0.0)
    console.say(
        f"Workers: {near} of {len(beside)} within 15 % of the best number, or 0.001 of its J + price; at worst "
        f"{worst:.4f} more."
    )
    console.say(f"{sum(row['holds'] for row in rows)} of {len(rows)} plans hold, or say why they cannot.")


def _file_row(row: dict[str, Any]) -> tuple[str, ...]:
    beside: tuple[str, ...] = ("", "", "")
    coverage = delay = ""
    if "within" in row:
        cost = row["costs"]
        beside = (str(row["workers_best"]), f"{cost[row['workers']]:.4f}", f"{cost[row['workers_best']]:.4f}")
        coverage, delay = f"{row['coverage_measured']:.3f}", f"{row['delay_mean_measured']:.1f}"
    return (
        row["file"],
        row["rule"],
        str(row["workers"]),
        *beside,
        f"{row['coverage']:.3f}",
        coverage,
        console.number(row["delay_mean"], ".1f"),
        delay,
        str(row["ticks"]),
        f"{row['seconds']:.1f} s",
    )


def _progress() -> Progress:
    return Progress(console=console.console, transient=True, disable=not console.console.is_terminal)
