"""``hocket report`` and ``hocket trace``: views of saved runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import tyro

from hocket.cli import console
from hocket.cli.options.numbers import Bounds
from hocket.errors import ConfigurationError, TraceError
from hocket.results.perfetto import TRACE_JSON, write_trace_json
from hocket.results.report import REPORT, write_report
from hocket.results.run_folder import SavedRun, read_run, read_runs

PARTS = "run-*"
"""The runs inside a training's folder, in the order of their ticks."""
START, DURATION = Bounds("1", least=0), Bounds("2", above=0)


def report(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], *, out: Path | None = None) -> None:
    """Show a saved run, or compare several, in one HTML file.

    Runs of one configuration that differ in their seed are pooled: means with
    95 % intervals.

    Args:
        runs: folders that hocket run --out, hocket train --out or result.save wrote.
        out: the file to write; by default report.html in the run's folder, or for several in the current one.
    """
    folders = [found for folder in runs for found in parts_of(folder)]
    if not folders:
        raise ConfigurationError("no run was named; give the folder of at least one, such as runs/demo/two-staggered")
    target = out if out is not None else (folders[0] / REPORT if len(folders) == 1 else Path(REPORT))
    console.check_writable(json=target)
    names = names_of(folders)
    found = read_runs(folders, names)
    for run in found:
        for problem in run.problems:
            console.say(f"{run.name}: {problem}", style="yellow")
    write_report(found, target)
    console.say(f"Written to {target}")


def trace(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    out: Path | None = None,
    start: float = 0.0,
    duration: float | None = None,
) -> None:
    """Write a saved run, or a piece of it, as trace.json for ui.perfetto.dev.

    Args:
        run: the folder of the run.
        out: the file to write; by default trace.json in the run's folder.
        start: begin of the piece, in seconds of the run.
        duration: length of the piece in seconds; by default to the end.
    """
    START.check("start", start)
    if duration is not None:
        DURATION.check("duration", duration)
    (folder,) = [*parts_of(run)][-1:]
    target = out if out is not None else folder / TRACE_JSON
    console.check_writable(json=target)
    saved: SavedRun = read_run(folder)
    length_s = length_of(saved)
    if start and start >= length_s:
        raise ConfigurationError(f"--start {start:g} must be before the run's end at {length_s:g} s; try --start 0")
    piece = duration if duration is not None and start + duration < length_s else None
    write_trace_json(saved, target, start_s=start, duration_s=piece)
    console.say(f"Written to {target}: {target.stat().st_size / 1e6:.1f} MB; open it at https://ui.perfetto.dev")


def length_of(run: SavedRun) -> float:
    """Seconds of a run in the environment's own time; infinite if that cannot be read."""
    if run.metrics is None:
        return math.inf
    record = run.metrics.record
    return len(record.ticks) / float(record.trace.cadence.hz)


def parts_of(folder: Path) -> list[Path]:
    """``folder`` itself, or the runs of a training's folder."""
    if not folder.is_dir():
        raise TraceError(f"{folder} is {'no folder' if folder.exists() else 'not there'}; give the folder of a run")
    return sorted(part for part in folder.glob(PARTS) if part.is_dir()) or [folder]


def whole_of(folder: Path) -> Path:
    """The folder of the training if ``folder`` is its only run, else ``folder``."""
    is_part = folder.match(PARTS) and len(parts_of(folder.parent)) == 1
    return folder.parent if is_part else folder


def names_of(folders: list[Path]) -> list[str]:
    """The shortest path endings that differ."""
    paths = [whole_of(folder.resolve()) for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]
