"""What all kinds of tick dispatch share: which observation a worker gets, and how many workers there are."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, Schedule, Start
from hocket.core.rules.capacity import busy, reserve, workers_needed
from hocket.core.rules.staff import Staff
from hocket.core.window import Window

if TYPE_CHECKING:
    from hocket.core.rules.tick_dispatch import TickDispatch

REESTIMATE_TICKS = 10
FEWEST = 20
"""The least number of known inference times for estimates of their law."""
CHANGED = 12
"""As many inference times in a row beyond nearly all that are remembered mean that they have changed."""
UNLIKE = 0.9
ALL_USUAL = (-1, 1 << 63)
ASSUMED_PREDICTABILITY = 0.99


class DispatchSchedule(Schedule):
    """Hands each tick's observation to the worker idle longest; a brief queue holds those that find none."""

    def __init__(self, rule: TickDispatch, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._rule = rule
        self._window = Window(rule.window)  # of what inferences need
        self._load = self._window  # of how long they keep their workers: the same, until one has two stages
        self._queue: deque[int] = deque()
        self._stride = 1.0  # ticks between the observations that are served
        self._next_served = 0.0
        self._length = 1  # of the last answer
        self._ticked_ns = -1
        self._workers = 0
        self._staff = Staff(rule.initial_workers)
        self._tick = -1
        self._sizes = rule.workers == "auto"
        self._usual = ALL_USUAL  # between these are nearly all inference times
        self._shift = 0  # inferences in a row above them; negative: below
        self._hedges = rule.hedges
        self._reserve = rule.most_workers

    @abstractmethod
    def target(self, observation: int) -> int:
        """The tick that an inference of ``observation`` aims at, or -1."""

    @abstractmethod
    def worthwhile(self, observation: int, now_ns: int) -> bool:
        """Return whether an observation that has queued is still worth an inference."""

    def freshened(self, observation: int, tick: int, now_ns: int) -> int:
        """The observation to serve in place of ``observation``, the last in the queue; ``tick`` is the newest."""
        return observation

    def hedged(self, start: Start) -> None:
        """The observation of ``start`` goes to other workers as well."""

    @abstractmethod
    def queue_limit(self) -> int:
        """The most observations that may queue."""

    def estimate(self, now_ns: int) -> None:
        """Bring the estimates up to date; the window holds at least one inference time."""
        # Too few workers to serve every observation leave gaps. Spaced evenly, longer answers fill them.
        self._stride = max(1.0, min(self._length, busy(self._load, self.cadence) / max(1, self._workers)))
        rule, window = self._rule, self._window
        if len(window) >= 2 * CHANGED:
            self._usual = window.quantile(1 - UNLIKE), window.quantile(UNLIKE)
        if rule.hedges and len(window) >= FEWEST:
            self._reserve = reserve(self._load, self.cadence, self._workers)
        if self._sizes:
            needed = workers_needed(self._load, self.cadence, self._staff.wanted)
            needed = min(max(needed, rule.min_workers), rule.max_workers)
            self._staff.decide(needed, self._workers, self._tick, now_ns)

    def worker_joined(self, worker: int, now_ns: int) -> None:
        self._workers += 1

    def worker_lost(self, worker: int, now_ns: int) -> None:
        self._workers -= 1

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        self._ticked_ns = now_ns
        self._tick = tick
        queue = self._queue
        if episode_ended:
            queue.clear()
        if tick >= self._next_served:
            self._next_served = max(self._next_served, tick - 1) + self._stride
            queue.append(tick)
            if len(queue) > self.queue_limit():
                queue.popleft()
        if tick % REESTIMATE_TICKS == 0 and len(self._window):
            self.estimate(now_ns)

    def inference_finished(self, inference: Inference) -> None:
        elapsed_ns = inference.elapsed_ns
        if self._usual[0] <= elapsed_ns <= self._usual[1]:
            self._shift = 0
        else:
            self._count_unusual(elapsed_ns)
        self._window.add(elapsed_ns)
        if self._sizes:
            self._staff.finished(inference.started_ns, elapsed_ns)
        if inference.ready_ns >= 0:
            if self._load is self._window:
                self._load = Window(self._rule.window)
            self._load.add(inference.occupied_ns)
        self._length = inference.length
        if len(self._window) <= REESTIMATE_TICKS:
            self.estimate(inference.finished_ns)

    def _count_unusual(self, elapsed_ns: int) -> None:
        """Forget what was before inference times changed for good: when a run of them is unlike nearly all before."""
        if elapsed_ns > self._usual[1]:
            self._shift = max(1, self._shift + 1)
        else:
            self._shift = min(-1, self._shift - 1)
        if abs(self._shift) >= CHANGED:
            self._shift = 0
            self._usual = ALL_USUAL
            self._window.keep(CHANGED)
            self._load.keep(CHANGED)
            self._staff.changed(self._tick)

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        queue = self._queue
        if not queue:
            return NOTHING
        started: list[Start] = []
        workers = iter(idle)
        free = len(idle)
        if self._sizes:
            free -= max(0, self._workers - self._staff.wanted)  # those are to go
        while queue and free > 0:
            observation = queue.popleft()
            if observation < tick and not queue:
                observation = self.freshened(observation, tick, now_ns)
            new = observation == tick and now_ns == self._ticked_ns
            if not new and not self.worthwhile(observation, now_ns):
                continue
            target = self.target(observation)
            started.append(Start(next(workers), observation, target))
            free -= 1
            if new and self._hedges and self._stride == 1:
                # Half of what exceeds the reserve, which spreads the copies over the ticks.
                copies = max(0, (free + 1 - self._reserve) // 2)
                if copies:
                    self.hedged(started[-1])
                started.extend(Start(next(workers), observation, target) for _ in range(copies))
                free -= copies
        return started

    def workers_wanted(self) -> int:
        return self._staff.wanted

    def oldest_needed(self, tick: int) -> int:
        return self._queue[0] if self._queue else tick
