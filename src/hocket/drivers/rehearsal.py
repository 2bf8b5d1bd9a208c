"""A twin engine without effects, run shortly before each cycle to warm the processor's caches for the real one.

A control loop sleeps almost always, and the caches lose code that is not used: the same call costs three times as
much after 20 ms of sleep as in a busy loop. The twin runs the same code with made-up events.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.rules import Rule
from hocket.drivers.engine import Engine, EngineSetup
from hocket.drivers.executors.base import Executor
from hocket.policies.base import FunctionPolicy
from hocket.spaces.codec import ActionCodec
from hocket.spaces.observations import copied, stored


class Rehearsal:
    """Plays its own ticks, with inferences that take one tick each."""

    def __init__(self, rule: Rule, cadence: Cadence, codec: ActionCodec, observation: Any) -> None:
        self._cadence = cadence
        self._observation = observation
        self._answer = np.zeros(codec.shape, codec.dtype)
        self._executor = _Rehearsed(observation)
        self._tick = 0
        setup = EngineSetup(
            policy=FunctionPolicy(np.asarray), rule=rule, default=lambda observation, last: last, codec=codec
        )
        self._twin = Engine(setup, cadence, self._executor, keep_trace=False)
        for worker in range(rule.initial_workers):
            self._twin.feed(e.WorkerJoined(cadence.epoch_ns, worker))
        self._twin.observed(0, cadence.epoch_ns, observation)

    def play(self) -> None:
        """Play one tick: its finished inferences, its deadline, its observation."""
        self._tick += 1
        now_ns = self._cadence.deadline_ns(self._tick)
        running, self._executor.running = self._executor.running, []
        for inference in running:
            self._twin.finished(e.InferenceFinished(now_ns, inference), self._answer)
        self._twin.deadline(self._tick, now_ns)
        self._twin.observed(self._tick, now_ns, self._observation)


class _Rehearsed(Executor):
    """Records the started inferences, and copies as much as a real executor does."""

    def __init__(self, observation: Any) -> None:
        self.running: list[int] = []
        self._slot = copied(observation)

    def start(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        stored(inputs[0], self._slot)
        self.running.append(inference)

    def bind(self, inference: int, worker: int, inputs: tuple[Any, ...], now_ns: int) -> None:
        """Does nothing: a rehearsal has one stage."""

    def add_worker(self, now_ns: int) -> None:
        """Does nothing: a rehearsal keeps its workers."""

    def retire(self, worker: int) -> None:
        """Does nothing: a rehearsal keeps its workers."""

    def learn(self, now_ns: int) -> None:
        """Does nothing: a rehearsal does not learn."""
