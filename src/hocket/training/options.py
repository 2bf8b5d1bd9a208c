"""Options of `hocket.train`: acting, replay, demonstrations, evaluation, checkpoints."""

from __future__ import annotations

import math
import os
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any

from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError, check_whole
from hocket.latency.laws import LatencyModel, check_law
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.replay.reward_scaling import RewardScaling
from hocket.training.demonstrations import Demonstrations


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingOptions:
    """Options of acting during a training.

    Args:
        epsilon: of ε-greedy, by tick; from 1 to 0.05 over a fifth of the training's ticks if None. It is a rate per
            tick: a decision that stands for m ticks is random with probability 1 − (1 − ε)^m
            (`hocket.learn.exploration`). A noisy network needs none.
        late_binding: the network's trunk runs as an inference starts, its head just before the inference's tick, on
            the pending actions as they are known then. A network whose head sees the newest observation always does.
        charge: on the wall clock, another network's inference times, which this one's workers are charged with
            (*delay-only*). In virtual time the clock's ``latency`` is the law of inference times.

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
        if self.charge is not None:
            check_law("charge", self.charge)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of the replay.

    Args:
        capacity: transitions.
        frame_stack: observations are stacks of so many frames, oldest first, the first one of an episode repeated
            (`hocket.envs.make_env`, Gymnasium's ``FrameStackObservation``): the replay then keeps each frame once.
        reward_scale, clip_reward: a tick's reward r is learned as ``reward_scale·r``, limited to
            [−clip_reward, clip_reward] unless that is None. Records and evaluations keep the environment's own.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    capacity: int = 100_000
    frame_stack: int = 1
    reward_scale: float = 1.0
    clip_reward: float | None = None

    def __post_init__(self) -> None:
        check_whole("capacity", self.capacity, least=1, example="100_000", numpy=True)
        check_whole("frame_stack", self.frame_stack, least=1, example="1 or 4", numpy=True)
        RewardScaling(scale=self.reward_scale, clip=self.clip_reward)

    @property
    def rewards(self) -> RewardScaling:
        """The map from a tick's reward to the learned one."""
        return RewardScaling(scale=self.reward_scale, clip=self.clip_reward)


