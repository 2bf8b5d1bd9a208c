"""Tick dispatch, hocket's own rule: the environment's tick is the metronome."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hocket.core.cadence import Cadence
from hocket.core.estimators import LatencyWindow
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, Rule, Schedule, Start, check_workers
from hocket.core.rules.staffing import workers_needed
from hocket.errors import ConfigurationError

REESTIMATE_TICKS = 10
QUEUE = 6


@dataclass(frozen=True, slots=True)
class TickDispatch(Rule):
    """Each tick's observation goes to the worker idle longest, and aims at tick k + D.

    D = ⌈Q_q(recent inference times)/τ_M⌉. If no worker is idle the observation queues briefly: a freed worker takes
    the oldest unserved one that can still meet its target. At each tick the newest ready answer with target ≤ now
    runs. Workers never wait for each other, so one slow inference costs one tick and nothing else. Guarantee: with
    a constant inference time and N ≥ ⌈τ_θ/τ_M⌉ workers, every tick is fresh with delay ⌈τ_θ/τ_M⌉; with any law and
    workers to spare, a share of at least ``quantile`` of the ticks is fresh.

    Args:
        workers: how many, or ``"auto"``: as many as the measured inference times need, within the bounds.
        quantile: of the inference times, in (0, 1), that sets D.
        hold: True never releases an answer before its target (constant delay, a stationary problem for a learner);
            False releases at once.
        hedge: give surplus workers the newest observation a second time; the first answer wins.
        min_workers, max_workers: the bounds of ``workers="auto"``.
        window: how many inference times the estimate remembers.
    """

    workers: int | Literal["auto"] = 2
    quantile: float = 0.95
    hold: bool = True
    hedge: bool = False
    min_workers: int = 1
    max_workers: int = 64
    window: int = 1000

    def __post_init__(self) -> None:
        if self.workers != "auto":
            check_workers(self.workers)
        check_workers(self.min_workers)
        check_workers(self.max_workers)
        if self.min_workers > self.max_workers:
            raise ConfigurationError(
                f"min_workers={self.min_workers} exceeds max_workers={self.max_workers}; swap or widen the bounds"
            )
        if not 0 < self.quantile < 1:
            raise ConfigurationError(f"quantile={self.quantile!r} must lie in (0, 1); try 0.95")
        LatencyWindow(self.window)

    @property
    def initial_workers(self) -> int:
        return self.min_workers if self.workers == "auto" else self.workers

    @property
    def most_workers(self) -> int:
        return self.max_workers if self.workers == "auto" else self.workers

    def schedule(self, cadence: Cadence) -> Schedule:
        return _TickDispatchSchedule(self, cadence)


class _TickDispatchSchedule(Schedule):
    def __init__(self, rule: TickDispatch, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._rule = rule
        self._window = LatencyWindow(rule.window)
        self._unserved: deque[int] = deque()
        self._tick = -1
        self._lead_ns = 0  # from the newest tick's deadline to its observation: what the step itself takes
        self._aim = 0  # D in ticks; 0 before the first inference has finished
        self._typical_ns = 0
        self._wanted = rule.initial_workers

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        self._tick = tick
        self._lead_ns = now_ns - self.cadence.deadline_ns(tick)
        unserved = self._unserved
        if episode_ended:
            unserved.clear()
        unserved.append(tick)
        if len(unserved) > QUEUE:
            unserved.popleft()
        if tick % REESTIMATE_TICKS == 0 and len(self._window):
            self._estimate()

    def inference_finished(self, inference: Inference) -> None:
        self._window.add(inference.elapsed_ns)
        if len(self._window) <= REESTIMATE_TICKS:
            self._estimate()

    def _estimate(self) -> None:
        window, rule = self._window, self._rule
        needed = window.quantile_ns(rule.quantile) + max(0, self._lead_ns)
        aim = self.cadence.ticks(needed)
        # Up at once; down only when it would stay down if inference times rose by a tenth of a tick.
        if aim > self._aim or self.cadence.ticks(needed + self.cadence.period_ns / 10) < self._aim:
            self._aim = aim
        self._typical_ns = window.quantile_ns(0.5)
        if rule.workers == "auto":
            wanted = workers_needed(window, self.cadence, self._wanted)
            self._wanted = min(max(wanted, rule.min_workers), rule.max_workers)

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        unserved = self._unserved
        if not unserved:
            return NOTHING
        started = []
        for worker in idle:
            observation = self._next_unserved(now_ns)
            if observation < 0:
                break
            started.append(self._start(worker, observation))
        return started

    def _start(self, worker: int, observation: int) -> Start:
        return Start(worker, observation, observation + self._aim if self._aim else -1)

    def _next_unserved(self, now_ns: int) -> int:
        """The oldest unserved observation that can still meet its target, or the newest; -1 if none is left."""
        unserved = self._unserved
        while unserved:
            observation = unserved.popleft()
            if observation == self._tick:
                return observation
            if self.cadence.deadline_ns(observation + self._aim) >= now_ns + self._typical_ns:
                return observation
        return -1

    def release_tick(self, inference: Inference) -> int:
        return max(inference.usable_tick, inference.target) if self._rule.hold else inference.usable_tick

    def workers_wanted(self) -> int:
        return self._wanted

    def oldest_needed(self, tick: int) -> int:
        return self._unserved[0] if self._unserved else tick
