"""Options of `hocket.train`: how it acts, what it keeps, when it is evaluated and when it is saved."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.latency.laws import LatencyModel
from hocket.learn.algorithms.schedules import Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingOptions:
    """How the agent acts while it learns.

    Args:
        epsilon: of ε-greedy, by tick; from 1 to 0.05 over a fifth of the training's ticks if None. A noisy network
            needs none.
        late_binding: the network's trunk runs as an inference starts, its head just before the inference's tick, on
            the pending actions as they are known then.
        charge: on the wall clock, another network's inference times, which this one's workers are charged with
            (*delay-only*). In virtual time the clock's ``latency`` says them.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    epsilon: Linear | None = None
    late_binding: bool = False
    charge: LatencyModel | None = None

    def __post_init__(self) -> None:
        if self.epsilon is not None and not isinstance(self.epsilon, Linear):
            raise ConfigurationError(
                f"epsilon={self.epsilon!r} must be a Linear schedule or None; "
                "try hocket.learn.algorithms.schedules.Linear(1.0, 0.05, 20_000)"
            )
        if not isinstance(self.late_binding, bool):
            raise ConfigurationError(f"late_binding={self.late_binding!r} must be True or False; try False")
        if self.charge is not None and not isinstance(self.charge, LatencyModel):
            raise ConfigurationError(f"charge={self.charge!r} is not a latency model; try hocket.Constant(0.05)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What the replay keeps.

    Args:
        capacity: transitions.
        frame_stack: observations are stacks of so many frames, oldest first, the first one of an episode repeated
            (`hocket.envs.make_env`, Gymnasium's ``FrameStackObservation``): the replay then keeps each frame once.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    capacity: int = 100_000
    frame_stack: int = 1

    def __post_init__(self) -> None:
        _check_whole("capacity", self.capacity, least=1, example="100_000")
        _check_whole("frame_stack", self.frame_stack, least=1, example="1 or 4")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """When the greedy policy is evaluated, on episodes of its own.

    Args:
        every: ticks between two evaluations, 10,000 by default. In virtual time only: a world that does not wait does
            not wait for evaluations either, so on the wall clock the weights of the end are the ones that count.
        episodes: of each evaluation, and of the final one: 20 by default, 1 on the wall clock, where they take as long
            as they take, if not longer than the training. 0 for none (wall clock).
        good_enough: stop at the first evaluation whose mean return reaches this (virtual time).

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    every: int | None = None
    episodes: int | None = None
    good_enough: float | None = None

    def __post_init__(self) -> None:
        if self.every is not None:
            _check_whole("every", self.every, least=1, example="10_000, or None")
        if self.episodes is not None:
            _check_whole("episodes", self.episodes, least=0, example="20, or None")
        wanted: Any = self.good_enough
        if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, Real) or math.isnan(wanted)):
            raise ConfigurationError(f"good_enough={wanted!r} must be a mean return or None; try 195.0")

    def under(self, clock: Virtual | Realtime) -> EvaluationOptions:
        """The same with the usual values of ``clock`` in place of None.

        Raises:
            ConfigurationError: if evaluations like these are not possible under ``clock``.
        """
        if isinstance(clock, Realtime):
            for name, value in (("every", self.every), ("good_enough", self.good_enough)):
                if value is not None:
                    raise ConfigurationError(
                        f"{name}={value!r}: a world that does not wait is not stopped for evaluations; leave it out, "
                        "or try hocket.Virtual"
                    )
            return replace(self, episodes=1 if self.episodes is None else self.episodes)
        if self.episodes == 0:
            raise ConfigurationError("episodes=0 must be at least 1 in virtual time; try 20")
        return replace(
            self,
            every=10_000 if self.every is None else self.every,
            episodes=20 if self.episodes is None else self.episodes,
        )


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where a training saves itself, and how often.

    Args:
        folder: gets a folder for each checkpoint, ``000010000`` for that of tick 10,000.
        every: ticks between two.
        keep: how many are kept, the newest.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    folder: str | os.PathLike[str]
    every: int = 10_000
    keep: int = 2

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("keep", self.keep)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r} must be a whole number from 1; try 10_000 and 2")

    def next_tick(self, tick: int) -> int:
        """The first one after ``tick`` at which to save."""
        return (tick // self.every + 1) * self.every


def _check_whole(name: str, value: Any, *, least: int, example: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ConfigurationError(f"{name}={value!r} must be a whole number from {least}; try {example}")
