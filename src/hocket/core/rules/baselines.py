"""The baselines: the classical loop, naive asynchrony, and one inference in flight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, FixedWorkers, Rule, Schedule, Start
from hocket.errors import ConfigurationError


class Learn(Enum):
    """The moment at which a sequential agent learns."""

    NEVER = "never"
    AFTER_INFERENCE = "after inference"
    BEFORE_INFERENCE = "before inference"


@dataclass(frozen=True, slots=True)
class Sequential(Rule):
    """The classical loop on one worker: observe, infer, act, see the result, repeat.

    The next observation is sampled at the first tick by which the previous action has executed and learning has
    ended. With τ_θ the inference and τ_L the learning time, in steady state: ``AFTER_INFERENCE`` has delay
    ⌈τ_θ/τ_M⌉ and interval ⌈(τ_θ+τ_L)/τ_M⌉; ``BEFORE_INFERENCE`` (observe, learn, infer on that observation) has
    delay = interval = ⌈(τ_θ+τ_L)/τ_M⌉. Source: Riemer et al. 2025, Remark 1.
    """

    learn: Learn = Learn.NEVER

    @property
    def initial_workers(self) -> int:
        return 1

    def schedule(self, cadence: Cadence) -> Schedule:
        return _SequentialSchedule(self, cadence)


class _SequentialSchedule(Schedule):
    learns: ClassVar[bool] = True

    def __init__(self, rule: Sequential, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._learn = rule.learn
        self._sampled = -1  # the observation taken, while it waits for learning; -1: none
        self._acting = False  # an inference has started and has not ended
        self._learning = False
        self._learning_due = False
        self._ticked_ns = -1

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        self._ticked_ns = now_ns
        if episode_ended:
            self._sampled = -1
        idle = not (self._acting or self._learning or self._sampled >= 0)
        if self._learn is Learn.BEFORE_INFERENCE and idle:
            self._sampled = tick
            self._learning = self._learning_due = True

    def inference_finished(self, inference: Inference) -> None:
        if self._learn is Learn.AFTER_INFERENCE:
            self._learning = self._learning_due = True

    def inference_ended(self, inference: Inference) -> None:
        self._acting = False

    def learning_due(self) -> bool:
        due, self._learning_due = self._learning_due, False
        return due

    def learning_finished(self, now_ns: int) -> None:
        self._learning = False

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        if self._acting or self._learning:
            return NOTHING
        if self._learn is Learn.BEFORE_INFERENCE:
            observation, self._sampled = self._sampled, -1
        else:
            observation = tick if now_ns == self._ticked_ns else -1
        if observation < 0:
            return NOTHING
        self._acting = True
        return (Start(next(iter(idle)), observation, -1),)

    def workers_wanted(self) -> int:
        return 1

    def oldest_needed(self, tick: int) -> int:
        return self._sampled if self._sampled >= 0 else tick


@dataclass(frozen=True, slots=True)
class Unstaggered(FixedWorkers):
    """``workers`` free-running workers: each takes the newest observation as soon as it is free.

    A worker that has run on that one waits for the next. This is naive asynchrony. No guarantee on spacing: with a
    constant latency all workers finish together, and coverage is that of one.
    """

    def schedule(self, cadence: Cadence) -> Schedule:
        return _UnstaggeredSchedule(self, cadence)


class _UnstaggeredSchedule(Schedule):
    def __init__(self, rule: Unstaggered, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._workers = rule.workers
        self._had: dict[int, int] = {}  # worker → the observation that it took last

    def worker_lost(self, worker: int, now_ns: int) -> None:
        self._had.pop(worker, None)

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        had = self._had
        ready = [worker for worker in idle if had.get(worker) != tick]
        had.update(dict.fromkeys(ready, tick))
        return [Start(worker, tick, -1) for worker in ready]

    def workers_wanted(self) -> int:
        return self._workers


@dataclass(frozen=True, slots=True)
class OneInFlight(Rule):
    """The loop of today's clients of chunk policies: one worker infers the next chunk while the last one plays.

    At each tick with at most ``threshold`` times the longest chunk so far left to play, the newest observation waits
    for the worker, in place of any other. A free worker takes the one that waits, and its answer replaces the rest of
    the last one. Guarantee: with a constant inference time of d ticks and chunks of H actions that are aligned to their
    observations, every tick is fresh if H ≥ 2d and ``threshold``·H ≥ d − 1; coverage never exceeds (H − d + 1)·τ_M/τ_θ.

    This is the schedule of the asynchronous client and server of LeRobot, without what those do to actions and
    observations: averaging chunks where they overlap, and leaving out observations that resemble the last one.

    Args:
        threshold: in [0, 1]; 0 asks for a chunk once nothing is left, 1 always.
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, int | float) and 0 <= self.threshold <= 1):
            raise ConfigurationError(f"threshold={self.threshold!r} must lie in [0, 1]; try 0.5")

    @property
    def initial_workers(self) -> int:
        return 1

    def schedule(self, cadence: Cadence) -> Schedule:
        return _OneInFlightSchedule(self, cadence)


class _OneInFlightSchedule(Schedule):
    def __init__(self, rule: OneInFlight, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._threshold = rule.threshold
        self._waiting = -1  # the observation that the worker takes next; -1: none
        self._busy = -1  # the worker of the inference in flight; -1: none is
        self._answer: Inference | None = None  # the last one of this episode
        self._longest = 1

    def worker_lost(self, worker: int, now_ns: int) -> None:
        self._freed(worker)

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        if episode_ended:
            self._answer = None
        if self._left(tick) <= self._threshold * self._longest:
            self._waiting = tick

    def inference_finished(self, inference: Inference) -> None:
        self._freed(inference.worker)
        if inference.outcome is None:
            self._answer = inference
            self._longest = max(self._longest, inference.length)

    def inference_failed(self, inference: Inference, now_ns: int) -> None:
        self._freed(inference.worker)

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        if self._waiting < 0 or self._busy >= 0:
            return NOTHING
        observation, self._waiting = self._waiting, -1
        self._busy = next(iter(idle))
        return (Start(self._busy, observation, -1),)

    def workers_wanted(self) -> int:
        return 1

    def oldest_needed(self, tick: int) -> int:
        return self._waiting if self._waiting >= 0 else tick

    def _left(self, tick: int) -> int:
        """The number of actions that are left after ``tick``."""
        answer = self._answer
        if answer is None:
            return 0
        last_tick = answer.last_tick if answer.last_tick >= 0 else answer.usable_tick + answer.length - 1
        return max(0, last_tick - tick)

    def _freed(self, worker: int) -> None:
        if worker == self._busy:
            self._busy = -1
