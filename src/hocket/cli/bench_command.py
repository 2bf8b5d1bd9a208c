"""``hocket bench …``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from rich.progress import Progress

import hocket
from hocket.cli import console
from hocket.cli.cautions import check_usual
from hocket.drivers.realtime import as_executor_kind
from hocket.errors import ConfigurationError

TRAINERS = {
    "hocket.train (virtual)": "steps_per_s",
    "Stable-Baselines3's DQN": "sb3_steps_per_s",
    "CleanRL's DQN": "cleanrl_steps_per_s",
}
RATIOS = {"Stable-Baselines3's": "sb3_ratio", "CleanRL's": "cleanrl_ratio"}
JITTER_KEYS = ("coverage", "lateness_p50_s", "lateness_p99_s", "tick_loop_cpu_share")


def overhead(
    *, observation: Literal["frames", "robot"] = "frames", count: int = 5000, json: Path | None = None
) -> None:
    """Round trip of an observation to a process, beside Queue, Pipe and semaphores.

    Args:
        observation: frames, 28 KB; robot, a dict of two cameras and seven joints, beside one array of as many bytes.
        count: round trips of each kind.
        json: also write the figures to this file.
    """
    from hocket.bench.overhead import bench_overhead, bench_robot

    at_least_one(count=count)
    console.check_writable(json=json)
    if observation == "robot":
        figures = bench_robot(count=count)
        console.write_json(json, figures)
        table = [
            (f"{workers}, {what}", console.microseconds(figures[f"{workers}_{key}_p50_s"]), f"{ratio:.2f}")
            for workers in ("processes", "threads")
            for what, key, ratio in (("one array", "box", 1), ("the dict", "dict", figures[f"{workers}_ratio"]))
        ]
        title = f"Two cameras and seven joints, {figures['bytes'] / 1e3:.0f} KB, to a worker and an action back"
        console.table(title, ("", "round trip, p50", "× one array"), table)
        return
    figures = bench_overhead(count=count)
    console.write_json(json, figures)
    names = {
        "p50_s": "hocket, p50",
        "p99_s": "hocket, p99",
        "queue_p50_s": "multiprocessing.Queue, p50",
        "pipe_p50_s": "multiprocessing.Pipe, p50",
        "semaphore_p50_s": "bare semaphores that carry nothing, p50",
    }
    rows = [
        (name, console.microseconds(figures[key]), f"{figures[key] / figures['p50_s']:.1f}")
        for key, name in names.items()
    ]
    console.table(
        "28 KB to a process and an action back, inference excluded", ("through", "round trip", "× hocket"), rows
    )


def jitter(
    *,
    hz: float = 59.7275,
    workers: int = 72,
    latency: float = 1.17,
    executor: Literal["processes", "threads"] = "processes",
    seconds: float = 30.0,
    json: Path | None = None,
) -> None:
    """Lateness and coverage of the tick loop, with many workers that wait.

    Args:
        hz: ticks per second.
        workers: number of workers, under TickDispatch.
        latency: seconds of each inference.
        executor: processes or threads.
        seconds: length of the run.
        json: also write the figures to this file.
    """
    from hocket.bench.jitter import bench_jitter

    at_least_one(workers=workers)
    positive(hz=hz, seconds=seconds)
    if not (math.isfinite(latency) and latency >= 0):
        raise ConfigurationError(f"--latency {latency} must be 0 or more seconds; try --latency 1.17")
    console.check_writable(json=json)
    check_usual(hz=hz, workers=workers, latency=(None, hocket.Constant(latency)))
    with console.progress(f"{workers} {executor}", round(seconds * hz)) as instruments:
        figures = bench_jitter(
            hz=hz,
            workers=workers,
            latency=latency,
            executor=as_executor_kind(executor),
            seconds=seconds,
            instruments=instruments,
        )
    console.write_json(json, {key: figures[key] for key in JITTER_KEYS})
    rows = [
        ("coverage once the first inference was due", console.number(figures["coverage"], ".4f")),
        ("mean delay", console.number(figures["delay_mean"], ".1f") + " ticks"),
        ("tick lateness p50", console.microseconds(figures["lateness_p50_s"])),
        ("tick lateness p99", console.microseconds(figures["lateness_p99_s"])),
        ("tick loop's share of one core", f"{figures['tick_loop_cpu_share']:.2%}"),
    ]
    title = f"{workers} {executor} of {latency:g} s an inference at {hz:g} Hz for {seconds:g} s (realtime)"
    console.table(title, ("", ""), rows)


def rules(
    *,
    seeds: int = 3,
    ticks: int = 7200,
    quick: bool = False,
    bound: bool = False,
    keep: Path | None = None,
    json: Path | None = None,
) -> None:
    """Every rule under eleven latency laws, with too few to many workers (virtual).

    Args:
        seeds: seeds for each rule, law, rate and number of workers.
        ticks: ticks of each seed, after 1,200 of warm-up.
        quick: only a few telling laws, rates and numbers of workers.
        bound: also how low J_ρ can be, without cancelling: for rules that know all inference times in advance.
        keep: write finished runs to this file and do not run those again that are in it; for one version of the rules.
        json: also write the figures to this file.
    """
    from hocket.bench.rules import ALLOWED, PREDICTABILITIES, bench_bounds, bench_rules, worst_margins

    at_least_one(seeds=seeds, ticks=ticks)
    console.check_writable(json=json)
    with Progress(console=console.console, transient=True, disable=not console.console.is_terminal) as progress:
        task = progress.add_task("rules", total=None)
        rows = bench_rules(
            seeds=seeds,
            ticks=ticks,
            quick=quick,
            keep=keep,
            done=lambda n, of: progress.update(task, completed=n, total=of),
        )
        bounds = []
        if bound:
            task = progress.add_task("bounds", total=None)
            bounds = bench_bounds(rows, done=lambda n, of: progress.update(task, completed=n, total=of))
    places = ("law", "hz", "chunk", "workers")
    rows.sort(key=lambda row: (*(row[place] for place in places), row["rule"], row["predictability"] or 0))
    console.write_json(json, rows)
    for law, hz, chunk in dict.fromkeys((row["law"], row["hz"], row["chunk"]) for row in rows):
        of_law = [row for row in rows if (row["law"], row["hz"], row["chunk"]) == (law, hz, chunk)]
        chunks = f", answers of {chunk} actions" if chunk > 1 else ""
        console.table(
            f"\n{law}, mean 200 ms at {hz} Hz{chunks} (virtual)",
            ("rule", "N", "bound", "coverage", "delay", "p99", *(f"J {rho}" for rho in PREDICTABILITIES)),
            [
                (
                    _short(row),
                    str(row["workers"]),
                    f"{row['bound']:.3f}",
                    f"{row['coverage']:.3f}",
                    "n/a" if row["delay_mean"] is None else f"{row['delay_mean']:.1f}",
                    "n/a" if row["delay_p99"] is None else str(row["delay_p99"]),
                    *(f"{regret:.4f}" for regret in row["regret_per_tick"].values()),
                )
                for row in of_law
            ],
            sections=lambda i, of_law=of_law: of_law[i]["workers"] != of_law[min(i + 1, len(of_law) - 1)]["workers"],  # type: ignore[misc]
        )
    console.say("Tick q: TickDispatch(quantile=q); Tick ρ: TickDispatch(quantile=auto, predictability=ρ)", style="dim")
    margins = worst_margins(rows)
    console.table(
        "\nJ_ρ of TickDispatch(quantile=auto) − the best other rule's: the worst ten",
        ("margin", "law", "Hz", "N", "chunk", "ρ", "best other"),
        [(f"{margin.margin:+.4f}", *map(str, margin[1:])) for margin in margins[:10]],
    )
    if bounds:
        console.table(
            "\nHow low J_ρ can be where every inference runs to its end",
            ("law", "Hz", "N", "ρ", "J", "clairvoyant", "ratio", "not clairvoyant"),
            [
                (
                    margin.law,
                    *map(str, (margin.hz, margin.workers, margin.predictability)),
                    f"{regret:.4f}",
                    *_bound_columns(regret, least),
                )
                for margin, regret, least in sorted(bounds, key=lambda found: found[0][1:])
            ],
        )
    within = sum(margin.margin <= ALLOWED for margin in margins)
    console.say(f"within {ALLOWED} of the best other: {within} of {len(margins)} cells")


def adapt(*, seconds: float = 10.0, json: Path | None = None) -> None:
    """Numbers of workers that TickDispatch chooses, and its recovery from slowness.

    Args:
        seconds: length of each run, after its warm-up.
        json: also write the figures to this file.
    """
    from hocket.bench.adaptation import HIGH_COVERAGE, HZ, bench_recovery, bench_workers

    positive(seconds=seconds)
    console.check_writable(json=json)
    workers = bench_workers(seconds=seconds, tell=console.say)
    console.say("inferences become slower")
    recovery = bench_recovery(seconds=seconds)
    console.write_json(json, workers | recovery)
    rows = [(f"{number} workers", f"{regret:.4f}") for number, regret in workers["regret_by_workers"].items()]
    rows += [("workers=auto", f"{workers['auto_regret']:.4f}"), ("− the best", f"{workers['auto_minus_best']:+.4f}")]
    console.table(f"J 0.99 where an inference computes for 50 ms, at {HZ} Hz (realtime)", ("", "J"), rows)
    took = "never" if recovery["recovery_s"] is None else f"{recovery['recovery_s']:.2f} s"
    console.table(
        f"inferences of 100 ms that take 300 ms at once, at {HZ} Hz (realtime)",
        ("", ""),
        [
            ("coverage before", f"{recovery['coverage_before']:.3f}"),
            (f"until it is above {HIGH_COVERAGE} again", took),
            ("coverage from then on", console.number(recovery["coverage_after"], ".3f")),
        ],
    )


def _bound_columns(regret: float, least: dict[str, float | None]) -> tuple[str, str, str]:
    clairvoyant, workload = least["clairvoyant"], least["workload"]
    ratio = regret / clairvoyant if clairvoyant is not None and clairvoyant > 0 else None
    return console.number(clairvoyant, ".4f"), console.number(ratio, ".2f"), console.number(workload, ".4f")


def virtual(*, workers: int = 16, ticks: int = 50_000, json: Path | None = None) -> None:
    """Virtual ticks a second with a null environment and policy.

    Args:
        workers: number of workers, under TickDispatch, busy four fifths of the time.
        ticks: length of the run.
        json: also write the figures to this file.
    """
    from hocket.bench.rules import bench_virtual

    at_least_one(workers=workers, ticks=ticks)
    console.check_writable(json=json)
    figures = bench_virtual(workers=workers, ticks=ticks)
    console.write_json(json, figures)
    console.say(f"{figures['ticks_per_s']:,.0f} ticks/s with {workers} workers: scheduling alone (virtual)")


def _short(row: dict[str, Any]) -> str:
    name: str = row["rule"]
    if row["predictability"] is not None:
        return f"Tick ρ={row['predictability']}"
    return name.replace("Dispatch(quantile=", " q=").replace(")", "")


def at_least_one(**values: int) -> None:
    """Refuse a number below 1."""
    for name, value in values.items():
        if value < 1:
            raise ConfigurationError(f"--{name} {value} must be at least 1; try --{name} 2")


def positive(**values: float) -> None:
    """Refuse a number that is not greater than 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigurationError(f"--{name} {value} must be greater than 0; try --{name} 60")


