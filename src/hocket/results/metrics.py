"""Figures of merit, read off a run record. Definitions: `docs/concepts.md`."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S, Cadence
from hocket.core.commands import Outcome
from hocket.core.trace import FIRST, FOURTH, KIND, SECOND, THIRD, WIDTH
from hocket.hooks.record import RunRecord

TICKED, FINISHED, TRUNK, START, EXECUTE, DEFAULT, END, BIND = 3, 4, 10, 100, 101, 102, 103, 108  # rows of a trace

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TickColumns:
    """One row an executed tick, in order."""

    tick: Ints
    inference: Ints
    """What was executed; -1 where the default acted."""
    step: Ints
    delay_ticks: Ints
    """0 where the default acted."""

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Whether an inference's action was executed."""
        return self.inference >= 0


@dataclass(frozen=True)
class Inferences:
    """One row an inference, by its number."""

    worker: Ints
    observation: Ints
    target: Ints
    """The tick it aimed at, or -1."""
    started_ns: Ints
    trunk_ns: Ints
    """Of two stages: when its trunk finished, or -1."""
    finished_ns: Ints
    """-1 if it never did."""
    bound_tick: Ints
    """Of two stages: the tick that its head was called for, or -1."""
    executed_tick: Ints
    """The first tick that executed it, or -1."""
    ended_ns: Ints
    """When its outcome was known, or -1."""
    outcome: Ints
    """An `Outcome`, or -1 if the run was cut off before it ended."""
    version: Ints
    """That of the weights that answered; -1 if it never did."""

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """How long each finished inference took; of two stages, its trunk."""
        done = self.finished_ns >= 0
        return self.needed_ns[done] / NS_PER_S

    @property
    def needed_ns(self) -> Ints:
        """How long each took, of two stages its trunk; meaningful where it finished."""
        return np.where(self.trunk_ns >= 0, self.trunk_ns, self.finished_ns) - self.started_ns

    def until_ns(self, over_ns: int) -> Ints:
        """When each left its worker, as far as is known; ``over_ns`` is when the run was over."""
        over_ns = int(np.max(self.ended_ns, initial=over_ns))
        stopped_ns = np.where(self.outcome == Outcome.FAILED, self.ended_ns, over_ns)
        until_ns: Ints = np.where(self.finished_ns >= 0, self.finished_ns, stopped_ns)
        order = np.lexsort((self.started_ns, self.worker))
        before, after = order[:-1], order[1:]
        same = self.worker[before] == self.worker[after]  # what was given up ends where its worker starts again
        until_ns[before[same]] = np.minimum(until_ns[before[same]], self.started_ns[after[same]])
        return until_ns


