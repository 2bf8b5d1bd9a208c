"""Theorem 1, exactly: the regret a tick of a realtime agent and its parts (Riemer et al. 2025).

With g(I, d) the best average reward a tick from the start (`InducedDelayedSemiMDP.best`):

    Δ_inaction = g(1, 1) − g(I, 1)      lost to ticks of β
    Δ_delay    = g(I, 1) − g(I, d)      lost to deciding early
    Δ_learn    = g(I, d) − achieved     lost by the policy

They sum to Δ_realtime = g(1, 1) − achieved by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hocket.errors import ConfigurationError
from hocket.hooks.record import RunRecord
from hocket.theory.amdp import AsyncMDP
from hocket.theory.delayed import LARGEST, InducedDelayedSemiMDP

BATCHES = 30


@dataclass(frozen=True, slots=True)
class Achieved:
    """An average reward a tick, measured."""

    mean: float
    standard_error: float
    """By batch means; too small if a run is not much longer than 30 times what the world remembers."""
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """Regret a tick and its three parts; prints as a table.

    Attributes:
        interval, delay: in ticks.
        ideal: g(1, 1).
        undelayed: g(I, 1).
        best: g(I, d).
        achieved: by the agent.
        standard_error: of ``achieved``; 0 if it is exact.
    """

    interval_ticks: int
    delay_ticks: int
    ideal: float
    undelayed: float
    best: float
    achieved: float
    standard_error: float = 0.0

    @property
    def inaction_regret(self) -> float:
        """Δ_inaction a tick; never below 0."""
        return self.ideal - self.undelayed

    @property
    def delay_regret(self) -> float:
        """Δ_delay a tick.

        Below 0 only where it matters on which ticks of an everlasting cycle the agent acts: a delay shifts them.
        """
        return self.undelayed - self.best

    @property
    def learning_regret(self) -> float:
        """Δ_learn a tick. A measured ``achieved`` may put it below 0, by chance."""
        return self.best - self.achieved

    @property
    def realtime_regret(self) -> float:
        """Δ_realtime a tick, their sum."""
        return self.ideal - self.achieved

    def __str__(self) -> str:
        error = f" ± {self.standard_error:.4f}" if self.standard_error else ""
        rows = [
            ("best at interval 1, delay 1", f"{self.ideal:.4f}"),
            (f"lost to inaction (interval {self.interval_ticks})", f"{self.inaction_regret:.4f}"),
            (f"lost to delay (delay {self.delay_ticks})", f"{self.delay_regret:.4f}"),
            ("lost by the policy", f"{self.learning_regret:.4f}{error}"),
            ("regret", f"{self.realtime_regret:.4f}{error}"),
            ("achieved", f"{self.achieved:.4f}{error}"),
        ]
        width = max(len(name) for name, _ in rows)
        return "reward a tick\n" + "\n".join(f"  {name:<{width}}  {value:>9}" for name, value in rows)


def exact_decomposition(
    mdp: AsyncMDP,
    *,
    interval_ticks: int,
    delay_ticks: int,
    achieved: float | Achieved | None = None,
    largest: int = LARGEST,
) -> Decomposition:
    """Splits the regret of an agent on ``mdp`` into its parts.

    Args:
        interval, delay: of the agent, in ticks.
        achieved: its average reward a tick: exact (`InducedDelayedSemiMDP.average_of`), or measured
            (`achieved_in`). None: what the best policy gets, so that Δ_learn is 0.
        largest: see `InducedDelayedSemiMDP`.

    Raises:
        ConfigurationError: if an augmented model is too large.
        NotSolvedError: if one resists.
    """
    best = InducedDelayedSemiMDP(mdp, interval_ticks, delay_ticks, largest=largest).best().value
    undelayed = (
        best if delay_ticks == 1 else InducedDelayedSemiMDP(mdp, interval_ticks, 1, largest=largest).best().value
    )
    ideal = undelayed if interval_ticks == 1 else InducedDelayedSemiMDP(mdp, 1, 1, largest=largest).best().value
    if not isinstance(achieved, Achieved):
        achieved = Achieved(best if achieved is None else float(achieved), 0.0, 0)
    return Decomposition(
        interval_ticks=interval_ticks,
        delay_ticks=delay_ticks,
        ideal=ideal,
        undelayed=undelayed,
        best=best,
        achieved=achieved.mean,
        standard_error=achieved.standard_error,
    )


def achieved_in(record: RunRecord, *, after_tick: int = 0) -> Achieved:
    """The average reward a tick of a run, leaving out its first ``after_tick`` ticks.

    Raises:
        ConfigurationError: fewer than 30 ticks are left.
    """
    rewards = np.asarray(record.rewards, np.float64)[np.asarray(record.ticks) > after_tick]
    length = len(rewards) // BATCHES
    if not length:
        raise ConfigurationError(
            f"{len(rewards)} ticks after tick {after_tick} are too few for an interval; at least {BATCHES} are needed"
        )
    batches = rewards[len(rewards) - length * BATCHES :].reshape(BATCHES, length).mean(axis=1)
    return Achieved(float(rewards.mean()), float(batches.std(ddof=1)) / math.sqrt(BATCHES), len(rewards))
