"""Writes a run to a folder and reads it back.

``run.json`` is removed first and written last: if it exists, all files that it names are complete and of the same run.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import Cadence, exact_hz
from hocket.core.rules import Rule
from hocket.core.trace import KIND, SECOND, WIDTH, Trace, TraceVersionError, UnknownRule
from hocket.errors import ConfigurationError, HocketError, TraceError
from hocket.hooks.record import RunRecord
from hocket.results.files import make_folder, replacing, unwritable, write_json
from hocket.results.metrics import TICKED, Inferences, Metrics, TickColumns
from hocket.results.run_checks import (
    Columns,
    check_cadence,
    check_inferences,
    check_ticks,
    read_columns,
    read_object,
    take_counts,
    take_typed,
)
from hocket.results.summary import Summary
from hocket.results.training_log import TrainingLog
from hocket.spaces.observations import leaves, mapped

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
FINAL_OBSERVATION = "final_observation"

INDEX_KINDS: dict[str, type | tuple[type, ...]] = {
    "bytes": dict,
    "hz": (str, int, float),
    "epoch_ns": int,
    "errors": list,
    "learning_errors": list,
    "uncorrected": int,
    "interrupted": bool,
    "failed": bool,
    "wall_s": (int, float),
    "loop_cpu_s": (int, float),
    "priority": int,
    "clipped": int,
}
CONFIG_KINDS: dict[str, type | tuple[type, ...]] = {"rule": dict, "clock": dict, "machine": dict, "options": dict}
DAMAGE = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, ArithmeticError, MemoryError),
    *(RecursionError, NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error),
)
"""Errors raised by reading damaged files."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """A finished run as read from a folder, complete or damaged.

    Attributes:
        name: distinguishes it from others, such as its folder's name.
        config: empty if it cannot be read.
        summary: as in summary.json; empty if it can be neither read nor computed.
        metrics: None if neither the trace nor the two tables can be read.
        learning: None if the run was not a training.
        problems: descriptions of missing or damaged data.
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
        ConfigurationError: if a file cannot be written, or the folder holds a training that this would damage.
    """
    make_folder(path)
    check_no_training(path, of_training=learning is not None)
    try:
        (path / INDEX).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path / INDEX, error) from error
    metrics = Metrics(record)
    with replacing(path / TRACE) as partial:
        record.trace.save(partial)
    _save_npz(path / TICKS, _tick_columns(metrics))
    _save_npz(path / INFERENCES, asdict(metrics.inferences))
    names = _column_names(next(iter(record.final_observations.values()), None))
    _save_npz(path / EPISODES, _episode_columns(record, names))
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
        "failed": record.failed,
        "signal": record.signal.name if record.signal is not None else None,
        "errors": record.errors,
        "learning_errors": record.learning_errors,
        "uncorrected": record.uncorrected,
        "notes": record.notes,
        "clipped": record.clipped,
        "jump_bound": record.jump_bound,
        "counts": record.counts,
        FINAL_OBSERVATION: names,
        "bytes": {name: (path / name).stat().st_size for name in kept},
    }
    write_json(path / INDEX, index)


def check_no_training(path: Path, *, of_training: bool = False) -> None:
    """Refuse to save a run into the folder of a training: its checkpoints, or the record that it saved.

    Args:
        path: the folder; it need not exist.
        of_training: the run is itself that of a training, which may replace another one's record.

    Raises:
        ConfigurationError: if it holds one.
    """
    checkpoints = [state.parent.name for state in path.glob("*/" + CHECKPOINT_INDEX) if state.parent.name.isdecimal()]
    if checkpoints:
        held, lost = f"checkpoints of a training ({checkpoints[0]})", "config.json would replace theirs"
    elif (path / CONFIG).exists() and not (path / TRACE).exists():
        held, lost = f"a {CONFIG} of no run, such as that of a training", f"{CONFIG} would replace it"
    elif not of_training and (path / LEARNING).exists():
        held, lost = f"the record of a training ({LEARNING})", "record would replace it"
    else:
        return
    raise ConfigurationError(f"{path} holds {held}, and this run's {lost}; try another folder, such as {path / 'run'}")


def read_run(path: Path, rule: Rule | None = None, *, name: str | None = None) -> SavedRun:
    """Read as much as possible of the run folder ``path``; the rest is listed in ``problems``.

    Raises:
        TraceError: if it is not a run folder, has another version of a format, or cannot be read at all.
    """
    if not path.is_dir():
        raise _UnreadableError(
            f"{path} is {'no folder' if path.exists() else 'not there'}; give a folder that a run saved"
        )
    there = {file.name for file in path.iterdir()}
    if not there & {TRACE, TICKS, INFERENCES, INDEX}:
        raise _UnreadableError(
            f"{path} is no run folder: it has no {INDEX}, {TRACE} or {TICKS}; give one that a run saved"
        )
    reader = _Reader(path)
    index = reader.json(INDEX, INDEX_KINDS, counts=("counts",))
    _check_version(path, index)
    config = reader.json(CONFIG, CONFIG_KINDS)
    summary = reader.json(SUMMARY, {"workers": dict, "seams": dict}, counts=("outcomes", "counts"))
    sizes = index.get("bytes") or {}
    trace = reader.of(TRACE, sizes, lambda file: _trace(file, rule))
    ticks = reader.of(TICKS, sizes, lambda file: read_columns(file, TICK_COLUMNS, ("action",)))
    names = [each.name for each in fields(Inferences)]
    inferences = reader.of(INFERENCES, sizes, lambda file: read_columns(file, names))
    episodes = reader.of(EPISODES, sizes, lambda file: _episodes(file, index.get(FINAL_OBSERVATION, FINAL_OBSERVATION)))
    learning = None
    if LEARNING in there or LEARNING in sizes:
        learning = reader.of(LEARNING, sizes, lambda file: TrainingLog.of_columns(read_columns(file)))
    metrics = None
    with reader.noting("a table"):
        metrics = _metrics(trace, ticks, inferences, episodes, index, config)
    if metrics is None and trace is not None:  # its rows, or a table beside it, are damaged
        with reader.noting(TRACE):
            metrics = _metrics(trace, None, None, None, index, config)
    if not (config or summary or metrics):
        raise _UnreadableError(f"nothing of {path} can be read: {'; '.join(reader.problems)}")
    if not summary and metrics is not None and trace is not None and ticks is not None:
        with reader.noting("a table"):
            summary = asdict(Summary.of(metrics.record))
    return SavedRun(
        name=path.resolve().name if name is None else name,
        config=config,
        summary=summary,
        metrics=metrics,
        learning=learning,
        problems=tuple(dict.fromkeys(reader.problems)),
    )


def read_runs(folders: Sequence[Path], names: Sequence[str]) -> list[SavedRun]:
    """Call `read_run` on each folder; an unreadable one becomes a run with its problem only.

    Raises:
        TraceError: if no folder can be read, or one has another version of a format.
    """
    runs, failures = [], []
    for path, name in zip(folders, names, strict=True):
        try:
            runs.append(read_run(path, name=name))
        except _UnreadableError as error:
            failures.append(error)
            runs.append(SavedRun(name=name, problems=(str(error),)))
    if runs and len(failures) == len(runs):
        raise failures[0]
    return runs


class _UnreadableError(TraceError):
    """The folder cannot be read at all."""


class _Reader:
    """Reads files of one folder and collects the problems."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def json(
        self, name: str, kinds: Mapping[str, type | tuple[type, ...]], counts: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return an object without the entries of the wrong type; empty if there is none."""
        content: dict[str, Any] = self.of(name, {}, read_object) or {}
        problems = take_typed(content, kinds)
        for each in counts:
            problems += take_counts(content, each)
        self.problems += [f"{name}: {problem}" for problem in problems]
        return content

    def of(self, name: str, sizes: Mapping[str, Any], read: Any) -> Any:
        """Return the result of ``read`` on the file, or None."""
        file, found = self._path / name, []
        with self.noting(name):
            length = file.stat().st_size
            if not file.is_file():
                raise ValueError("it is no file")
            if name in sizes and length != sizes[name]:
                raise ValueError(f"{length} bytes where {sizes[name]} were written")
            found.append(read(file))
        return found[0] if found else None

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Turn the errors of reading damaged files, but not of whole ones in another version, into a problem."""
        try:
            yield
        except TraceVersionError:
            raise
        except FileNotFoundError:
            self.problems.append(f"{name} is missing")
        except OSError as error:
            self.problems.append(f"{name} cannot be read ({error.strerror or error})")
        except HocketError as error:
            self.problems.append(f"{name}: {error}")
        except DAMAGE as error:
            self.problems.append(f"{name} is damaged ({str(error) or type(error).__name__})")


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
    episodes: dict[int, Any] | None,
    index: Mapping[str, Any],
    config: Mapping[str, Any],
) -> Metrics | None:
    """Return the metrics of the trace, or, without one, of the tables."""
    of_ticks = None if ticks is None else _of(TickColumns, ticks)
    of_inferences = None if inferences is None else _of(Inferences, inferences)
    if trace is not None:
        if ticks is not None and not _same_ticks(ticks["tick"], trace):
            raise ValueError(f"{TICKS} has other ticks than {TRACE}")
        return _checked(Metrics(_record(trace, ticks, episodes, index)))
    hz = index.get("hz") or dict(config.get("clock") or {}).get("hz")
    if of_ticks is None or of_inferences is None or hz is None:
        return None
    cadence = Cadence(exact_hz(hz), int(index.get("epoch_ns", 0)))
    record = _record(Trace(UnknownRule(dict(config.get("rule") or {})), cadence), ticks, episodes, index)
    return _checked(Metrics(record, ticks=of_ticks, inferences=of_inferences))


