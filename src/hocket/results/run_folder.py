"""Run folders: what a run left behind as files, and back.

``run.json`` is removed first and written last: where it stands, every file that it names is of the same run and whole.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import Cadence, exact_hz
from hocket.core.rules import Rule
from hocket.core.trace import Trace, UnknownRule
from hocket.errors import ConfigurationError, TraceError
from hocket.hooks.record import RunRecord
from hocket.results.files import make_folder, replacing, unwritable, write_json
from hocket.results.metrics import Inferences, Metrics, TickColumns
from hocket.results.summary import Summary
from hocket.results.training_log import TrainingLog

FORMAT = "hocket-run"
VERSION = 1
INDEX, CONFIG, SUMMARY, TRACE = "run.json", "config.json", "summary.json", "trace.bin"
CHECKPOINT_INDEX = "state.json"
TICKS, INFERENCES, EPISODES, LEARNING = "ticks.npz", "inferences.npz", "episodes.npz", "learning.npz"
NEEDED = (INDEX, CONFIG, SUMMARY, TRACE, TICKS, INFERENCES, EPISODES)

TICK_COLUMNS = (
    *("tick", "inference", "step", "delay_ticks"),
    *("action", "reward", "terminated", "truncated", "lateness_ns", "step_ns"),
)
EPISODE_COLUMNS = ("tick", "final_observation")

Columns = dict[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """What is known of a finished run, of a whole folder or of a damaged one.

    Attributes:
        name: to tell it from others, such as its folder's.
        config: empty if it cannot be read.
        summary: as summary.json has it; empty if it cannot be read nor computed.
        metrics: None if neither the trace nor the two tables can be read.
        learning: None if the run was no training.
        problems: what is missing or damaged, in words.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    metrics: Metrics | None = None
    learning: TrainingLog | None = None
    problems: tuple[str, ...] = ()


def write_run(path: Path, record: RunRecord, config: Mapping[str, Any], learning: TrainingLog | None) -> None:
    """Write all that `read_run` needs into the folder ``path``, in place of an earlier run.

    Raises:
        ConfigurationError: if the disk refuses, or the folder holds the checkpoints of a training.
    """
    make_folder(path)
    _check_no_checkpoints(path)
    for stale in (INDEX, *(() if learning is not None else (LEARNING,))):
        try:
            (path / stale).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path / stale, error) from error
    metrics = Metrics(record)
    with replacing(path / TRACE) as partial:
        record.trace.save(partial)
    _save_npz(path / TICKS, _tick_columns(metrics))
    _save_npz(path / INFERENCES, asdict(metrics.inferences))
    _save_npz(path / EPISODES, _episode_columns(record))
    if learning is not None:
        _save_npz(path / LEARNING, learning.columns())
    write_json(path / CONFIG, config)
    write_json(path / SUMMARY, asdict(Summary.of(record)))
    kept = (TRACE, TICKS, INFERENCES, EPISODES, *((LEARNING,) if learning is not None else ()))
    index = {
        "format": FORMAT,
        "format_version": VERSION,
        "hocket": version("hocket"),
        "hz": str(record.trace.cadence.hz),
        "epoch_ns": record.trace.cadence.epoch_ns,
        "wall_s": record.wall_s,
        "loop_cpu_s": record.loop_cpu_s,
        "priority": record.priority,
        "interrupted": record.interrupted,
        "errors": record.errors,
        "bytes": {name: (path / name).stat().st_size for name in kept},
    }
    write_json(path / INDEX, index)


def _check_no_checkpoints(path: Path) -> None:
    """A training's folder has a config.json of its own, and checkpoints in folders named by tick."""
    for state in path.glob("*/" + CHECKPOINT_INDEX):
        if state.parent.name.isdecimal():
            raise ConfigurationError(
                f"{path} holds checkpoints of a training ({state.parent.name}), and this run's config.json would "
                f"replace theirs; try another folder, such as {path / 'run'}"
            )


def read_run(path: Path, rule: Rule | None = None, *, name: str | None = None) -> SavedRun:
    """What can be read of the run folder ``path``; what cannot is among its ``problems``.

    Raises:
        TraceError: if it is no run folder, or a newer hocket has written it, or nothing of it can be read.
    """
    if not path.is_dir():
        raise TraceError(f"{path} is {'no folder' if path.exists() else 'not there'}; give a folder that a run saved")
    there = {file.name for file in path.iterdir()}
    if not there & {TRACE, TICKS, INFERENCES, INDEX}:
        raise TraceError(f"{path} is no run folder: it has no {INDEX}, {TRACE} or {TICKS}; give one that a run saved")
    reader = _Reader(path)
    index = reader.json(INDEX)
    _check_version(path, index)
    config, summary = reader.json(CONFIG), reader.json(SUMMARY)
    sizes = index.get("bytes", {})
    trace = reader.of(TRACE, sizes, lambda file: Trace.load(file, rule, unknown=True))
    ticks = reader.of(TICKS, sizes, lambda file: _columns(file, TICK_COLUMNS))
    inferences = reader.of(INFERENCES, sizes, lambda file: _columns(file, [each.name for each in fields(Inferences)]))
    episodes = reader.of(EPISODES, sizes, lambda file: _columns(file, EPISODE_COLUMNS))
    learning = None
    if LEARNING in there or LEARNING in sizes:
        learning = reader.of(LEARNING, sizes, lambda file: TrainingLog.of_columns(_columns(file)))
    metrics = _metrics(trace, ticks, inferences, episodes, index, config)
    if not (config or summary or metrics):
        raise TraceError(f"nothing of {path} can be read: {'; '.join(reader.problems)}")
    if not summary and metrics is not None and trace is not None and ticks is not None:
        summary = asdict(Summary.of(metrics.record))
    return SavedRun(
        name=path.resolve().name if name is None else name,
        config=config,
        summary=summary,
        metrics=metrics,
        learning=learning,
        problems=tuple(reader.problems),
    )


