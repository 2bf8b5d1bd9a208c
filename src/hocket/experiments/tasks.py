"""Many runs of an experiment, on every core, to be taken up again where they were left.

A task is a small picklable value. What it finds goes into a file of its own as soon as it is done, so that whatever
ends the program costs no more than what was running; the next call leaves out what is there.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import traceback
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
        """Its file's; no other task's."""

    @property
    def cell(self) -> str:
        """What it repeats: tasks of one cell take about as long as each other."""

    def play(self) -> list[Row]:
        """Do it. All rows have the same keys."""


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """A CSV file of ``columns``, whole or not there; other keys are left out."""
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
    """Play the tasks that have no file in ``folder`` yet, in their order.

    Args:
        processes: tasks at a time, one torch thread each.
        minutes: start none that would take longer than these, by what its cell took before (or, of a new cell, the
            slowest one so far).

    Returns:
        The names of those without a file in the end, because they failed (the traceback is printed) or came too late.
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
    """The command line of an experiment: play tasks into a folder, or ``collect`` what is there.

    Args:
        columns: what tasks' rows must have to be collected.
        collect: given the rows of all finished tasks in their order.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the tasks' files")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="start nothing that would take longer than these")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="of task names, such as 'breakout-4-*'")
    parser.add_argument("--list", action="store_true", help="print the names of all tasks, and do nothing")
    parser.add_argument("--collect", action="store_true", help="write table and figure of what is there")
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