def _same_ticks(ticks: NDArray[Any], trace: Trace) -> bool:
    """Return True if ``ticks`` are those of ``trace``, or all but an incomplete last one."""
    acted = Metrics(RunRecord(trace)).ticks.tick
    if np.array_equal(ticks, acted):
        return True
    rows = np.frombuffer(trace.rows, np.int64).reshape(-1, WIDTH)
    last_observed = rows[rows[:, KIND] == TICKED, SECOND].max(initial=-1)
    return len(acted) > 0 and last_observed < acted[-1] and np.array_equal(ticks, acted[:-1])


def _checked(metrics: Metrics) -> Metrics:
    cadence = metrics.record.trace.cadence
    check_cadence(cadence)
    check_ticks(metrics.ticks, cadence)
    check_inferences(metrics)
    return metrics


def _trace(file: Path, rule: Rule | None) -> Trace:
    trace = Trace.load(file, rule, unknown=True)
    check_cadence(trace.cadence)
    return trace


def _record(
    trace: Trace, ticks: Columns | None, episodes: dict[int, Any] | None, index: Mapping[str, Any]
) -> RunRecord:
    record = RunRecord(trace)
    if ticks is not None:
        record.ticks = array("q", ticks["tick"].tolist())
        record.rewards = array("d", ticks["reward"].tolist())
        record.terminated = array("b", ticks["terminated"].astype(np.int8).tolist())
        record.truncated = array("b", ticks["truncated"].astype(np.int8).tolist())
        record.lateness_ns = array("q", ticks["lateness_ns"].tolist())
        record.step_ns = array("q", ticks["step_ns"].tolist())
        ages_ns = zip(ticks["tick"].tolist(), ticks.get("age_ns", ticks["tick"] * 0 - 1).tolist(), strict=True)
        record.ages_ns = {tick: age_ns for tick, age_ns in ages_ns if age_ns >= 0}
        actions = ticks["action"]
        record.actions = actions.tolist() if actions.dtype.kind == "i" and actions.ndim == 1 else list(actions)
    if episodes is not None:
        record.final_observations = episodes
    record.errors = [str(error) for error in index.get("errors", ())]
    record.learning_errors = [str(error) for error in index.get("learning_errors", ())]
    record.uncorrected = int(index.get("uncorrected") or 0)
    record.notes = [str(note) for note in index.get("notes", ())]
    record.clipped = int(index.get("clipped") or 0)
    bound = index.get("jump_bound")
    record.jump_bound = None if bound is None else float(bound)
    record.counts = {str(key): int(count) for key, count in index.get("counts", {}).items()}
    record.failed = bool(index.get("failed", False))
    if index.get("interrupted", False):
        record.signal = Signals.__members__.get(str(index.get("signal")), Signals.SIGINT)
    record.priority = int(index.get("priority") or 0)
    record.loop_cpu_s, record.wall_s = float(index.get("loop_cpu_s") or 0), float(index.get("wall_s") or 0)
    return record


