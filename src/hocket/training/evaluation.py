"""How good the greedy policy is, on episodes of its own and under the same delay; and which weights were the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core.rules import Rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.hooks.record import Listener, Moment, RunRecord
from hocket.policies.base import PolicyFactory
from hocket.running.run import run
from hocket.spaces.defaults import Default

if TYPE_CHECKING:
    from torch import nn

LONGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Returns of whole episodes under the greedy policy and the same delay."""

    tick: int
    """Of the training run."""
    returns: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean return; NaN without episodes."""
        return float(self.returns.mean()) if len(self.returns) else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Plays whole episodes.

    Args:
        make_env: makes the environment of each evaluation.
        policy: greedy.
        rule, clock, default: as for `hocket.run`.
        episodes: of each evaluation.
        seed: of the training run. No evaluation has an episode of it or of another.
        longest: ticks that an evaluation may take at most.
    """

    make_env: Callable[[], gym.Env[Any, Any]]
    policy: PolicyFactory
    rule: Rule
    clock: Virtual | Realtime
    default: Default | None
    episodes: int
    seed: int
    longest: int = LONGEST

    def play(self, tick: int, number: int) -> Evaluation:
        """Evaluation ``number``, or the final one (-1), of the weights of ``tick``."""
        if not self.episodes:
            return Evaluation(tick, np.empty(0))
        env = self.make_env()
        try:
            result = run(
                env,
                self.policy,
                self.rule,
                self.clock,
                ticks=self.longest,
                default=self.default,
                seed=int(np.random.SeedSequence((self.seed, number + 1)).generate_state(1)[0]),
                until=self._enough,
            )
        finally:
            env.close()
        return Evaluation(tick, result.metrics().episode_returns)

    def _enough(self, record: RunRecord) -> bool:
        return len(record.final_observations) >= self.episodes


class Judge:
    """Listens in front of ``learner``; evaluates now and then and keeps the best weights.

    Args:
        learner: told of every tick first.
        network: whose weights are judged.
        evaluator: that judges them.
        every: ticks between two evaluations.
        good_enough: a mean return, if there is any.
        told: given each evaluation.
    """

    def __init__(
        self,
        learner: Listener,
        *,
        network: nn.Module,
        evaluator: Evaluator,
        every: int,
        good_enough: float | None = None,
        told: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self._learner = learner
        self._network = network
        self._evaluator = evaluator
        self._every = every
        self._good_enough = good_enough
        self._told = told
        self._best: tuple[float, dict[str, Any]] | None = None
        self._best_tick = 0
        self.evaluations: list[Evaluation] = []

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._learner.began(observation)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`."""
        self._learner.ticked(moment)
        if moment.tick % self._every:
            return
        evaluation = self._evaluator.play(moment.tick, len(self.evaluations))
        self.evaluations.append(evaluation)
        if self._best is None or evaluation.mean > self._best[0]:
            weights = self._network.state_dict()
            self._best = evaluation.mean, {name: value.clone() for name, value in weights.items()}
            self._best_tick = moment.tick
        if self._told is not None:
            self._told(evaluation)

    def enough(self, record: RunRecord) -> bool:
        """Whether the last evaluation was good enough."""
        return (
            self._good_enough is not None and bool(self.evaluations) and self.evaluations[-1].mean >= self._good_enough
        )

    def final(self) -> Evaluation:
        """Put the best weights back, and play them on episodes that had no part in choosing them."""
        if self._best is not None:
            self._network.load_state_dict(self._best[1])
        return self._evaluator.play(self._best_tick, -1)
