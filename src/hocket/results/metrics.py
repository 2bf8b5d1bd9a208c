"""Figures of merit, computed from a run record. Definitions: `docs/concepts.md`."""

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
    """The inference whose action was executed; -1 where the default acted."""
    step: Ints
    delay_ticks: Ints
    """0 where the default acted."""

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """True where an inference's action was executed."""
        return self.inference >= 0


@dataclass(frozen=True)
class Inferences:
    """One row an inference, by its number."""

    worker: Ints
    observation: Ints
    target: Ints
    """The tick that it aimed at, or -1."""
    started_ns: Ints
    trunk_ns: Ints
    """Two stages: the time at which its trunk finished, or -1."""
    finished_ns: Ints
    """The time at which it finished; -1 if it never did."""
    bound_tick: Ints
    """Two stages: the tick that its head was called for, or -1."""
    executed_tick: Ints
    """The first tick that executed it, or -1."""
    ended_ns: Ints
    """The time at which its outcome was known, or -1."""
    outcome: Ints
    """An `Outcome`, or -1 if the run ended before it did."""
    version: Ints
    """The version of the weights that computed the answer; -1 without an answer."""

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """The duration of each finished inference; with two stages, of its trunk."""
        done = self.finished_ns >= 0
        return self.needed_ns[done] / NS_PER_S

    @property
    def needed_ns(self) -> Ints:
        """The duration of each, with two stages of its trunk; meaningful where it finished."""
        return np.where(self.trunk_ns >= 0, self.trunk_ns, self.finished_ns) - self.started_ns

    def until_ns(self, over_ns: int) -> Ints:
        """Return the time at which each left its worker, as far as known; ``over_ns`` is the end of the run."""
        over_ns = int(np.max(self.ended_ns, initial=over_ns))
        stopped = (self.outcome == Outcome.FAILED) | (self.outcome == Outcome.CANCELLED)
        stopped_ns = np.where(stopped, self.ended_ns, over_ns)
        until_ns: Ints = np.where(self.finished_ns >= 0, self.finished_ns, stopped_ns)
        order = np.lexsort((self.started_ns, self.worker))
        before, after = order[:-1], order[1:]
        same = self.worker[before] == self.worker[after]  # an abandoned one ends where its worker starts again
        until_ns[before[same]] = np.minimum(until_ns[before[same]], self.started_ns[after[same]])
        return until_ns


@dataclass(frozen=True)
class Seams:
    """The jumps of actions where one chunk hands over to another: of an action's elements the largest change.

    A seam is a tick whose action has another source than that of the tick before in the same episode: another chunk, or
    the default on one side. Empty where no chunk was executed beyond its first step, and for Discrete actions.
    """

    tick: Ints
    """The tick of each seam."""
    jump: NDArray[np.float64]
    """The jump at it, in the actions' own units."""
    elsewhere: NDArray[np.float64]
    """The changes at the ticks without a seam, between steps of one chunk: to compare with."""

    def share_above(self, bound: float) -> float:
        """Return the share of the seams with a jump above ``bound``; NaN without seams."""
        return float((self.jump > bound).mean()) if len(self.jump) else float("nan")


