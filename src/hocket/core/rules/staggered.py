"""The paper's Algorithms 1 and 2: workers spaced evenly in time by their inference time.

Riemer et al. 2025, Algorithms 1 and 2. When worker p's inference changes the target, every other worker q waits
dist(q, p) times the change of the spacing, where dist(q, p) = (q − p) mod N is how far q is *behind* p in the
cycle. Times here are integers of 1/hz.numerator ns, in which τ_M is exact: phases never drift against the ticks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, FixedWorkers, Schedule, Start


@dataclass(frozen=True, slots=True)
class MaxTime(FixedWorkers):
    """Algorithm 1: every inference is padded to the longest seen, τ̂_max; spacing max(τ̂_max/N, τ_M).

    Guarantee: with inference times that never exceed τ̂_max and N ≥ ⌈τ̂_max/τ_M⌉ workers, every tick is fresh with
    delay ⌈τ̂_max/τ_M⌉.
    """

    def schedule(self, cadence: Cadence) -> Schedule:
        return _MaxTimeSchedule(self.workers, cadence)


@dataclass(frozen=True, slots=True)
class ExpectedTime(FixedWorkers):
    """Algorithm 2: as Algorithm 1 with the running mean of the inference times as the target.

    Fewer workers and shorter delays than `MaxTime`, less regular spacing. Guarantee: with a constant inference time
    and N ≥ ⌈τ_θ/τ_M⌉ workers, every tick is fresh with delay ⌈τ_θ/τ_M⌉.
    """

    def schedule(self, cadence: Cadence) -> Schedule:
        return _ExpectedTimeSchedule(self.workers, cadence)


class StaggeredSchedule(Schedule):
    """The cycle of workers that both algorithms share; a subclass defines the target."""

    defers: ClassVar[bool] = True
    wakes: ClassVar[bool] = True

    def __init__(self, workers: int, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._wanted = workers
        self._tick_length, self._unit = cadence.scale
        self._target = 0
        self._spacing = self._tick_length
        self._cycle: list[int] = []
        self._began: dict[int, int] = {}
        self._free_since: dict[int, int] = {}  # of the workers that wait for their turn
        self._extra: dict[int, int] = {}
        self._turns: list[tuple[int, int]] = []  # heap of (start, worker) of the workers that wait
        self._last_turn = cadence.epoch_ns * self._unit - self._tick_length
        self._reform_due = False

    @abstractmethod
    def new_target(self, target: int, elapsed: int) -> int:
        """The target after an inference that took ``elapsed``."""

    @staticmethod
    def distance(behind: int, ahead: int, workers: int) -> int:
        """dist(q, p): the number of places that q is behind p in the cycle."""
        return (behind - ahead) % workers

    def worker_joined(self, worker: int, now_ns: int) -> None:
        now = max(now_ns, self.cadence.epoch_ns) * self._unit
        self._cycle.append(worker)
        self._free_since[worker] = now
        self._began[worker] = now - max(self._target, (len(self._cycle)) * self._tick_length)
        self._extra[worker] = 0
        self._reform_due = True

    def worker_lost(self, worker: int, now_ns: int) -> None:
        self._cycle.remove(worker)
        for book in (self._free_since, self._began, self._extra):
            book.pop(worker, None)
        self._turns = [turn for turn in self._turns if turn[1] != worker]
        heapify(self._turns)
        self._reform_due = True

    def inference_finished(self, inference: Inference) -> None:
        worker = inference.worker
        self._free_since[worker] = inference.finished_ns * self._unit
        self._target = self.new_target(self._target, inference.elapsed_ns * self._unit)
        spacing = self._spacing_now()
        if spacing != self._spacing:
            self._respace(spacing, worker)
        heappush(self._turns, (self._turn(worker), worker))

    def inference_failed(self, inference: Inference, now_ns: int) -> None:
        self._free_since[inference.worker] = now_ns * self._unit
        heappush(self._turns, (self._turn(inference.worker), inference.worker))

    def release_tick(self, inference: Inference) -> int:
        padded = inference.started_ns * self._unit + self._target
        return max(inference.usable_tick, self.cadence.tick_from(padded // self._unit))

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        if self._reform_due:
            self._reform()
        end_of_now = (now_ns + 1) * self._unit
        turns = self._turns
        if not turns or turns[0][0] >= end_of_now:
            return NOTHING
        started = []
        while turns and turns[0][0] < end_of_now:
            worker = heappop(turns)[1]
            if worker not in idle or worker not in self._free_since:
                continue
            turn = self._turn(worker)
            if turn >= end_of_now:
                heappush(turns, (turn, worker))
                continue
            self._take_turn(worker, turn)
            started.append(Start(worker, tick, -1))
        return started

    def wake_ns(self) -> int | None:
        return self._turns[0][0] // self._unit if self._turns else None

    def workers_wanted(self) -> int:
        return self._wanted

    def _spacing_now(self) -> int:
        return max(self._target // max(1, len(self._cycle)), self._tick_length)

    def _unshifted_turn(self, worker: int) -> int:
        """The next start of ``worker`` if no worker had to wait for another."""
        cycle = max(self._target, len(self._cycle) * self._tick_length)
        return max(self._free_since.get(worker, 0), self._began[worker] + cycle)

    def _turn(self, worker: int) -> int:
        """The next start of ``worker``; negative credit brings it forward, but not before it is free."""
        return max(self._free_since[worker], self._unshifted_turn(worker) + self._extra[worker])

    def _take_turn(self, worker: int, turn: int) -> None:
        credit = self._unshifted_turn(worker) + self._extra[worker] - turn
        self._extra[worker] = min(0, credit)
        self._began[worker] = self._last_turn = turn
        del self._free_since[worker]

    def _respace(self, spacing: int, changed_by: int) -> None:
        shift = spacing - self._spacing
        self._spacing = spacing
        cycle = self._cycle
        ahead = cycle.index(changed_by)
        for behind, worker in enumerate(cycle):
            self._extra[worker] += self.distance(behind, ahead, len(cycle)) * shift
        if shift < 0:
            self._queue_turns(without=changed_by)

    def _reform(self) -> None:
        """Space the present workers evenly after the last start, in the order of their next turns.

        No worker gets a turn that it cannot keep: where workers are just enough, lateness is never made up.
        """
        self._reform_due = False
        spacing = self._spacing = self._spacing_now()
        cycle = sorted(self._cycle, key=self._unshifted_turn)
        anchor = self._last_turn + spacing
        for place, worker in enumerate(cycle):
            free = max(self._free_since.get(worker, 0), self._began[worker] + self._target)
            anchor = max(anchor, free - place * spacing)
        for place, worker in enumerate(cycle):
            self._extra[worker] = anchor + place * spacing - self._unshifted_turn(worker)
        self._cycle = cycle
        self._queue_turns()

    def _queue_turns(self, without: int = -1) -> None:
        self._turns = [(self._turn(worker), worker) for worker in self._free_since if worker != without]
        heapify(self._turns)


class _MaxTimeSchedule(StaggeredSchedule):
    def new_target(self, target: int, elapsed: int) -> int:
        return max(target, elapsed)


class _ExpectedTimeSchedule(StaggeredSchedule):
    def __init__(self, workers: int, cadence: Cadence) -> None:
        super().__init__(workers, cadence)
        self._sum = self._count = 0

    def new_target(self, target: int, elapsed: int) -> int:
        self._sum += elapsed
        self._count += 1
        return self._sum // self._count