class _Reader:
    """Reads files of one folder and writes down which it could not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def json(self, name: str) -> dict[str, Any]:
        """An object, empty if there is none."""

        def parse(file: Path) -> dict[str, Any]:
            content = json.loads(file.read_bytes())
            if not isinstance(content, dict):
                raise ValueError("it holds no object")
            return content

        return self.of(name, {}, parse) or {}

    def of(self, name: str, sizes: Mapping[str, int], read: Any) -> Any:
        """What ``read`` makes of the file, or None."""
        file = self._path / name
        try:
            length = file.stat().st_size
            if name in sizes and length != sizes[name]:
                raise ValueError(f"{length} bytes where {sizes[name]} were written")
            return read(file)
        except FileNotFoundError:
            self.problems.append(f"{name} is missing")
        except OSError as error:
            self.problems.append(f"{name} cannot be read ({error.strerror or error})")
        except TraceError as error:
            self.problems.append(f"{name}: {error}")
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            self.problems.append(f"{name} is damaged ({error})")
        return None


def _check_version(path: Path, index: Mapping[str, Any]) -> None:
    if not index:
        return
    found, its_version = index.get("format"), index.get("format_version")
    if found != FORMAT or not isinstance(its_version, int):
        raise TraceError(f"{path / INDEX} has format {found!r}, not {FORMAT!r}; give a folder that a run saved")
    if its_version > VERSION:
        raise TraceError(
            f"{path} has version {its_version} of the format, written by hocket {index.get('hocket')}; this one, "
            f"hocket {version('hocket')}, reads up to {VERSION}; try a newer hocket"
        )


def _metrics(
    trace: Trace | None,
    ticks: Columns | None,
    inferences: Columns | None,
    episodes: Columns | None,
    index: Mapping[str, Any],
    config: Mapping[str, Any],
) -> Metrics | None:
    """Of the trace, or without one of the tables."""
    of_ticks = None if ticks is None else _of(TickColumns, ticks)
    of_inferences = None if inferences is None else _of(Inferences, inferences)
    if trace is not None:
        record = _record(trace, ticks, episodes, index)
        return Metrics(record)
    hz = index.get("hz") or dict(config.get("clock") or {}).get("hz")
    if of_ticks is None or of_inferences is None or hz is None:
        return None
    cadence = Cadence(exact_hz(hz), int(index.get("epoch_ns", 0)))
    record = _record(Trace(UnknownRule(dict(config.get("rule") or {})), cadence), ticks, episodes, index)
    return Metrics(record, ticks=of_ticks, inferences=of_inferences)


def _record(trace: Trace, ticks: Columns | None, episodes: Columns | None, index: Mapping[str, Any]) -> RunRecord:
    record = RunRecord(trace)
    if ticks is not None:
        record.ticks = array("q", ticks["tick"].tolist())
        record.rewards = array("d", ticks["reward"].tolist())
        record.terminated = array("b", ticks["terminated"].astype(np.int8).tolist())
        record.truncated = array("b", ticks["truncated"].astype(np.int8).tolist())
        record.lateness_ns = array("q", ticks["lateness_ns"].tolist())
        record.step_ns = array("q", ticks["step_ns"].tolist())
        actions = ticks["action"]
        record.actions = actions.tolist() if actions.dtype.kind == "i" and actions.ndim == 1 else list(actions)
    if episodes is not None:
        record.final_observations = dict(zip(episodes["tick"].tolist(), episodes["final_observation"], strict=True))
    record.errors = [str(error) for error in index.get("errors", ())]
    record.interrupted = bool(index.get("interrupted", False))
    record.priority = int(index.get("priority") or 0)
    record.loop_cpu_s, record.wall_s = float(index.get("loop_cpu_s") or 0), float(index.get("wall_s") or 0)
    return record


def _of(kind: type[T], columns: Columns) -> T:
    """A dataclass of columns; a column of the file that it does not know is another's."""
    return kind(**{each.name: columns[each.name] for each in fields(kind)})  # type: ignore[arg-type]


def _tick_columns(metrics: Metrics) -> Columns:
    ticks, record = metrics.ticks, metrics.record
    return {
        "tick": ticks.tick,
        "inference": ticks.inference,
        "step": ticks.step,
        "delay_ticks": ticks.delay_ticks,
        "action": np.asarray(record.actions),
        "reward": np.asarray(record.rewards),
        "terminated": np.asarray(record.terminated, bool),
        "truncated": np.asarray(record.truncated, bool),
        "lateness_ns": np.asarray(record.lateness_ns),
        "step_ns": np.asarray(record.step_ns),
    }


def _episode_columns(record: RunRecord) -> Columns:
    last = record.final_observations
    return {"tick": np.array(list(last), np.int64), "final_observation": np.array(list(last.values()))}


def _columns(path: Path, needed: Iterable[str] = ()) -> Columns:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    missing = sorted(set(needed) - set(columns))
    if missing:
        raise ValueError(f"it has no column {missing[0]}")
    if needed and len({len(column) for column in columns.values()}) > 1:
        raise ValueError("its columns differ in length")
    return columns


def _save_npz(path: Path, columns: Columns) -> None:
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]
