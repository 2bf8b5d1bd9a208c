"""``hocket bench …``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.progress import Progress

from hocket.cli import show
from hocket.drivers.realtime import as_executor_kind
from hocket.errors import ConfigurationError


def overhead(*, count: int = 5000, json: Path | None = None) -> None:
    """A 28 KB observation to a process and its action back, beside a Queue, a Pipe and a bare semaphore.

    Args:
        count: round trips of each kind.
        json: also write the figures to this file.
    """
    from hocket.bench.overhead import bench_overhead

    _at_least_one(count=count)
    figures = bench_overhead(count=count)
    names = {
        "p50_s": "hocket, p50",
        "p99_s": "hocket, p99",
        "queue_p50_s": "multiprocessing.Queue, p50",
        "pipe_p50_s": "multiprocessing.Pipe, p50",
        "semaphore_p50_s": "a bare semaphore and nothing carried, p50",
    }
    rows = [
        (name, show.microseconds(figures[key]), f"{figures[key] / figures['p50_s']:.1f}") for key, name in names.items()
    ]
    show.table("28 KB to a process and an action back, inference excluded", ("", "round trip", "× hocket"), rows)
    show.write_json(json, figures)


def jitter(
    *,
    hz: float = 59.7275,
    workers: int = 72,
    latency: float = 1.17,
    executor: Literal["processes", "threads"] = "processes",
    seconds: float = 30.0,
    json: Path | None = None,
) -> None:
    """Does the loop hold, with many workers that wait for something.

    Args:
        hz: ticks per second.
        workers: how many, under TickDispatch.
        latency: seconds that each inference waits.
        executor: processes or threads.
        seconds: how long to run.
        json: also write the figures to this file.
    """
    from hocket.bench.jitter import bench_jitter

    with show.progress(f"{workers} {executor}", round(seconds * hz)) as watch:
        figures = bench_jitter(
            hz=hz, workers=workers, latency=latency, executor=as_executor_kind(executor), seconds=seconds, watch=watch
        )
    rows = [
        ("coverage once the first inference was due", f"{figures['coverage']:.4f}"),
        ("mean delay", f"{figures['delay_mean']:.1f} ticks"),
        ("tick lateness p50", show.microseconds(figures["lateness_p50_s"])),
        ("tick lateness p99", show.microseconds(figures["lateness_p99_s"])),
        ("tick loop's share of one core", f"{figures['tick_loop_cpu_share']:.2%}"),
    ]
    show.table(f"{workers} {executor} of {latency:g} s at {hz:g} Hz for {seconds:g} s (realtime)", ("", ""), rows)
    show.write_json(json, figures)


def rules(*, seeds: int = 5, ticks: int = 7200, json: Path | None = None) -> None:
    """Every rule under five latency laws and seven numbers of workers, in virtual time at 60 Hz.

    Args:
        seeds: of each cell.
        ticks: a seed, after 1,200 of warm-up.
        json: also write the figures to this file.
    """
    from hocket.bench.rules import PREDICTABILITIES, bench_rules, worst_margins

    _at_least_one(seeds=seeds, ticks=ticks)
    with Progress(console=show.console, transient=True) as progress:
        task = progress.add_task("rules", total=None)
        rows = bench_rules(seeds=seeds, ticks=ticks, done=lambda n, of: progress.update(task, completed=n, total=of))
    rows.sort(key=lambda row: (row["law"], row["workers"], row["rule"], row["predictability"] or 0))
    for law in dict.fromkeys(row["law"] for row in rows):
        show.table(
            f"{law}, mean 200 ms at 60 Hz (virtual)",
            ("rule", "N", "bound", "coverage", "delay", "p99", *(f"J {rho}" for rho in PREDICTABILITIES)),
            [
                (
                    row["rule"] + (f" ρ={row['predictability']}" if row["predictability"] else ""),
                    str(row["workers"]),
                    f"{row['bound']:.3f}",
                    f"{row['coverage']:.3f}",
                    f"{row['delay_mean']:.1f}" if row["delay_mean"] else "",
                    str(row["delay_p99"] or ""),
                    *(f"{regret:.4f}" for regret in row["regret_per_tick"].values()),
                )
                for row in rows
                if row["law"] == law
            ],
        )
    margins = worst_margins(rows)
    show.table(
        "J_ρ of TickDispatch(quantile=auto, predictability=ρ) − the best other rule's: the worst ten cells",
        ("margin", "law", "N", "ρ", "best other"),
        [(f"{margin:+.4f}", law, str(n), str(rho), other) for margin, law, n, rho, other in margins[:10]],
    )
    show.write_json(json, rows)


def virtual(*, workers: int = 16, ticks: int = 50_000, json: Path | None = None) -> None:
    """Virtual ticks a second with a null environment and policy.

    Args:
        workers: how many, under TickDispatch, busy four fifths of the time.
        ticks: how many to run.
        json: also write the figures to this file.
    """
    from hocket.bench.virtual import bench_virtual

    _at_least_one(ticks=ticks)
    figures = bench_virtual(workers=workers, ticks=ticks)
    show.table("Scheduling alone (virtual)", ("workers", "ticks/s"), [(str(workers), f"{figures['ticks_per_s']:,.0f}")])
    show.write_json(json, figures)


def _at_least_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ConfigurationError(f"--{name} {value} must be at least 1")
