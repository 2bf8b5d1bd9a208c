"""Evaluations of the greedy policy under the training's delay, on separate episodes; the choice of the best weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from signal import Signals
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core.rules import Learn, Rule, Sequential
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import INSTANT, Virtual
from hocket.hooks.instrument import EvaluationProgress
from hocket.hooks.record import Listener, Moment, RunRecord
from hocket.policies.base import PolicyFactory
from hocket.running.result import RunInterrupted
from hocket.running.run import run
from hocket.spaces.defaults import Default

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

PROGRESS_S = 1.0
FINAL = -1
"""The number of the final evaluation; the others are counted from 0."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Undiscounted returns of the greedy policy under the training's delay."""

    tick: int
    """Tick of the training run whose weights were evaluated."""
    returns: NDArray[np.float64]
    """(episodes,): of whole episodes. If none ended within the limit in ticks, the return of the ticks played."""
    cut: bool = False
    """True if it has not played all its episodes: its limit in ticks ended it, or the training ended before it."""

    @property
    def mean(self) -> float:
        """The mean return; NaN without episodes."""
        return float(self.returns.mean()) if len(self.returns) else math.nan

    def __str__(self) -> str:
        if not len(self.returns):
            return "none: the training ended before" if self.cut else "none: switched off by 0 episodes"
        episodes = f"{len(self.returns)} episode{'s' * (len(self.returns) > 1)}"
        cut = ", ended by its limit in ticks" if self.cut else ""
        return f"mean return {self.mean:.4g} over {episodes}, by the weights of tick {self.tick:,}{cut}"


