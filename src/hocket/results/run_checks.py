"""Checks the content of a run folder's files, so that damage is found on reading and causes no later failure.

Each check raises ValueError with a description of the problem.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S, Cadence
from hocket.core.commands import Outcome
from hocket.results.metrics import Metrics, TickColumns

MOST_DEPTH = 40
"""The deepest nesting of objects and lists in a JSON file."""
MOST_NUMBER = 1 << 62
MOST_TICK = 1 << 40
MOST_WORKERS = 1 << 16
FREE_BYTES = 256 << 20
"""An archive up to this size is read with any compression ratio."""
MOST_RATIO = 200
"""The largest ratio of unpacked to stored bytes of a larger archive. Tables of runs stay below 20."""

Columns = dict[str, NDArray[Any]]


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in ``file``, with NaN for every number that is not finite."""
    content = json.loads(
        file.read_bytes(), parse_constant=lambda _: math.nan, parse_float=_finite_or_nan, parse_int=_bounded
    )
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    _check_depth(content, MOST_DEPTH)
    return content


def _finite_or_nan(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else math.nan


def _bounded(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > MOST_NUMBER:
        raise ValueError("it holds a number beyond ±2⁶²")
    return int(text)


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError(f"it is nested more than {MOST_DEPTH} levels deep")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _check_depth(item, left - 1)


def take_typed(content: dict[str, Any], kinds: Mapping[str, type | tuple[type, ...]]) -> list[str]:
    """Remove the entries of ``content`` that have the wrong type, and return a problem for each."""
    problems = []
    for name, kind in kinds.items():
        found = content.get(name)
        if found is None or (isinstance(found, kind) and (kind is bool or not isinstance(found, bool))):
            continue
        del content[name]
        allowed = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
        problems.append(f"{name} is {_short(found)}, not of type {allowed}")
    return problems


def take_counts(content: dict[str, Any], name: str) -> list[str]:
    """Remove ``content[name]`` unless it is an object of counts; return the problem if there is one."""
    found = content.get(name)
    if found is None or (
        isinstance(found, dict) and all(type(count) is int and count >= 0 for count in found.values())
    ):
        return []
    del content[name]
    return [f"{name} is {_short(found)}, not an object of counts"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def read_columns(path: Path, needed: Iterable[str] = (), wide: Iterable[str] = ()) -> Columns:
    """Return the arrays of an npz file, after a check that it is no larger than a run's tables can be.

    Args:
        path: the file.
        needed: columns that must exist, all of one length.
        wide: needed columns that may have several dimensions and any number type, or be texts; the others are lists of
            numbers.
    """
    with path.open("rb") as file:
        with zipfile.ZipFile(file) as archive:
            content = sum(member.file_size for member in archive.infolist())
        if content > FREE_BYTES and content > MOST_RATIO * path.stat().st_size:
            raise ValueError(f"it unpacks to {content:,} bytes, more than {MOST_RATIO} times its size")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            columns: Columns = {name: arrays[name] for name in arrays.files}
    for name in sorted(set(needed)):
        if name not in columns:
            raise ValueError(f"it has no column {name}")
        column = columns[name]
        if name in wide:
            if column.ndim < 1 or column.dtype.kind not in "biufU":
                raise ValueError(f"its column {name} is of type {column.dtype} and shape {column.shape}")
        elif column.ndim != 1 or column.dtype.kind not in ("biuf" if name == "reward" else "biu"):
            raise ValueError(f"its column {name} is of type {column.dtype} and shape {column.shape}")
    if needed and len({len(columns[name]) for name in needed}) > 1:
        raise ValueError("its columns differ in length")
    return columns


def check_cadence(cadence: Cadence) -> None:
    """Check the tick rate and the epoch."""
    if not 1e-6 <= float(cadence.hz) <= NS_PER_S:
        raise ValueError(f"the tick rate is {float(cadence.hz):g} Hz")
    _within("the epoch", np.array([cadence.epoch_ns]), -MOST_NUMBER, MOST_NUMBER)


def check_ticks(ticks: TickColumns, cadence: Cadence) -> None:
    """Check that ticks increase from 1, with valid delays and inferences."""
    if len(ticks.tick) == 0:
        return
    if int(ticks.tick[0]) < 1 or (np.diff(ticks.tick) <= 0).any():
        raise ValueError("its ticks do not go up from 1")
    _within("a tick", ticks.tick, 1, MOST_TICK)
    if cadence.deadline_ns(int(ticks.tick[-1])) >= MOST_NUMBER:
        raise ValueError(f"tick {ticks.tick[-1]} lies beyond 2⁶² ns")
    _within("a delay", ticks.delay_ticks, 0, MOST_TICK)
    _within("an inference", ticks.inference, -1, MOST_TICK)


def check_inferences(metrics: Metrics) -> None:
    """Check workers, ticks, times and outcomes of inferences."""
    every = metrics.inferences
    _within("a worker", every.worker, 0, MOST_WORKERS)
    for name in ("observation", "target", "bound_tick", "executed_tick"):
        _within(name, getattr(every, name), -1, MOST_TICK)
    for name in ("started_ns", "trunk_ns", "finished_ns", "ended_ns"):
        _within(name, getattr(every, name), -MOST_NUMBER, MOST_NUMBER)
    _within("an outcome", every.outcome, -1, max(Outcome))
    _within("an executed inference", metrics.ticks.inference, -1, len(every.worker) - 1)


def _within(name: str, values: NDArray[Any], low: int, high: int) -> None:
    outside = values[(values < low) | (values > high)]
    if len(outside):
        raise ValueError(f"{name} is {outside[0]}, not from {low} to {high}")