def replay(*, entries: int = 300_000, json: Path | None = None) -> None:
    """Memory and sampling time of the replay, beside cpprb if it is installed.

    Args:
        entries: transitions of 84x84 frames; 300,000 of them take 2.2 GB.
        json: also write the figures to this file.
    """
    from hocket.bench.replay import bench_replay

    at_least_one(entries=entries)
    console.check_writable(json=json)
    figures = bench_replay(entries=entries)
    console.write_json(json, figures)
    rows = [(name, console.microseconds(value)) for name, value in figures.items() if name.endswith("_s")]
    console.table(f"Replay of {entries:,} transitions, batches of 32 stacks of 4 frames", ("what", "median"), rows)
    console.say(f"{figures['bytes_per_transition']:,.0f} bytes per transition")


def update(*, repeats: int = 20, bfloat16: bool = False, device: str = "cpu", json: Path | None = None) -> None:
    """One DQN update of the IMPALA net, beside Stable-Baselines3's.

    Args:
        repeats: updates that are timed.
        bfloat16: also with bfloat16 trunks, on a device that has it.
        device: device of both: cpu, cuda, ...
        json: also write the figures to this file.
    """
    from hocket.bench.update import bench_update

    at_least_one(repeats=repeats)
    console.check_writable(json=json)
    figures = bench_update(repeats=repeats, bfloat16=bfloat16, device=device)
    console.write_json(json, figures)
    rows = [(name, console.milliseconds(value)) for name, value in figures.items() if name.endswith("_s")]
    console.table(f"One update, batch of 32, {_on(device)}, 0.9 million parameters", ("what", "median"), rows)
    rows = [(name, console.number(value, ".1e")) for name, value in figures.items() if not name.endswith("_s")]
    console.table("Largest relative difference to Stable-Baselines3's loss", ("what", "difference"), rows)