def unplayed(tick: int) -> Evaluation:
    """The final evaluation of the weights of ``tick``, in a training that ended before it."""
    return Evaluation(tick, np.empty(0), cut=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Plays episodes in a new environment.

    Args:
        make_env: makes the environment of each evaluation.
        policy: greedy.
        rule, clock, default: as for `hocket.run`. Each evaluation plays copies of the default and of a virtual clock's
            laws as they are now, so that neither it nor the training changes what the other draws.
        episodes: per evaluation; 0 plays none.
        tick_limit: of an evaluation during the training, and of one in the end.
        final_tick_limit: of the final one.
        seed: of the training run. Each evaluation has other episodes than the training and the other evaluations.
        on_progress: called about once a second while an evaluation is played.
    """

    make_env: Callable[[], gym.Env[Any, Any]]
    policy: PolicyFactory
    rule: Rule
    clock: Virtual | Realtime
    default: Default | None
    episodes: int
    tick_limit: int
    final_tick_limit: int
    seed: int
    on_progress: Callable[[EvaluationProgress], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", _copied(self.default))
        if isinstance(self.clock, Virtual):
            clock = self.clock if self._learns else replace(self.clock, learning=INSTANT)  # learners act beside
            object.__setattr__(self, "clock", _copied(clock))

    @property
    def _learns(self) -> bool:
        """True if acting waits for learning, here too."""
        return isinstance(self.rule, Sequential) and self.rule.learn is not Learn.NEVER

    def play(self, tick: int, number: int) -> Evaluation:
        """Evaluation ``number``, or the `FINAL` one, of the weights of ``tick``."""
        if not self.episodes:
            return Evaluation(tick, np.empty(0))
        limit = self.final_tick_limit if number == FINAL else self.tick_limit
        env = self.make_env()
        try:
            result = run(
                env,
                self.policy,
                self.rule,
                _copied(self.clock) if isinstance(self.clock, Virtual) else self.clock,
                ticks=limit,
                default=_copied(self.default),
                seed=int(np.random.SeedSequence((self.seed, number + 1)).generate_state(1)[0]),
                learn=_nothing if self._learns else None,
                until=self._until(tick, limit),
            )
        finally:
            env.close()
        returns, record = result.metrics().episode_returns, result.record
        cut = len(returns) < self.episodes
        return Evaluation(tick, returns if len(returns) else np.array([sum(record.rewards)]), cut)

    def _until(self, tick: int, limit: int) -> Callable[[RunRecord], bool]:
        """True if all episodes have been played; reports progress meanwhile."""
        wanted, on_progress = self.episodes, self.on_progress
        due_s = monotonic() + PROGRESS_S

        def until(record: RunRecord) -> bool:
            nonlocal due_s
            played = len(record.final_observations)
            if on_progress is not None and monotonic() >= due_s:
                due_s = monotonic() + PROGRESS_S
                on_progress(
                    EvaluationProgress(
                        tick=tick,
                        episodes=played,
                        ticks=len(record.ticks),
                        episodes_wanted=wanted,
                        tick_limit=limit,
                    )
                )
            return played >= wanted

        return until


def _nothing() -> None:
    """Learning, which an evaluation leaves out."""


def _copied(value: T) -> T:
    """A deep copy; ``value`` itself where it cannot be copied."""
    with suppress(Exception):  # a copy may raise anything
        return deepcopy(value)
    return value


class Judge:
    """A listener that evaluates the weights every so many ticks and keeps the best ones.

    The weights that the training begins with are evaluated too, and kept if it never finds better ones: a network that
    was trained before is not lost.

    Args:
        learner: called first at every tick.
        network: whose weights are evaluated.
        evaluator: plays the evaluations.
        every: ticks between two evaluations; None for none.
        good_enough: a mean return that ends the training, or None. The weights that it begins with do not end it.
        copies: environments that tick together; of each tick of one, so many have passed in all.
        on_evaluation: called with each evaluation.

    Attributes:
        evaluations: those made so far, without the final one.
        signal: the one that ended an evaluation during the training, or None. The evaluation is repeated when the
            training resumes.
    """

    def __init__(
        self,
        learner: Listener,
        *,
        network: nn.Module,
        evaluator: Evaluator,
        every: int | None,
        good_enough: float | None = None,
        copies: int = 1,
        on_evaluation: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self._copies = copies
        self._learner = learner
        self._network = network
        self._evaluator = evaluator
        self._every = every
        self._good_enough = good_enough
        self._on_evaluation = on_evaluation
        self._best: tuple[float, dict[str, Any]] | None = None
        self._best_tick = self._tick = 0
        self.evaluations: list[Evaluation] = []
        self.signal: Signals | None = None

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._learner.began(observation)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._learner.ticked(moment)
        self._tick = moment.tick * self._copies
        self.evaluate_if_due()

    def evaluate_if_due(self) -> None:
        """Evaluate the weights of this tick if one of ``every``, as 0 is, has come with it and is not evaluated yet."""
        self.signal = None
        every, before = self._every, self._tick - self._copies
        if every is None or (self._tick and self._tick // every == before // every):
            return
        try:
            self._evaluate()
        except RunInterrupted as interrupted:
            self.signal = interrupted.signal

    def conclude(self) -> None:
        """Evaluate the weights of the end of the training, unless its last tick has been evaluated."""
        if self._every is not None:
            self._evaluate()

    def enough(self, record: RunRecord) -> bool:
        """True if the last evaluation was good enough, or was interrupted."""
        if self.signal is not None:
            return True
        last = self.evaluations[-1] if self.evaluations else None
        return self._good_enough is not None and last is not None and last.tick > 0 and last.mean >= self._good_enough

    def choose(self) -> int:
        """Put the best weights back, and return their tick.

        Where no evaluation has chosen, the weights stay those of the last tick.
        """
        if self._best is None:
            return self._tick
        self._network.load_state_dict(self._best[1])
        return self._best_tick

    def final(self) -> Evaluation:
        """Evaluate the weights that `choose` puts back, on episodes that had no part in choosing them."""
        return self._evaluator.play(self.choose(), FINAL)

    def _evaluate(self) -> None:
        if self.evaluations and self.evaluations[-1].tick == self._tick:
            return
        evaluation = self._evaluator.play(self._tick, len(self.evaluations))
        self.evaluations.append(evaluation)
        mean = evaluation.mean
        # Weights that have learned replace those of the beginning also where they are but as good.
        as_good = self._best is not None and not self._best_tick and mean >= self._best[0]
        if not math.isnan(mean) and (self._best is None or mean > self._best[0] or as_good):
            weights = self._network.state_dict()
            self._best = mean, {name: value.clone() for name, value in weights.items()}
            self._best_tick = self._tick
        if self._on_evaluation is not None:
            self._on_evaluation(evaluation)