class Metrics:
    """The metrics of one run.

    Args:
        record: the run.
        after_tick: use only ticks and episodes that came (or ended) later: a warm-up to leave out. Inferences are
            always those of the whole run.
        ticks, inferences: given where they are known without the record's trace.
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
        """The action source of each tick."""
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
        """The times and the outcome of each inference."""
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
        """Number of ticks that were never executed."""
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
        """Time of the call of ``env.step`` − the deadline, by tick."""
        return self._seconds(self.record.lateness_ns)

    @property
    def step_s(self) -> NDArray[np.float64]:
        """Duration of ``env.step`` by tick; with the reset where an episode ended."""
        return self._seconds(self.record.step_ns)

    @property
    def ages_s(self) -> NDArray[np.float64]:
        """The age of the observation behind each fresh action, at the deadline of its tick: its delay, and its own age.

        Only of observations whose age the environment said; see `RunRecord.ages_ns`.
        """
        cadence, ages_ns, fresh = self.record.trace.cadence, self.record.ages_ns, self.ticks.fresh
        tick = self.ticks.tick[fresh]
        seen = tick - self.delays
        own_ns = np.array([ages_ns.get(one, -1) for one in seen.tolist()] if ages_ns else [-1] * len(seen), np.int64)
        told = own_ns >= 0
        passed_ns = deadlines_ns(cadence, tick[told]) - deadlines_ns(cadence, seen[told])
        return (passed_ns + own_ns[told]) / NS_PER_S

    def _seconds(self, column: array[int]) -> NDArray[np.float64]:
        ticks = np.frombuffer(self.record.ticks, np.int64)
        return np.frombuffer(column, np.int64)[ticks > self.after_tick] / NS_PER_S

    def regret_per_tick(self, predictability: float) -> float:
        """Compute J_ρ = 1 − mean over ticks of fresh·ρ^(delay−1)."""
        ticks = self.ticks
        elapsed = int(ticks.tick[-1]) - self.after_tick if len(ticks.tick) else 0
        return 1 - float(np.sum(predictability ** (self.delays - 1.0))) / elapsed if elapsed else 1.0

    def regret_shares(self, predictability: float) -> tuple[float, float]:
        """Compute the two parts of J_ρ: inaction, 1 − coverage, and delay, mean fresh·(1 − ρ^(delay−1))."""
        inaction = 1 - self.coverage
        return inaction, self.regret_per_tick(predictability) - inaction

    def reward_means(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return mean reward and its standard error, for fresh ticks and for default ticks; NaN with fewer than two."""
        rewards = np.frombuffer(self.record.rewards, np.float64)
        rewards = rewards[np.frombuffer(self.record.ticks, np.int64) > self.after_tick]
        fresh = self.ticks.fresh[: len(rewards)]
        return _mean_and_error(rewards[: len(fresh)][fresh]), _mean_and_error(rewards[: len(fresh)][~fresh])

    @cached_property
    def seams(self) -> Seams:
        """The jumps of actions where chunks hand over to others."""
        record, ticks = self.record, self.ticks
        rows = np.flatnonzero(np.frombuffer(record.ticks, np.int64) > self.after_tick)[: len(ticks.tick)]
        if not ticks.step.any() or len(rows) < 2 or not isinstance(record.actions[0], np.ndarray):
            return Seams(np.empty(0, np.int64), np.empty(0), np.empty(0))
        actions = np.stack([record.actions[row] for row in rows]).reshape(len(rows), -1).astype(np.float64)
        change = np.abs(np.diff(actions, axis=0)).max(axis=1, initial=0.0)
        ended = np.frombuffer(record.terminated, np.int8) | np.frombuffer(record.truncated, np.int8)
        tick, inference = ticks.tick[: len(rows)], ticks.inference[: len(rows)]
        together = (np.diff(tick) == 1) & (ended[rows[:-1]] == 0)
        other = inference[1:] != inference[:-1]
        return Seams(
            tick=tick[1:][together & other],
            jump=change[together & other],
            elsewhere=change[together & ~other & (inference[1:] >= 0)],
        )

    @property
    def over_ns(self) -> int:
        """The end of the run: the last deadline, or the last inference's end."""
        cadence, ticks = self.record.trace.cadence, self.ticks.tick
        last_ns = cadence.deadline_ns(int(ticks[-1])) if len(ticks) else cadence.epoch_ns
        return int(np.max(self.inferences.ended_ns, initial=last_ns))

    def first_due(self) -> int:
        """The first tick that an inference could have made: the first usable deadline of the first answer."""
        finished = self.inferences.finished_ns
        finished = finished[finished >= 0]
        return self.record.trace.cadence.tick_from(int(finished.min())) if len(finished) else 0

    @property
    def outcomes(self) -> dict[str, int]:
        """Return the number of inferences with each outcome."""
        outcome = self.inferences.outcome
        return {kind.name.lower(): int((outcome == kind).sum()) for kind in Outcome}

    @property
    def binds(self) -> int:
        """Number of heads called."""
        return int((self.inferences.bound_tick >= 0).sum())

    @property
    def missed_binds(self) -> int:
        """Number of heads that ended after the deadline that they were called for."""
        inferences = self.inferences
        late = (inferences.bound_tick >= 0) & (inferences.finished_ns >= 0)
        return int((late & (inferences.outcome == Outcome.DROPPED)).sum())

    def worker_seconds(self) -> dict[int, tuple[int, float, float]]:
        """Return by worker: finished inferences, mean and 99th percentile of their seconds."""
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
        """Return of each episode that ended, including the rewards of default ticks."""
        rewards = np.frombuffer(self.record.rewards, np.float64)
        ended = np.frombuffer(self.record.terminated, np.int8) | np.frombuffer(self.record.truncated, np.int8)
        last = np.flatnonzero(ended)
        first = np.concatenate([[0], last + 1])[:-1]
        # Episode by episode: a reward that is not a number affects its own episode alone.
        returns = np.add.reduceat(rewards[: last[-1] + 1], first) if len(last) else np.empty(0)
        return returns[np.frombuffer(self.record.ticks, np.int64)[last] > self.after_tick]


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def deadlines_ns(cadence: Cadence, ticks: Ints) -> Ints:
    """Compute `Cadence.deadline_ns` of each tick."""
    p, q = cadence.scale
    if len(ticks) and (int(ticks.max()) + 1) * p < 1 << 62:
        return cadence.epoch_ns + ticks * p // q
    return np.array([cadence.deadline_ns(tick) for tick in ticks.tolist()], np.int64)


def percentiles(values: NDArray[Any], *which: float) -> list[float]:
    """Return percentiles; NaN without values."""
    return [float(x) for x in np.percentile(values, which)] if len(values) else [float("nan")] * len(which)
