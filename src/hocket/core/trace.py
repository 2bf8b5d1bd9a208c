"""A trace: every event and every command of a run, in order, as rows of integers.

Five integers a row keep a 60 s run with 72 workers at half a megabyte and leave the garbage collector
nothing to follow. A trace holds everything that was scheduled: replaying its events through a fresh `Scheduler` gives
the identical commands, and every count of a run can be computed from it.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence, exact_hz
from hocket.core.commands import Command
from hocket.core.description import describe
from hocket.core.events import Event
from hocket.core.replacement import replacing
from hocket.core.rules import ExpectedTime, Learn, MaxTime, OneInFlight, Rule, Sequential, TickDispatch, Unstaggered
from hocket.core.rules.base import Schedule
from hocket.errors import TraceError

FORMAT = "hocket-trace"
VERSION = 5
"""In version 4, which is read if it has no horizon, inferences whose ticks had passed were not cancelled. Versions 2
and 3, which are read as well, have no horizon, and version 2 has neither cancellations nor their outcome. In version 1
ticks after missed ones were left to the default, and options of rules had other names."""
READABLE = (2, 3, 4, 5)
OWN_RULES: tuple[type[Rule], ...] = (Sequential, Unstaggered, OneInFlight, MaxTime, ExpectedTime, TickDispatch)
WIDTH = 5
KIND, FIRST, SECOND, THIRD, FOURTH = range(WIDTH)


def _bits(x: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def _float(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])


_row = struct.Struct("=5q").pack  # bytes: an array takes them in twice as fast as integers

EVENTS: tuple[tuple[type, Callable[[Any], bytes], Callable[[Any], Event]], ...] = (
    (e.WorkerJoined, lambda x: _row(0, x.time_ns, x.worker, 0, 0), lambda r: e.WorkerJoined(r[1], r[2])),
    (e.WorkerLost, lambda x: _row(1, x.time_ns, x.worker, 0, 0), lambda r: e.WorkerLost(r[1], r[2])),
    (
        e.DeadlineReached,
        lambda x: _row(2, x.time_ns, x.tick, 0, 0),
        lambda r: e.DeadlineReached(r[1], r[2]),
    ),
    (e.Ticked, lambda x: _row(3, x.time_ns, x.tick, x.episode_ended, 0), lambda r: e.Ticked(r[1], r[2], bool(r[3]))),
    (
        e.InferenceFinished,
        lambda x: _row(4, x.time_ns, x.inference, x.length, x.version),
        lambda r: e.InferenceFinished(r[1], r[2], r[3], r[4]),
    ),
    (e.InferenceFailed, lambda x: _row(5, x.time_ns, x.inference, 0, 0), lambda r: e.InferenceFailed(r[1], r[2])),
    (e.TimerDue, lambda x: _row(6, x.time_ns, 0, 0, 0), lambda r: e.TimerDue(r[1])),
    (e.LearningFinished, lambda x: _row(7, x.time_ns, 0, 0, 0), lambda r: e.LearningFinished(r[1])),
    (
        e.PredictabilityEstimated,
        lambda x: _row(8, x.time_ns, _bits(x.predictability), 0, 0),
        lambda r: e.PredictabilityEstimated(r[1], _float(r[2])),
    ),
    (e.RunEnded, lambda x: _row(9, x.time_ns, 0, 0, 0), lambda r: e.RunEnded(r[1])),
    (e.TrunkFinished, lambda x: _row(10, x.time_ns, x.inference, 0, 0), lambda r: e.TrunkFinished(r[1], r[2])),
    (
        e.InferenceCancelled,
        lambda x: _row(11, x.time_ns, x.inference, 0, 0),
        lambda r: e.InferenceCancelled(r[1], r[2]),
    ),
)
COMMANDS: tuple[tuple[type, Callable[[Any], bytes], Callable[[Any], Command]], ...] = (
    (
        c.StartInference,
        lambda x: _row(100, x.inference, x.worker, x.observation, x.target),
        lambda r: c.StartInference(r[1], r[2], r[3], r[4]),
    ),
    (
        c.Execute,
        lambda x: _row(101, x.tick, x.inference, x.step, x.delay_ticks),
        lambda r: c.Execute(r[1], r[2], r[3], r[4]),
    ),
    (c.ExecuteDefault, lambda x: _row(102, x.tick, 0, 0, 0), lambda r: c.ExecuteDefault(r[1])),
    (
        c.EndInference,
        lambda x: _row(103, x.inference, x.outcome, 0, 0),
        lambda r: c.EndInference(r[1], c.Outcome(r[2])),
    ),
    (c.StartLearning, lambda x: _row(104, 0, 0, 0, 0), lambda r: c.StartLearning()),
    (c.WakeAt, lambda x: _row(105, x.time_ns, 0, 0, 0), lambda r: c.WakeAt(r[1])),
    (c.AddWorker, lambda x: _row(106, 0, 0, 0, 0), lambda r: c.AddWorker()),
    (c.RetireWorker, lambda x: _row(107, x.worker, 0, 0, 0), lambda r: c.RetireWorker(r[1])),
    (c.BindHead, lambda x: _row(108, x.inference, x.worker, x.tick, 0), lambda r: c.BindHead(r[1], r[2], r[3])),
    (c.Cancel, lambda x: _row(109, x.inference, x.worker, 0, 0), lambda r: c.Cancel(r[1], r[2])),
)
_TO_ROW: dict[type, Callable[[Any], bytes]] = {kind: encode for kind, encode, _ in (*EVENTS, *COMMANDS)}
_FROM_ROW: dict[int, Callable[[Any], Any]] = {
    **{code: decode for code, (_, _, decode) in enumerate(EVENTS)},
    **{100 + code: decode for code, (_, _, decode) in enumerate(COMMANDS)},
}


class TraceVersionError(TraceError):
    """A whole trace in another version of the format."""


class Trace:
    """Rows in the order in which they happened; each event is followed by the commands it led to.

    ``rule``, ``cadence``, ``head_ns`` and ``horizon_ticks`` are those of the scheduler.
    """

    def __init__(self, rule: Rule, cadence: Cadence, head_ns: int = 0, horizon_ticks: int = 0) -> None:
        self.rule = rule
        self.cadence = cadence
        self.head_ns = head_ns
        self.horizon_ticks = horizon_ticks
        self.rows = array("q")

    def add(self, event: Event, commands: list[Command]) -> None:
        """Record one step of the scheduler."""
        rows = _TO_ROW[type(event)](event)
        for command in commands:
            rows += _TO_ROW[type(command)](command)
        self.rows.frombytes(rows)

    def __len__(self) -> int:
        return len(self.rows) // WIDTH

    def steps(self) -> Iterator[tuple[Event, list[Command]]]:
        """Each event with the commands it led to."""
        event: Event | None = None
        commands: list[Command] = []
        rows = self.rows
        for start in range(0, len(rows), WIDTH):
            row = rows[start : start + WIDTH]
            try:
                item = _FROM_ROW[row[KIND]](row)
            except (KeyError, ValueError) as error:
                raise TraceError(f"row {start // WIDTH} of the trace is none of ours: {row.tolist()}") from error
            if row[KIND] >= 100:
                commands.append(item)
                continue
            if event is not None:
                yield event, commands
            event, commands = item, []
        if event is not None:
            yield event, commands

    def save(self, path: str | PathLike[str]) -> None:
        """Write a header line of JSON and the rows as little-endian int64; never a partial file."""
        header = {
            "format": FORMAT,
            "version": VERSION,
            "hz": str(self.cadence.hz),
            "epoch_ns": self.cadence.epoch_ns,
            "head_ns": self.head_ns,
            "horizon_ticks": self.horizon_ticks,
            "rule": describe_rule(self.rule),
            "rows": len(self),
        }
        rows = self.rows
        if sys.byteorder == "big":
            rows = array("q", rows)
            rows.byteswap()
        with replacing(Path(path)) as partial, partial.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.write(rows.tobytes())

    @classmethod
    def load(cls, path: str | PathLike[str], rule: Rule | None = None, *, unknown: bool = False) -> Trace:
        """Read a trace; pass ``rule`` if it was recorded under a rule of your own.

        With ``unknown``, a rule of your own need not be passed: the trace can then be read but not replayed.

        Raises:
            TraceError: if the file is not a trace, has another version (`TraceVersionError`), or is truncated.
        """
        with open(path, "rb") as file:
            first = file.readline(1 << 16)
            body = file.read()
        try:
            header = json.loads(first)
            known = header["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise TraceError(f"{path} is not a hocket trace; give a trace.bin that a run saved") from error
        if not known or header.get("version") not in READABLE:
            raise (TraceVersionError if known else TraceError)(
                f"{path} has format {header['format']!r} version {header.get('version')!r}; "
                f"this hocket reads {FORMAT!r} versions {READABLE} only; run it again, or use the version that wrote it"
            )
        try:
            announced, epoch_ns = int(header["rows"]), int(header["epoch_ns"])
            cadence, head_ns = Cadence(exact_hz(header["hz"]), epoch_ns), int(header.get("head_ns", 0))
            horizon_ticks = int(header.get("horizon_ticks", 0))
            description = header["rule"]
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(f"{path} has a damaged header ({error!r}); save the run again") from error
        if header["version"] < VERSION and horizon_ticks:
            raise TraceVersionError(
                f"{path} has version {header['version']} with a horizon, under which other inferences were cancelled; "
                "run it again, or use the version that wrote it"
            )
        if len(body) != announced * WIDTH * 8:
            raise TraceError(f"{path} is truncated: {announced} rows announced, {len(body) // (WIDTH * 8)} found")
        if rule is None:
            rule = UnknownRule(description) if unknown and not is_own(description) else restore_rule(description)
        trace = cls(rule, cadence, head_ns, horizon_ticks)
        trace.rows.frombytes(body)
        if sys.byteorder == "big":
            trace.rows.byteswap()
        return trace


@dataclass(frozen=True)
class UnknownRule(Rule):
    """A placeholder for a rule that is not one of hocket's own."""

    description: dict[str, Any]

    @property
    def initial_workers(self) -> int:
        """The recorded number of workers, or 1."""
        workers = self.description.get("workers")
        return workers if isinstance(workers, int) else 1

    def schedule(self, cadence: Cadence) -> Schedule:
        """Raise TraceError: the rule's code is not known."""
        raise TraceError(f"{self.description!r} is not one of hocket's rules; pass it as rule= when you load the run")


def is_own(description: Any) -> bool:
    """Return whether ``description`` is that of one of hocket's own rules."""
    return isinstance(description, dict) and description.get("name") in {own.__name__ for own in OWN_RULES}


def describe_rule(rule: Rule) -> dict[str, Any]:
    """A rule as plain values: its class name and its options."""
    return rule.description if isinstance(rule, UnknownRule) else describe(rule)


def restore_rule(description: dict[str, Any]) -> Rule:
    """The rule that `describe_rule` described.

    Raises:
        TraceError: if it is not one of hocket's own.
    """
    try:
        options = dict(description)
        name = options.pop("name")
        kind = {own.__name__: own for own in OWN_RULES}.get(name)
        if kind is None:
            raise TraceError(f"rule {name!r} is not one of hocket's own; pass it: Trace.load(path, rule=...)")
        if "learn" in options:
            options["learn"] = Learn(options["learn"])
        return kind(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"{description!r} describes no rule ({error}); pass it: Trace.load(path, rule=...)") from error
