"""``trace.json``: a run in the Trace Event Format, for ui.perfetto.dev and chrome://tracing.

One process, a thread for the ticks and one for each worker. Times are microseconds since the first event, with
nanoseconds as decimals. Arrows lead from the tick that yielded an observation through its inference to the tick
that executed its action.

Source: "Trace Event Format", Google, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.core.commands import Outcome
from hocket.errors import ConfigurationError, TraceError
from hocket.results.files import replacing
from hocket.results.metrics import Ints, Metrics, deadlines_ns
from hocket.results.run_folder import SavedRun

TRACE_JSON = "trace.json"
SMALL = 40_000
"""The most ticks and inferences of a run, together, for its trace to be written without a request: 10 MB."""
PID, TICKS, FIRST_WORKER = 1, 1, 10
COUNTED_TICKS = 60
"""The window of the coverage counter, in ticks."""

NAMES = {kind: kind.name.lower() for kind in Outcome}
COLOURS = {
    Outcome.EXECUTED: "good",
    Outcome.SUPERSEDED: "yellow",
    Outcome.DROPPED: "bad",
    Outcome.DUPLICATE: "grey",
    Outcome.DISCARDED: "grey",
    Outcome.FAILED: "terrible",
    Outcome.CANCELLED: "olive",
}
"""Colour names of chrome://tracing; Perfetto gives each outcome its own colour."""


def is_small(metrics: Metrics) -> bool:
    """Return True if a run's trace is written without a request."""
    return len(metrics.ticks.tick) + len(metrics.inferences.worker) <= SMALL