def train(
    *,
    env: str = "ALE/Boxing-v5",
    envs: int = 1,
    repeats: int = 10,
    bfloat16: bool = False,
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Virtual training of DQN, beside Stable-Baselines3's DQN and CleanRL's with the same network.

    Args:
        env: environment; the IMPALA net for Atari, the net of its paper for MinAtar, such as minatar/breakout.
        envs: copies of the environment in hocket's training.
        repeats: blocks of steps of each, alternating: of 100 for Atari, else of 800.
        bfloat16: run hocket's trunks in bfloat16.
        device: device of all: cpu, cuda, ...
        json: also write the figures to this file.
    """
    from hocket.bench.training import bench_train

    at_least_one(repeats=repeats, envs=envs)
    console.check_writable(json=json)
    figures = bench_train(env=env, envs=envs, repeats=repeats, bfloat16=bfloat16, device=device)
    console.write_json(json, figures)
    rows = [(name, console.number(figures[key], ",.0f")) for name, key in TRAINERS.items()]
    title = f"{env}, {envs} at a time in hocket, an update of 32 transitions every four steps, {device}"
    console.table(title, ("", "environment steps per second"), rows)
    others = [f"{figures[key]:.2f} times {name}" for name, key in RATIOS.items() if figures[key] is not None]
    console.say(f"hocket: {', '.join(others)}")


def _on(device: str) -> str:
    return "two threads" if device == "cpu" else device