def _of(kind: type[T], columns: Columns) -> T:
    """Make a dataclass of columns; unknown columns of the file are ignored."""
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
        "age_ns": np.array([record.ages_ns.get(tick, -1) for tick in record.ticks], np.int64),
    }


def _column_names(observation: Any, name: str = FINAL_OBSERVATION) -> Any:
    """The names of the columns of an observation's leaves, in its structure as JSON has it: a list for a tuple."""
    if isinstance(observation, dict):
        return {key: _column_names(part, f"{name}[{key!r}]") for key, part in observation.items()}
    if isinstance(observation, tuple):
        return [_column_names(part, f"{name}[{index}]") for index, part in enumerate(observation)]
    return name


def _structure(names: Any) -> Any:
    """``names`` with tuples in the place of lists.

    Raises:
        ValueError: if a leaf is no name.
    """
    if isinstance(names, dict):
        return {key: _structure(part) for key, part in names.items()}
    if isinstance(names, list):
        return tuple(map(_structure, names))
    if not isinstance(names, str):
        raise ValueError(f"a name of a column is {names!r}")
    return names


def _episode_columns(record: RunRecord, names: Any) -> Columns:
    last = record.final_observations
    columns = zip(
        leaves(_structure(names)), zip(*map(leaves, last.values()), strict=True) if last else [()], strict=True
    )
    return {"tick": np.array(list(last), np.int64), **{name: np.array(column) for name, column in columns}}


def _episodes(file: Path, names: Any) -> dict[int, Any]:
    """The final observations by tick, in the structure of ``names``."""
    names = _structure(names)
    columns = read_columns(file, ("tick", *leaves(names)), tuple(leaves(names)))
    return {
        tick: mapped(lambda name, row=row: columns[name][row], names)
        for row, tick in enumerate(columns["tick"].tolist())
    }


def _save_npz(path: Path, columns: Columns) -> None:
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]
