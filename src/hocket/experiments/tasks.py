"""Many runs of an experiment, on every core; an interrupted set can be completed later.

A task is a small picklable value. Its rows are written to a file of its own as soon as it is done, so an
interruption loses only the running tasks; the next call skips finished ones.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from hocket.results.files import make_folder, replacing

Row = dict[str, Any]


class Task(Protocol):
    """One run of an experiment."""

    @property
    def name(self) -> str:
        """The name of its file, unique among tasks."""

    @property
    def cell(self) -> str:
        """The configuration that it repeats: tasks of one cell take about the same time."""

    def play(self) -> list[Row]:
        """Run the task. All rows have the same keys."""


class OneSeed(ABC):
    """A task that is one seed of its cell, and is named by both."""

    seed: int

    @property
    @abstractmethod
    def cell(self) -> str:
        """See `Task`."""

    @property
    def name(self) -> str:
        """See `Task`."""
        return f"{self.cell}-seed{self.seed}"


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write ``columns`` to a CSV file atomically; other keys are left out."""
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, as strings."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def part(folder: Path, task: Task) -> Path:
    """The file of ``task``."""
    return folder / f"{task.name}.csv"


def perform(tasks: Iterable[Task], folder: Path, *, processes: int, minutes: float | None = None) -> list[str]:
    """Run the tasks that have no file in ``folder`` yet, in order.

    Args:
        processes: tasks that run at once, one torch thread each.
        minutes: time limit; a task is not started if it would pass it, by the last time of its cell (of a new cell,
            by the slowest task so far).

    Returns:
        The names of tasks left without a file: they failed (the traceback is printed) or would pass the limit.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    make_folder(folder)
    tasks = list(tasks)
    began = perf_counter()
    known = [task for task in tasks if part(folder, task).exists()]
    waiting = [task for task in tasks if task not in known]
    seconds: dict[str, float] = {}
    for task in known:
        seconds[task.cell] = max(float(read_rows(part(folder, task))[0]["wall_s"]), seconds.get(task.cell, 0))
    print(f"{len(known)} of {len(tasks)} tasks are done already", flush=True)

    def in_time(task: Task) -> bool:
        if minutes is None:
            return True
        expected = seconds.get(task.cell, max(seconds.values(), default=0))
        return perf_counter() - began + expected < 60 * minutes

    running: dict[Future[float], Task] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        while True:
            while len(running) < processes and (startable := next(filter(in_time, waiting), None)) is not None:
                waiting.remove(startable)
                running[pool.submit(_play, startable, folder)] = startable
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    took = future.result()
                except Exception:
                    print(f"{task.name} failed:\n{traceback.format_exc()}", flush=True)
                    continue
                seconds[task.cell] = max(took, seconds.get(task.cell, 0))
                elapsed = perf_counter() - began
                print(f"{elapsed / 60:5.1f} min: {task.name} in {took:.0f} s, {len(waiting)} to start", flush=True)
    return [task.name for task in tasks if not part(folder, task).exists()]


def _play(task: Task, folder: Path) -> float:
    began = perf_counter()
    rows = task.play()
    took = perf_counter() - began
    write_rows(part(folder, task), [{**row, "wall_s": round(took, 1)} for row in rows], [*rows[0], "wall_s"])
    return took


def command(
    description: str, tasks: Sequence[Task], columns: Sequence[str], collect: Callable[[list[Row]], None]
) -> None:
    """The command line of an experiment: run tasks into a folder, or ``collect`` the finished ones.

    Args:
        columns: columns that a task's rows need to be collected.
        collect: called with the rows of all finished tasks, in order.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the tasks' files")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="start no task that would pass this time limit")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="of task names, such as 'breakout-4-*'")
    parser.add_argument("--list", action="store_true", help="only print the names of all tasks")
    parser.add_argument("--collect", action="store_true", help="write table and figure of the finished tasks")
    options = parser.parse_args()
    chosen = [t for t in tasks if options.only is None or any(fnmatch(t.name, pattern) for pattern in options.only)]
    if options.list:
        print(*(task.name for task in chosen), sep="\n")
        return
    if options.collect:
        files = [part(options.out, task) for task in chosen if part(options.out, task).exists()]
        print(f"{len(files)} of {len(chosen)} tasks are done")
        collect([{name: row[name] for name in columns} for file in files for row in read_rows(file)])
        return
    left = perform(chosen, options.out, processes=options.processes, minutes=options.minutes)
    if left:
        print(f"{len(left)} left: {', '.join(left)}")
        raise SystemExit(1)
