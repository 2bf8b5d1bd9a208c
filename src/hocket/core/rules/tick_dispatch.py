"""Tick dispatch, hocket's own rule: the environment's tick is the metronome."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Sequence, Set
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal

from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, Rule, Schedule, Start, check_workers
from hocket.core.rules.capacity import busy, patience, reserve, workers_needed
from hocket.core.rules.copies import CopyTrials
from hocket.core.rules.playout import Playout
from hocket.core.rules.staff import Staff
from hocket.core.window import Window
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TickDispatch(Rule):
    """Each tick's observation goes to the worker idle longest, and aims at tick k + D.

    D = ⌈Q_q(recent inference times)/τ_M⌉. If no worker is idle the observation queues briefly: a freed worker takes
    the oldest unserved one that can still meet its target. At each tick the newest ready answer with target ≤ now
    runs. Workers never wait for each other, so one slow inference costs one tick and nothing else. Guarantee: with
    a constant inference time and N ≥ ⌈τ_θ/τ_M⌉ workers, every tick is fresh with delay ⌈τ_θ/τ_M⌉; with independent
    inference times and workers to spare, a share of about ``quantile`` of the ticks is fresh. Where workers are too
    few but answers are chunks of L actions, only every min(L, τ_θ/(N·τ_M))-th observation is served.

    ``quantile="auto"`` minimises the predicted regret J_ρ instead, over deadline, hold or release, queueing and
    hedging: see `hocket.core.rules.playout`.

    Args:
        workers: a number, or ``"auto"``: as many as the measured inference times need, within the bounds.
        quantile: of the inference times, in (0, 1), that sets D; or ``"auto"``.
        predictability: ρ in (0, 1] for ``quantile="auto"``. None: 0.99 until an estimate arrives as an event.
        hold: True never releases an answer before its target (constant delay, a stationary problem for a learner);
            False releases at once. ``quantile="auto"`` decides for itself.
        hedge: give surplus workers the newest observation a second time; the first answer wins. None: only with
            ``quantile="auto"``. Where workers share processors, a hedge slows the others down.
        min_workers, max_workers: the bounds of ``workers="auto"``.
        window: the number of inference times that the estimates remember.
        min_delay_ticks: D is at least this many ticks, even for quick inferences (not with ``quantile="auto"``).
    """

    workers: int | Literal["auto"] = 2
    quantile: float | Literal["auto"] = 0.95
    predictability: float | None = None
    hold: bool = True
    hedge: bool | None = None
    min_workers: int = 1
    max_workers: int = 64
    window: int = 1000
    min_delay_ticks: int = 1

    def __post_init__(self) -> None:
        if self.workers != "auto":
            check_workers(self.workers)
        check_workers(self.min_workers)
        check_workers(self.max_workers)
        if self.min_workers > self.max_workers:
            raise ConfigurationError(
                f"min_workers={self.min_workers} exceeds max_workers={self.max_workers}; swap or widen the bounds"
            )
        if self.quantile != "auto" and not (isinstance(self.quantile, float) and 0 < self.quantile < 1):
            raise ConfigurationError(f"quantile={self.quantile!r} must lie in (0, 1) or be 'auto'; try 0.95")
        if self.predictability is not None and not 0 < self.predictability <= 1:
            raise ConfigurationError(f"predictability={self.predictability!r} must lie in (0, 1]; try 0.99")
        if self.predictability is not None and self.quantile != "auto":
            raise ConfigurationError(
                f"predictability={self.predictability!r} has no effect with quantile={self.quantile!r}; "
                "try quantile='auto', or leave predictability out"
            )
        least = self.min_delay_ticks
        if isinstance(least, bool) or not isinstance(least, int) or least < 1:
            raise ConfigurationError(f"min_delay_ticks={least!r} must be an integer of at least 1; try 1")
        if self.quantile == "auto" and least > 1:
            raise ConfigurationError(f"min_delay_ticks={least} has no effect with quantile='auto'; try quantile=0.95")
        if self.quantile == "auto" and not self.hold:
            raise ConfigurationError(
                "hold=False has no effect with quantile='auto', which decides for itself; leave hold out"
            )
        Window(self.window)

    @property
    def initial_workers(self) -> int:
        return self.min_workers if self.workers == "auto" else self.workers

    @property
    def most_workers(self) -> int:
        return self.max_workers if self.workers == "auto" else self.workers

    @property
    def hedges(self) -> bool:
        """True if surplus workers are spent on hedges."""
        return self.quantile == "auto" if self.hedge is None else self.hedge

    def schedule(self, cadence: Cadence) -> Schedule:
        if self.quantile == "auto":
            return LeastRegretSchedule(self, cadence)
        return QuantileSchedule(self, cadence, self.quantile)


REESTIMATE_TICKS = 10
QUEUE = 6
CHANGED = 12
"""As many inference times in a row beyond nearly all that are remembered mean that they have changed."""
UNLIKE = 0.9
SPELL = 48
"""After as many inferences in a row on one side of the median, patience is for the last RECENT ones."""
RECENT = 64
FEWEST = 20
"""The least number of known inference times for hedging."""
ASSUMED_PREDICTABILITY = 0.99
CLIFF, CLIFF_ERRORS = 1.5, 2.0
"""A quantile that so many standard errors move by this factor is on a cliff."""
SIDE = 0.02
"""The difference in J_ρ that makes D go to the other side of a cliff."""


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
        self._shift = 0  # inferences in a row, nearly, above or below nearly all that are remembered
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

    def hedged(self, start: Start) -> None:  # noqa: B027
        """The observation of ``start`` goes to other workers as well."""

    @abstractmethod
    def queue_limit(self) -> int:
        """The most observations that may queue."""

    def estimate(self, now_ns: int) -> None:
        """Bring the estimates up to date; the window holds at least one inference time."""
        # Too few workers to serve every observation leave gaps. Spaced evenly, longer answers fill them.
        self._stride = max(1.0, min(self._length, busy(self._load, self.cadence) / max(1, self._workers)))
        rule = self._rule
        if rule.hedges and len(self._window) >= FEWEST:
            self._reserve = reserve(self._load, self.cadence, self._workers)
        if rule.workers == "auto":
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
        self._detect_change(inference.elapsed_ns)
        self._window.add(inference.elapsed_ns)
        self._staff.finished(inference.started_ns, inference.elapsed_ns)
        if inference.ready_ns >= 0:
            if self._load is self._window:
                self._load = Window(self._rule.window)
            self._load.add(inference.occupied_ns)
        self._length = inference.length
        if len(self._window) <= REESTIMATE_TICKS:
            self.estimate(inference.finished_ns)

    def _detect_change(self, elapsed_ns: int) -> None:
        """Forget what was before inference times changed for good: when a run of them is unlike nearly all before."""
        window = self._window
        size = len(window)
        if size < 2 * CHANGED:
            return
        if elapsed_ns > window.quantile(UNLIKE):
            self._shift = max(1, self._shift + 1)
        elif elapsed_ns < window.quantile(1 - UNLIKE):
            self._shift = min(-1, self._shift - 1)
        else:
            self._shift = 0
        if abs(self._shift) >= CHANGED:
            self._shift = 0
            window.keep(CHANGED)
            self._load.keep(CHANGED)
            self._staff.changed(self._tick)
            self.estimates_changed()

    def estimates_changed(self) -> None:  # noqa: B027
        """Inference times have changed for good; the windows have forgotten those before."""

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        queue = self._queue
        if not queue:
            return NOTHING
        started: list[Start] = []
        workers = iter(idle)
        free = len(idle)
        while queue and free:
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


class QuantileSchedule(DispatchSchedule):
    """Aims D ticks ahead, D the quantile of the inference times, and holds answers until then with ``hold``."""

    def __init__(self, rule: TickDispatch, cadence: Cadence, quantile: float) -> None:
        super().__init__(rule, cadence)
        self._quantile = quantile
        self._hold = rule.hold
        self._step_ns = 0  # from the newest tick's deadline to its observation: what the step itself takes
        # D in ticks; 0 before the first inference has finished, unless it is known to be longer than one anyway.
        self._aim = rule.min_delay_ticks if rule.min_delay_ticks > 1 else 0
        self._least = rule.min_delay_ticks
        self._above = False  # the side of a cliff
        self._typical_ns = 0

    def target(self, observation: int) -> int:
        return observation + self._aim if self._aim else -1

    def worthwhile(self, observation: int, now_ns: int) -> bool:
        newest = self._queue[-1] if self._queue else observation
        if self._meets_target(observation, now_ns):
            return True
        return observation == newest and not self._outdone(observation, now_ns)

    def freshened(self, observation: int, tick: int, now_ns: int) -> int:
        # Served at strides, it may have waited for a whole inference; one that is behind would stay behind.
        if self._stride == 1 or self._meets_target(observation, now_ns):
            return observation
        self._next_served = tick + self._stride
        return tick

    def _meets_target(self, observation: int, now_ns: int) -> bool:
        return self.cadence.deadline_ns(observation + self._aim) >= now_ns + self._typical_ns

    def _outdone(self, observation: int, now_ns: int) -> bool:
        """Return whether the next observation will be usable no later if it finds a worker.

        A worker that serves two stages is free again just before a tick: with just enough workers, one that took a
        queued observation would be missing at that tick, and so on at every later one. With one stage it is free
        earlier and catches up.
        """
        if self._load is self._window:
            return False
        next_ns = self.cadence.deadline_ns(observation + 1) + self._step_ns
        first_tick = self.cadence.tick_from
        return first_tick(now_ns + self._typical_ns) >= first_tick(next_ns + self._typical_ns)

    def queue_limit(self) -> int:
        return QUEUE

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        self._step_ns = max(0, now_ns - self.cadence.deadline_ns(tick))
        super().ticked(tick, now_ns, episode_ended)

    def estimate(self, now_ns: int) -> None:
        super().estimate(now_ns)
        needed_ns = self._quantile_ns() + self._step_ns
        aim = max(self._least, self.cadence.ticks(needed_ns))
        # Up at once; down only when it would stay down if inference times rose by a tenth of a tick.
        cautious = max(self._least, self.cadence.ticks(needed_ns + self.cadence.period_ns / 10))
        if aim > self._aim or cautious < self._aim:
            self._aim = aim
        self._typical_ns = self._window.quantile(0.5)

    def _quantile_ns(self) -> int:
        """The quantile of the inference times; where that is a cliff, the side of it with the lower J_ρ.

        A cliff is where the error of the estimate makes much of a difference: every few inferences would move D from
        one side to the other, and each time up costs as many blanks. So the side changes only for a clearly lower J_ρ.
        """
        window, q = self._window, self._quantile
        error = CLIFF_ERRORS * sqrt(q * (1 - q) / len(window))
        low, high = window.quantile(max(0.0, q - error)), window.quantile(min(1.0, q + error))
        if high < CLIFF * low or len(window) < FEWEST:
            self._above = False
            return window.quantile(q)
        below, above = (self._value(ns) for ns in (low, high))
        self._above = above > below + (-SIDE if self._above else SIDE)
        return high if self._above else low

    def _value(self, needed_ns: int) -> float:
        """1 − J_ρ if answers of up to ``needed_ns`` are waited for."""
        ascending = self._window.ascending
        share = bisect_right(ascending, needed_ns) / len(ascending)
        return share * ASSUMED_PREDICTABILITY ** (self.cadence.ticks(needed_ns + self._step_ns) - 1)

    def release_tick(self, inference: Inference) -> int:
        return max(inference.usable_tick, inference.target) if self._hold else inference.usable_tick


class LeastRegretSchedule(DispatchSchedule):
    """Minimises J_ρ over deadline, hold or release, queueing, hedging and cancelling."""

    cancels: ClassVar[bool] = True

    def __init__(self, rule: TickDispatch, cadence: Cadence) -> None:
        super().__init__(rule, cadence)
        self._predictability = rule.predictability or ASSUMED_PREDICTABILITY
        self._playout = Playout(self._predictability, rule.window)
        self._patience_ns = cadence.period_ns
        self._recent = Window(RECENT)
        self._spell = 0  # inferences in a row that took longer than usual; negative: shorter
        self._trials = CopyTrials()
        self._may_hedge = self._hedges
        self._behind = False  # too few workers to serve every observation
        self._stopped = self._ran_out = 0  # cancelled inferences
        self._span = 0

    def hedged(self, start: Start) -> None:
        self._trials.started(start.observation, start.worker)

    def target(self, observation: int) -> int:
        ahead = self._playout.target
        return observation + ahead if ahead > 1 else -1

    def worthwhile(self, observation: int, now_ns: int) -> bool:
        return (
            observation > self._playout.last_observation
            and now_ns - self.cadence.deadline_ns(observation) < self._patience_ns
        )

    def freshened(self, observation: int, tick: int, now_ns: int) -> int:
        if not self._behind:
            return observation
        self._next_served = tick + self._stride
        return tick

    def cancellations(
        self, tick: int, running: Sequence[Inference], answered: Set[int], idle: bool
    ) -> Sequence[Inference]:
        useless_until = self._playout.useless_until
        cancelled: list[Inference] = []
        by_observation: dict[int, list[Inference]] = {}
        for inference in running:
            observation = inference.observation
            if observation <= useless_until or observation in answered:
                cancelled.append(inference)
            else:
                by_observation.setdefault(observation, []).append(inference)
        if self._may_hedge and not self._hedges:
            for same in by_observation.values():
                cancelled.extend(same[1:])
        elif self._queue and not idle and not cancelled and self._stops:
            most = max(by_observation.values(), key=len, default=[])
            cancelled.extend(most[1:][-1:])  # a copy makes room for the newest observation
        return cancelled

    @property
    def _stops(self) -> bool:
        """True if what is cancelled usually stops."""
        return self._stopped > self._ran_out

    def queue_limit(self) -> int:
        return max(1, self._workers)

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        if episode_ended:
            self._playout.restart(tick)
        if self._may_hedge and self._span:
            self._trials.ticked(tick, self._span, self._playout.last_observation)
            self._hedges = self._trials.allowed
        super().ticked(tick, now_ns, episode_ended)

    def estimate(self, now_ns: int) -> None:
        super().estimate(now_ns)
        self._behind = self._stride > 1
        if self._workers == 1:
            self._stride = 1.0  # nothing to space
        if self._stops:
            self._reserve = min(self._reserve, 1)
        if len(self._window) >= FEWEST:
            self._span = self.cadence.ticks(self._window.quantile(0.75)) + 2
            times = self._recent if abs(self._spell) >= SPELL else self._load
            ticks = patience(times, self.cadence, self._workers, self._predictability)
            self._patience_ns = ticks * self.cadence.period_ns

    def inference_finished(self, inference: Inference) -> None:
        super().inference_finished(inference)
        occupied_ns = inference.occupied_ns
        self._recent.add(occupied_ns)
        if occupied_ns > self._load.quantile(0.5):
            self._spell = max(1, self._spell + 1)
        else:
            self._spell = min(-1, self._spell - 1)
        if inference.outcome is Outcome.CANCELLED:
            self._ran_out += 1
        elif self._may_hedge:
            self._trials.answered(inference.observation, inference.worker, inference.elapsed_ns)
        missed_its_tick = inference.bound_tick >= 0 and inference.outcome is not None
        if inference.outcome is not Outcome.DISCARDED and not missed_its_tick:
            self._playout.answered(inference.observation, inference.usable_tick, inference.length)

    def inference_cancelled(self, inference: Inference, now_ns: int) -> None:
        self._stopped += 1
        self._recent.add(now_ns - inference.started_ns)
        self._load.add(now_ns - inference.started_ns)

    def predictability_estimated(self, predictability: float) -> None:
        self._predictability = predictability
        self._playout.value(predictability)

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        age = self._playout.choose(tick)
        if not age:
            return None
        return next((inference for inference in due if inference.observation == tick - age), None)