@dataclass(frozen=True, slots=True)
class DemonstrationOptions:
    """Demonstrations, read as the decisions of an agent under delay, and their part in learning.

    Give the same ones to `hocket.pretrain` and then to `hocket.train`, which keeps them in every batch:
    `hocket.learn.algorithms.imitating_dqn.ImitatingDQN` needs that, or the agent's own play, of which the replay holds
    little at first, undoes what was learned from them.

    Args:
        demonstrations: of the same environment.
        delay_ticks: as if each action had been decided so long before it was executed.
        interval_ticks: as if decisions were so far apart, as those of a sequential agent are: only an episode's ticks
            that are multiples of it execute one. Record them so (`hocket.demonstrate` with ``interval_ticks``): the
            values learned from actions of every tick are those of an agent that decides at every tick.
        share: of the demonstrations in every batch of a training, in (0, 1).

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    demonstrations: Demonstrations
    _: KW_ONLY
    delay_ticks: int = 1
    interval_ticks: int = 1
    share: float = 0.25

    def __post_init__(self) -> None:
        if not isinstance(self.demonstrations, Demonstrations):
            raise ConfigurationError(
                f"demonstrations={self.demonstrations!r} are none; try hocket.Demonstrations.load(FILE), or "
                "hocket.demonstrate(env, policy, episodes=10)"
            )
        check_whole("delay_ticks", self.delay_ticks, example="1, or the agent's delay", numpy=True)
        check_whole(
            "interval_ticks", self.interval_ticks, least=1, example="1, or a sequential agent's delay", numpy=True
        )
        if not 0 < self.share < 1:
            raise ConfigurationError(f"share={self.share!r} must lie between 0 and 1, both excluded; try 0.25")


LEAST_EVALUATION_TICKS, LEAST_TICKS_OF_SHORT = 10_000, 600
"""Ticks that an evaluation may take by default: at least so many, but no more than the training has or, if that is
shorter, the second number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """Evaluations of the greedy policy on separate episodes: how often, how long, and whether at all.

    Args:
        every_ticks: between two evaluations, 10,000 by default. The weights that the training begins with are evaluated
            too, and those at its end. In virtual time only: on the wall clock the training cannot pause, and the final
            weights are evaluated once, after it.
        episodes: per evaluation, and for the final one: 20 by default, 1 on the wall clock. 0 switches evaluations off:
            the newest weights are kept, and the final mean return is NaN.
        good_enough: stop at the first evaluation after tick 0 whose mean return reaches this (virtual time).
        max_ticks: an evaluation ends after so many ticks, even if it has played fewer episodes. By default
            ``every_ticks``, but at least 10,000, and as many as the training for the final one; never more than the
            training has, or 600 if it is shorter. So a training of fewer ticks than ``every_ticks`` or 10,000 that will
            be continued with more needs ``max_ticks``, if its evaluations are to be the same as without a break.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    every_ticks: int | None = None
    episodes: int | None = None
    good_enough: float | None = None
    max_ticks: int | None = None

    def __post_init__(self) -> None:
        if self.every_ticks is not None:
            check_whole("every_ticks", self.every_ticks, least=1, example="10_000, or None", numpy=True)
        if self.episodes is not None:
            check_whole("episodes", self.episodes, least=0, example="20, or None", numpy=True)
        if self.max_ticks is not None:
            check_whole("max_ticks", self.max_ticks, least=1, example="10_000, or None", numpy=True)
        wanted: Any = self.good_enough
        if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, Real) or math.isnan(wanted)):
            raise ConfigurationError(f"good_enough={wanted!r} must be a mean return or None; try 195.0")
        if self.episodes == 0:
            for name in ("every_ticks", "good_enough", "max_ticks"):
                if getattr(self, name) is not None:
                    raise ConfigurationError(
                        f"{name}={getattr(self, name)!r} has no effect with episodes=0, which switches evaluations "
                        "off; leave one of them out"
                    )

    def under(self, clock: Virtual | Realtime) -> EvaluationOptions:
        """The same with the defaults of ``clock`` in place of None; ``max_ticks`` stays, as it depends on the training.

        Raises:
            ConfigurationError: if ``clock`` does not allow these evaluations.
        """
        if isinstance(clock, Realtime):
            for name, value in (("every_ticks", self.every_ticks), ("good_enough", self.good_enough)):
                if value is not None:
                    raise ConfigurationError(
                        f"{name}={value!r}: a training on the wall clock cannot pause for evaluations; leave it out, "
                        "or try hocket.Virtual"
                    )
            return replace(self, episodes=1 if self.episodes is None else self.episodes)
        if self.episodes == 0:
            return self
        return replace(
            self,
            every_ticks=10_000 if self.every_ticks is None else self.every_ticks,
            episodes=20 if self.episodes is None else self.episodes,
        )

    def tick_limit(self, ticks: int, *, final: bool) -> int:
        """Ticks that an evaluation of a training of ``ticks`` ticks may take; ``final`` for the last one.

        Those during a long training do not depend on ``ticks``, so that one that is continued repeats them exactly.
        """
        if self.max_ticks is not None:
            return self.max_ticks
        wanted = max(ticks if final or self.every_ticks is None else self.every_ticks, LEAST_EVALUATION_TICKS)
        return min(wanted, max(ticks, LEAST_TICKS_OF_SHORT))


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder of a training's checkpoints, and how often they are written.

    Args:
        folder: has a folder for each checkpoint, ``000010000`` for that of tick 10,000.
        every_ticks: between two.
        keep: the number of checkpoints kept, the newest.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    folder: str | os.PathLike[str]
    every_ticks: int = 10_000
    keep: int = 2

    def __post_init__(self) -> None:
        for name, value in (("every_ticks", self.every_ticks), ("keep", self.keep)):
            check_whole(name, value, example="10_000 and 2")

    def next_tick(self, tick: int) -> int:
        """The first one after ``tick`` at which to save."""
        return (tick // self.every_ticks + 1) * self.every_ticks
