"""The two baselines: the classical loop, and naive asynchrony."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import NOTHING, FixedWorkers, Rule, Schedule, Start


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