def write_trace_json(run: SavedRun, path: Path, *, start_s: float = 0.0, duration_s: float | None = None) -> None:
    """Write ``run``, or ``duration_s`` of it from ``start_s`` on, into the file ``path``.

    Raises:
        ConfigurationError: if nothing happened in that time, or the file cannot be written.
        TraceError: if the run's schedule could not be read.
    """
    if run.metrics is None:
        raise TraceError(f"{run.name} has no schedule that can be read: {'; '.join(run.problems)}")
    head = {"displayTimeUnit": "ms", "otherData": _about(run)}
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "traceEvents": [\n')
        events = _Events(run, start_s, duration_s).all()
        file.write(next(events))
        file.writelines(",\n" + event for event in events)
        file.write("\n]}\n")


def _about(run: SavedRun) -> dict[str, str]:
    config = run.config
    rule = config.get("rule")
    return {
        "run": run.name,
        "environment": str(config.get("env", "unknown")),
        "rule": json.dumps(rule, default=str),
        "clock": json.dumps(config.get("clock"), default=str),
        "mode": str(config.get("mode", "unknown")),
        "seed": str(config.get("seed", "unknown")),
    }


class _Events:
    """The events of one run as lines of JSON. Rows are formatted by hand: there are tens of thousands."""

    def __init__(self, run: SavedRun, start_s: float, duration_s: float | None) -> None:
        assert run.metrics is not None
        self._run, metrics = run, run.metrics
        self._ticks, self._inferences = metrics.ticks, metrics.inferences
        record, cadence = metrics.record, metrics.record.trace.cadence
        number, inferences = self._ticks.tick, self._inferences
        epoch_ns = cadence.epoch_ns
        base_ns = int(np.min(inferences.started_ns, initial=epoch_ns))
        self._due_ns = deadlines_ns(cadence, number) - base_ns
        columns = len(record.ticks) == len(number)
        late = np.frombuffer(record.lateness_ns, np.int64) if columns else np.zeros(len(number), np.int64)
        took = np.frombuffer(record.step_ns, np.int64) if columns else np.full(len(number), 1000)
        self._rewards = np.frombuffer(record.rewards, np.float64) if columns else None
        self._late_ns = late
        self._called_ns = self._due_ns + np.maximum(late, 0)
        following = np.append(self._called_ns[1:], np.iinfo(np.int64).max)
        self._took_ns = np.clip(took, 1, np.maximum(1, following - self._called_ns))
        self._started_ns = inferences.started_ns - base_ns
        self._until_ns = np.maximum(inferences.until_ns(metrics.over_ns) - base_ns, self._started_ns)
        self._reset_ns = epoch_ns - base_ns
        low = self._reset_ns + int(start_s * NS_PER_S)
        high = np.iinfo(np.int64).max if duration_s is None else low + int(duration_s * NS_PER_S)
        self._begin_ns = 0 if start_s <= 0 else low
        self._shown_ticks = (self._called_ns >= self._begin_ns) & (self._called_ns < high)
        self._shown = (self._until_ns >= self._begin_ns) & (self._started_ns < high)
        piece = start_s > 0 or duration_s is not None
        if piece and not (self._shown_ticks.any() or self._shown.any()):
            last_s = float(self._due_ns[-1]) / NS_PER_S if len(number) else 0.0
            raise ConfigurationError(
                f"nothing happened in {duration_s!r} s from {start_s:g} s on; the run has {last_s:g} s"
            )

    def all(self) -> Iterator[str]:
        """Yield every event."""
        yield from self._names()
        yield from self._tick_slices()
        yield from self._inference_slices()
        yield from self._flows()
        yield from self._counters()

    def _names(self) -> Iterator[str]:
        config = self._run.config
        rule = config.get("rule")
        name = rule.get("name", "") if isinstance(rule, dict) else ""
        yield _meta("process_name", 0, {"name": f"hocket: {config.get('env', self._run.name)} {name}".strip()})
        workers = np.unique(self._inferences.worker).tolist()
        for tid, title in ((TICKS, "ticks"), *((FIRST_WORKER + worker, f"worker {worker}") for worker in workers)):
            yield _meta("thread_name", tid, {"name": title})
            yield _meta("thread_sort_index", tid, {"sort_index": tid})

    def _tick_slices(self) -> Iterator[str]:
        if self._begin_ns == 0:
            reset_ns = max(1, min(1000, int(self._called_ns[0]) - self._reset_ns if len(self._called_ns) else 1000))
            yield (
                f'{{"ph":"X","pid":{PID},"tid":{TICKS},"cat":"tick","name":"reset","ts":{_us(self._reset_ns)},'
                f'"dur":{_us(reset_ns)},"args":{{"tick":0}}}}'
            )
        ticks = self._ticks
        for row in np.flatnonzero(self._shown_ticks).tolist():
            inference = int(ticks.inference[row])
            name, colour = ("fresh", "good") if inference >= 0 else ("default", "bad")
            more = f',"inference":{inference},"delay_ticks":{ticks.delay_ticks[row]}' if inference >= 0 else ""
            if self._rewards is not None and np.isfinite(self._rewards[row]):
                more += f',"reward":{float(self._rewards[row])!r}'
            yield (
                f'{{"ph":"X","pid":{PID},"tid":{TICKS},"cat":"tick","name":"{name}","cname":"{colour}",'
                f'"ts":{_us(self._called_ns[row])},"dur":{_us(self._took_ns[row])},'
                f'"args":{{"tick":{ticks.tick[row]},"lateness_us":{_us(self._late_ns[row])}{more}}}}}'
            )

    def _inference_slices(self) -> Iterator[str]:
        every = self._inferences
        for row in np.flatnonzero(self._shown).tolist():
            kind = Outcome.DISCARDED if every.outcome[row] < 0 else Outcome(int(every.outcome[row]))
            start, until = self._started_ns[row], self._until_ns[row]
            tid = FIRST_WORKER + every.worker[row]
            executed = every.executed_tick[row]
            yield (
                f'{{"ph":"X","pid":{PID},"tid":{tid},"cat":"inference","name":"{NAMES[kind]}",'
                f'"cname":"{COLOURS[kind]}","ts":{_us(start)},"dur":{_us(until - start)},'
                f'"args":{{"inference":{row},"observation":{every.observation[row]},"target":{every.target[row]},'
                f'"executed_tick":{executed if executed >= 0 else "null"},"fate":"{NAMES[kind]}",'
                f'"version":{every.version[row]}}}}}'
            )
            trunk = every.trunk_ns[row]
            if trunk >= 0:
                trunk_ns = min(int(trunk - every.started_ns[row]), int(until - start))
                yield (
                    f'{{"ph":"X","pid":{PID},"tid":{tid},"cat":"stage","name":"trunk","ts":{_us(start)},'
                    f'"dur":{_us(trunk_ns)},"args":{{"inference":{row}}}}}'
                )

    def _flows(self) -> Iterator[str]:
        """Yield arrows: from the observation's tick through the inference to the tick that executed it first."""
        every, ticks = self._inferences, self._ticks.tick
        wanted = self._shown & (every.executed_tick >= 0)
        rows = np.flatnonzero(wanted)
        at = np.searchsorted(ticks, every.executed_tick[rows])
        seen = np.searchsorted(ticks, every.observation[rows])
        for row, end, begin in zip(rows.tolist(), at.tolist(), seen.tolist(), strict=True):
            first = int(every.observation[row]) == 0
            if not self._shown_ticks[end] or (not first and not self._shown_ticks[begin]):
                continue
            if first and self._begin_ns > 0:
                continue
            from_ns = self._reset_ns if first else self._called_ns[begin]
            for phase, tid, ns in (
                ("s", TICKS, from_ns),
                ("t", FIRST_WORKER + every.worker[row], max(self._started_ns[row], from_ns)),
                ("f", TICKS, self._called_ns[end]),
            ):
                bound = ',"bp":"e"' if phase == "f" else ""
                yield (
                    f'{{"ph":"{phase}","pid":{PID},"tid":{tid},"cat":"action","name":"observation to action",'
                    f'"id":{row},"ts":{_us(ns)}{bound}}}'
                )

    def _counters(self) -> Iterator[str]:
        shown = self._shown_ticks
        fresh = self._ticks.fresh
        sums = np.concatenate([[0], np.cumsum(fresh)])
        number = self._ticks.tick
        back = np.searchsorted(number, number - COUNTED_TICKS, side="right")
        share = (sums[1:] - sums[back]) / np.minimum(np.maximum(number, 1), COUNTED_TICKS)
        yield from _counter(f"coverage of {COUNTED_TICKS} ticks (%)", self._called_ns[shown], 100 * share[shown])
        acted = shown & fresh
        yield from _counter("delay (ticks)", self._called_ns[acted], self._ticks.delay_ticks[acted])
        times = np.concatenate([self._started_ns[self._shown], self._until_ns[self._shown]])
        steps = np.concatenate([np.ones(self._shown.sum(), np.int64), -np.ones(self._shown.sum(), np.int64)])
        order = np.lexsort((steps, times))
        times, level = times[order], np.cumsum(steps[order])
        last = np.append(times[1:] != times[:-1], True) if len(times) else np.empty(0, bool)
        yield from _counter("inferences in flight", times[last], level[last])


def _counter(name: str, times_ns: Ints, values: NDArray[Any]) -> Iterator[str]:
    """Yield the value wherever it changes, and the last one."""
    if not len(values):
        return
    changed = np.append(True, values[1:] != values[:-1])
    changed[-1] = True
    for ns, value in zip(times_ns[changed].tolist(), values[changed].tolist(), strict=True):
        yield f'{{"ph":"C","pid":{PID},"tid":0,"name":"{name}","ts":{_us(ns)},"args":{{"value":{round(value, 3)}}}}}'


def _meta(name: str, tid: int, args: dict[str, Any]) -> str:
    return json.dumps({"ph": "M", "pid": PID, "tid": tid, "ts": 0, "name": name, "args": args})


def _us(ns: Any) -> str:
    """Format nanoseconds as microseconds, exactly."""
    whole, rest = divmod(abs(int(ns)), 1000)
    return f"{'-' if ns < 0 else ''}{whole}.{rest:03d}"
