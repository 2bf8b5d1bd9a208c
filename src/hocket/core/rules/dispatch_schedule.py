"""The common part of tick dispatch: the observation that a worker gets, and the number of workers."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict, deque
from collections.abc import Sequence

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, Schedule, Start
from hocket.core.rules.capacity import busy, reserve, workers_needed
from hocket.core.rules.staff import Staff
from hocket.core.window import Window

REESTIMATE_TICKS = 10
FEWEST = 20
"""The least number of known inference times for estimates of their law."""
CHANGED = 12
"""As many more inference times beyond nearly all that are remembered than others mean that they have changed."""
UNLIKE = 0.9
ALL_USUAL = (-1, 1 << 63)
ASSUMED_PREDICTABILITY = 0.99


class DispatchSchedule(Schedule):
    """Hands each tick's observation to the worker idle longest; a brief queue holds those that find none."""

    def __init__(self, cadence: Cadence, staff: Staff, *, window: int, hedges: bool) -> None:
        super().__init__(cadence)
        self._size = window
        self.window = Window(window)
        """The times that inferences needed."""
        self.load = self.window
        """The times that they kept their workers: the same, until one has two stages."""
        self.queue: deque[int] = deque()
        """Observations that are to be served."""
        self.stride = 1.0
        """Ticks between them."""
        self.next_served = 0.0
        self.length = 1
        """Actions of the last answer that could still be executed, at least 1."""
        self.aligned = False
        """True if actions are for certain ticks: then a newer observation is always better than one that queues."""
        self.typical_ns = 0
        """The median of the inference times."""
        self.workers = 0
        self.hedges = hedges
        self.reserve = staff.most
        """Idle workers that get no copies."""
        self.tick = -1
        """The newest observation."""
        self.ticked_ns = -1
        """The time of it."""
        self._staff = staff
        self._beginning = True  # estimates are made anew for each of the first inference times
        self._usual = ALL_USUAL  # between these are nearly all inference times
        self._shift = 0  # inferences above them, less others since; negative: below

    @abstractmethod
    def target(self, observation: int) -> int:
        """The tick that an inference of ``observation`` aims at, or -1."""

    @abstractmethod
    def worthwhile(self, observation: int, now_ns: int) -> bool:
        """Return whether an observation that has queued is still worth an inference."""

    @property
    def step_ns(self) -> int:
        """From the newest tick's deadline to its observation: what the step itself takes."""
        return max(0, self.ticked_ns - self.cadence.deadline_ns(self.tick))

    def outdone(self, observation: int, now_ns: int) -> bool:
        """Return whether the observation after ``observation`` will be usable no later if it finds a worker."""
        next_ns = self.cadence.deadline_ns(observation + 1) + self.step_ns
        first_tick = self.cadence.tick_from
        return first_tick(now_ns + self.typical_ns) >= first_tick(next_ns + self.typical_ns)

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
        self.stride = max(1.0, min(self.length, busy(self.load, self.cadence) / max(1, self.workers)))
        if self.aligned and self.workers == 1:
            self.stride = 1.0  # nothing to space
        window = self.window
        self.typical_ns = window.quantile(0.5)
        if len(window) >= 2 * CHANGED:
            self._usual = window.quantile(1 - UNLIKE), window.quantile(UNLIKE)
        if self.hedges and len(window) >= FEWEST:
            self.reserve = reserve(self.load, self.cadence, self.workers)
        staff = self._staff
        if not staff.fixed:
            needed = workers_needed(self.load, self.cadence, staff.wanted)
            staff.decide(needed, self.workers, self.tick, now_ns)

    def worker_joined(self, worker: int, now_ns: int) -> None:
        self.workers += 1

    def worker_lost(self, worker: int, now_ns: int) -> None:
        self.workers -= 1

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        self.ticked_ns = now_ns
        self.tick = tick
        queue = self.queue
        if episode_ended:
            queue.clear()
        if tick >= self.next_served:
            self.next_served = max(self.next_served, tick - 1) + self.stride
            queue.append(tick)
            if len(queue) > 1 and (self.aligned or len(queue) > self.queue_limit()):
                queue.popleft()
        if tick % REESTIMATE_TICKS == 0 and len(self.window):
            self.estimate(now_ns)

    def inference_finished(self, inference: Inference) -> None:
        elapsed_ns = inference.elapsed_ns
        least, most = self._usual
        if self._shift or not least <= elapsed_ns <= most:
            self._count_unusual(elapsed_ns)
        self.window.add(elapsed_ns)
        if not self._staff.fixed:
            self._staff.finished(inference.started_ns, elapsed_ns)
        if inference.ready_ns >= 0:
            if self.load is self.window:
                self.load = Window(self._size)
            self.load.add(inference.occupied_ns)
        if inference.base_tick < 0:
            self.length = inference.length
        else:
            self.aligned = True
            self.length = max(1, inference.usable_length)
        if self._beginning:
            self._beginning = len(self.window) < REESTIMATE_TICKS
            self.estimate(inference.finished_ns)

    def _count_unusual(self, elapsed_ns: int) -> None:
        """Inference times have changed for good when many more are unlike nearly all before than are like them."""
        least, most = self._usual
        if elapsed_ns > most:
            self._shift += 1
        elif elapsed_ns < least:
            self._shift -= 1
        elif self._shift:
            self._shift -= 1 if self._shift > 0 else -1
        if abs(self._shift) >= CHANGED:
            self.times_changed()

    def times_changed(self) -> None:
        """Forget the inference times before the last few."""
        self._shift = 0
        self._usual = ALL_USUAL
        self.window.keep(CHANGED)
        self.load.keep(CHANGED)
        self._staff.changed(self.tick)

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        queue = self.queue
        if not queue:
            return NOTHING
        started: list[Start] = []
        workers = iter(idle)
        free = len(idle)
        surplus = self.workers - self._staff.wanted
        if surplus > 0:
            free -= surplus  # those are to go
        while queue and free > 0:
            observation = queue.popleft()
            if self.aligned:
                queue.clear()  # what has queued before this was known
                if now_ns != self.ticked_ns and self.outdone(tick, now_ns):
                    queue.append(observation)
                    break
                if observation < tick:
                    observation, self.next_served = tick, tick + self.stride
            elif observation < tick and not queue:
                observation = self.freshened(observation, tick, now_ns)
            new = observation == tick and now_ns == self.ticked_ns
            if not new and not self.worthwhile(observation, now_ns):
                continue
            target = self.target(observation)
            started.append(Start(next(workers), observation, target))
            free -= 1
            if new and self.hedges and self.stride == 1:
                # Half of what exceeds the reserve, which spreads the copies over the ticks.
                copies = (free + 1 - self.reserve) // 2
                if copies > 0:
                    self.hedged(started[-1])
                    started.extend(Start(next(workers), observation, target) for _ in range(copies))
                    free -= copies
        return started

    def workers_wanted(self) -> int:
        return self._staff.wanted

    def oldest_needed(self, tick: int) -> int:
        return self.queue[0] if self.queue else tick