class Metrics:
    """Everything that can be read off one run.

    Args:
        record: the run.
        after_tick: of ticks and episodes, look at those that came (or ended) later: a warm-up to leave out.
            Inferences are always those of the whole run.
        ticks, inferences: where they are known without the record's trace.
    """

    def __init__(
        self,
        record: RunRecord,
        after_tick: int = 0,
        *,
        ticks: TickColumns | None = None,
        inferences: Inferences | None = None,
    ) -> None:
        self.record = record
        self.after_tick = after_tick
        if ticks is not None:
            self.ticks = ticks
        if inferences is not None:
            self.inferences = inferences
        self._rows = np.frombuffer(record.trace.rows, np.int64).reshape(-1, WIDTH)

    @property
    def _last_whole(self) -> int:
        """The last tick that was played to its end: the run may have ended in the middle of one."""
        record = self.record
        if record.ticks:
            return record.ticks[-1]
        return 0 if record.interrupted or record.failed else sys.maxsize

    @cached_property
    def ticks(self) -> TickColumns:
        """What each tick executed."""
        rows = self._rows
        rows = rows[(rows[:, KIND] == EXECUTE) | (rows[:, KIND] == DEFAULT)]
        rows = rows[(rows[:, FIRST] > self.after_tick) & (rows[:, FIRST] <= self._last_whole)]
        fresh = rows[:, KIND] == EXECUTE
        return TickColumns(
            tick=rows[:, FIRST],
            inference=np.where(fresh, rows[:, SECOND], -1),
            step=np.where(fresh, rows[:, THIRD], 0),
            delay_ticks=np.where(fresh, rows[:, FOURTH], 0),
        )

    @cached_property
    def inferences(self) -> Inferences:
        """What became of each inference."""
        rows = self._rows
        kind = rows[:, KIND]
        event_row = np.maximum.accumulate(np.where(kind < 100, np.arange(len(rows)), 0))
        starts = kind == START
        started = rows[starts]
        count = len(started)
        finished_ns, executed, ended_ns, outcome, version, trunk_ns, bound = (
            np.full(count, -1, np.int64) for _ in range(7)
        )
        finishes = rows[kind == FINISHED]
        finished_ns[finishes[:, SECOND]] = finishes[:, FIRST]
        version[finishes[:, SECOND]] = finishes[:, FOURTH]
        trunks, binds = rows[kind == TRUNK], rows[kind == BIND]
        trunk_ns[trunks[:, SECOND]] = trunks[:, FIRST]
        bound[binds[:, FIRST]] = binds[:, THIRD]
        executions = rows[kind == EXECUTE][::-1]  # the first execution is written last
        executions = executions[executions[:, FIRST] <= self._last_whole]
        executed[executions[:, SECOND]] = executions[:, FIRST]
        is_end = kind == END
        ends = rows[is_end]
        outcome[ends[:, FIRST]] = ends[:, SECOND]
        ended_ns[ends[:, FIRST]] = rows[event_row[is_end], FIRST]
        return Inferences(
            worker=started[:, SECOND],
            observation=started[:, THIRD],
            target=started[:, FOURTH],
            started_ns=rows[event_row[starts], FIRST],
            trunk_ns=trunk_ns,
            finished_ns=finished_ns,
            bound_tick=bound,
            executed_tick=executed,
            ended_ns=ended_ns,
            outcome=outcome,
            version=version,
        )

    @property
    def coverage(self) -> float:
        """Fresh ticks / all ticks, missed ones included."""
        ticks = self.ticks
        elapsed = int(ticks.tick[-1]) - self.after_tick if len(ticks.tick) else 0
        return float(ticks.fresh.sum() / elapsed) if elapsed else 0.0

    @property
    def missed(self) -> int:
        """Ticks that were never executed."""
        ticks = self.ticks.tick
        return int(ticks[-1]) - self.after_tick - len(ticks) if len(ticks) else 0

    @property
    def delays(self) -> Ints:
        """The delay of every executed inference action, in ticks."""
        return self.ticks.delay_ticks[self.ticks.fresh]

    @property
    def intervals(self) -> Ints:
        """Ticks between consecutive fresh actions."""
        return np.diff(self.ticks.tick[self.ticks.fresh])

    @property
    def lateness_s(self) -> NDArray[np.float64]:
        """When ``env.step`` was called − the deadline, by tick."""
        return self._seconds(self.record.lateness_ns)

    @property
    def step_s(self) -> NDArray[np.float64]:
        """What ``env.step`` took, by tick; with the reset where an episode ended."""
        return self._seconds(self.record.step_ns)

    def _seconds(self, column: array[int]) -> NDArray[np.float64]:
        ticks = np.frombuffer(self.record.ticks, np.int64)
        return np.frombuffer(column, np.int64)[ticks > self.after_tick] / NS_PER_S

    def regret_per_tick(self, predictability: float) -> float:
        """J_ρ = 1 − mean over ticks of fresh·ρ^(delay−1)."""
        ticks = self.ticks
        elapsed = int(ticks.tick[-1]) - self.after_tick if len(ticks.tick) else 0
        return 1 - float(np.sum(predictability ** (self.delays - 1.0))) / elapsed if elapsed else 1.0

    def regret_shares(self, predictability: float) -> tuple[float, float]:
        """The two parts of J_ρ: 1 − coverage, left to the default, and mean fresh·(1 − ρ^(delay−1)), decided early."""
        inaction = 1 - self.coverage
        return inaction, self.regret_per_tick(predictability) - inaction

    def reward_means(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Mean reward and its standard error, of fresh ticks and of ticks that the default filled; NaN below two."""
        rewards = np.frombuffer(self.record.rewards, np.float64)
        rewards = rewards[np.frombuffer(self.record.ticks, np.int64) > self.after_tick]
        fresh = self.ticks.fresh[: len(rewards)]
        return _mean_and_error(rewards[: len(fresh)][fresh]), _mean_and_error(rewards[: len(fresh)][~fresh])

    @property
    def over_ns(self) -> int:
        """When the run was over: the last deadline, or the last inference's end."""
        cadence, ticks = self.record.trace.cadence, self.ticks.tick
        last_ns = cadence.deadline_ns(int(ticks[-1])) if len(ticks) else cadence.epoch_ns
        return int(np.max(self.inferences.ended_ns, initial=last_ns))

    def first_due(self) -> int:
        """The first tick that an inference could have made: that of the first answer's first usable deadline."""
        finished = self.inferences.finished_ns
        finished = finished[finished >= 0]
        return self.record.trace.cadence.tick_from(int(finished.min())) if len(finished) else 0

    @property
    def outcomes(self) -> dict[str, int]:
        """How many inferences ended in each way."""
        outcome = self.inferences.outcome
        return {kind.name.lower(): int((outcome == kind).sum()) for kind in Outcome}

    @property
    def binds(self) -> int:
        """How many heads were called."""
        return int((self.inferences.bound_tick >= 0).sum())

    @property
    def missed_binds(self) -> int:
        """How many of them ended after the deadline that they were called for."""
        inferences = self.inferences
        late = (inferences.bound_tick >= 0) & (inferences.finished_ns >= 0)
        return int((late & (inferences.outcome == Outcome.DROPPED)).sum())

    def worker_seconds(self) -> dict[int, tuple[int, float, float]]:
        """By worker: inferences finished, mean and 99th percentile of their seconds."""
        inferences = self.inferences
        done = inferences.finished_ns >= 0
        seconds = inferences.durations_s
        workers = inferences.worker[done]
        table = {}
        for worker in np.unique(workers).tolist():
            own = seconds[workers == worker]
            table[worker] = (len(own), float(own.mean()), float(np.percentile(own, 99)))
        return table

    @property
    def episode_returns(self) -> NDArray[np.float64]:
        """The return of each episode that ended, default ticks' rewards included."""
        rewards = np.frombuffer(self.record.rewards, np.float64)
        ended = np.frombuffer(self.record.terminated, np.int8) | np.frombuffer(self.record.truncated, np.int8)
        last = np.flatnonzero(ended)
        first = np.concatenate([[0], last + 1])[:-1]
        # Episode by episode: a reward that is no number spoils its own episode alone.
        returns = np.add.reduceat(rewards[: last[-1] + 1], first) if len(last) else np.empty(0)
        return returns[np.frombuffer(self.record.ticks, np.int64)[last] > self.after_tick]


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def deadlines_ns(cadence: Cadence, ticks: Ints) -> Ints:
    """`Cadence.deadline_ns` of each."""
    p, q = cadence.scale
    if len(ticks) and (int(ticks.max()) + 1) * p < 1 << 62:
        return cadence.epoch_ns + ticks * p // q
    return np.array([cadence.deadline_ns(tick) for tick in ticks.tolist()], np.int64)


def percentiles(values: NDArray[Any], *which: float) -> list[float]:
    """Percentiles, NaN where there is nothing."""
    return [float(x) for x in np.percentile(values, which)] if len(values) else [float("nan")] * len(which)
