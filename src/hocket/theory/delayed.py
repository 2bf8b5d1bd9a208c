"""The induced delayed semi-MDP: a world as seen by an agent that decides at intervals and with a delay.

Decisions are made at ticks o = 0, I, 2I, ... on observation o. Each executes at tick o + d; β acts in every other tick.
Source: Riemer et al. 2025, Definition 1.

**Cycles.** Write d = q·I + e with 1 ≤ e ≤ I. A cycle, the ticks o+1 ... o+I after a decision tick,
executes exactly one decision: at tick o+e, the one made q cycles before. So q = ⌊(d−1)/I⌋ decisions are pending at a
decision tick, the new one left out. With P_β one tick of β, a cycle under action a moves the state by

    K_a = P_β^(e−1) P_a P_β^(I−e).

**State.** Given the observed state and the pending decisions the future does not depend on the past, so
(s, a₁, ..., a_q) is the state of an ordinary decision process, and no history helps beyond it.

**The start.** The first q cycles have no decision to execute: β acts in them alone, K = P_β^I. Decisions are made
nevertheless, on the state and the decisions pending by then. Under a fixed β that is as if β's action had been pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError, check_whole
from hocket.policies.base import FunctionPolicy
from hocket.spaces.codec import PendingActions
from hocket.theory.amdp import CLOSE, Array, AsyncMDP
from hocket.theory.augmented import Augmented
from hocket.theory.chains import gain_and_bias
from hocket.theory.policy_iteration import best_average, best_discounted

LARGEST = 500_000
"""The default limit of augmented states."""


@dataclass(frozen=True, slots=True, eq=False)
class DelayedPolicy:
    """Decisions by state and pending decisions: ``table[s, a₁, ..., a_q]``, a₁ the decision that executes next.

    Attributes:
        warm_up: before the first decision has executed, by the number m of decisions made so far:
            ``warm_up[m][s, a₁, ..., a_m]`` for m = 0 ... q − 1.
    """

    table: NDArray[np.int64]
    warm_up: tuple[NDArray[np.int64], ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Solution:
    """The optimum of an induced delayed semi-MDP.

    Attributes:
        value: from the start; the average reward a tick, or the discounted sum.
        values: by state and pending decisions, like the policy's table.
        policy: reaches it.
        error: ``value`` is not farther from the truth than this (average: where the gain is the same from everywhere).
    """

    value: float
    values: Array
    policy: DelayedPolicy
    error: float


class InducedDelayedSemiMDP:
    """``mdp`` as seen by an agent that decides at multiples of ``interval_ticks`` and is ``delay_ticks`` ticks late.

    Args:
        interval_ticks: I, in ticks from 1, whatever the delay.
        delay_ticks: d, in ticks from 1; 1 = the ordinary decision process.
        largest: refuse more augmented states than this.

    Attributes:
        pending: q = ⌊(d−1)/I⌋, decisions under way at a decision tick.
        offset: e = d − q·I: the tick of a cycle that executes one.
        states: S·A^q, of the augmented model.
        shape: (S, A, ..., A), of tables by augmented state.

    Raises:
        ConfigurationError: if the augmented model is too large, or an argument makes no sense.
    """

    def __init__(self, mdp: AsyncMDP, interval_ticks: int, delay_ticks: int, *, largest: int = LARGEST) -> None:
        for name, value in (("interval_ticks", interval_ticks), ("delay_ticks", delay_ticks)):
            check_whole(name, value, example=1, numpy=True)
        self.mdp = mdp
        self.interval_ticks, self.delay_ticks = int(interval_ticks), int(delay_ticks)
        self.pending = (self.delay_ticks - 1) // self.interval_ticks
        self.offset = self.delay_ticks - self.pending * self.interval_ticks
        self.states = mdp.states * mdp.actions**self.pending
        self.shape = (mdp.states,) + (mdp.actions,) * self.pending
        if self.states > largest:
            raise ConfigurationError(
                f"{mdp} with interval {interval_ticks} and delay {delay_ticks} has {mdp.states}·"
                f"{mdp.actions}^{self.pending} = {_count(self.states)} augmented states, more than "
                f"largest={largest:,}; try a longer interval, a shorter delay or fewer actions, "
                "or simulate it (hocket.run, hocket.InducedDelay)"
            )

    @classmethod
    def sequential(cls, mdp: AsyncMDP, *, inference_s: float, learning_s: float = 0.0) -> InducedDelayedSemiMDP:
        """The model of `Sequential`: d = ⌈τ_θ/τ_M⌉, I = ⌈(τ_θ+τ_L)/τ_M⌉; learning, if any, follows inference."""
        return cls(mdp, mdp.ticks_of(inference_s + learning_s), mdp.ticks_of(inference_s))

    @classmethod
    def staggered(cls, mdp: AsyncMDP, *, inference_s: float) -> InducedDelayedSemiMDP:
        """The model of enough staggered workers: a decision a tick, d = ⌈τ_θ/τ_M⌉."""
        return cls(mdp, 1, mdp.ticks_of(inference_s))

    def best(self) -> Solution:
        """g(I, d): the highest average reward a tick from the start, over all policies, histories included.

        Holds for any chain structure: the start distinguishes several recurrent classes and cycles.

        Raises:
            NotSolvedError: if the solver fails; see the message.
            MissingExtraError: without scipy.
        """
        chances, rewards, idle, _ = self.cycle()
        found = best_average(Augmented(chances, rewards, self.pending))
        gains = found.gain / self.interval_ticks
        value, warm_up = self._from_the_start(gains, idle, np.zeros(self.mdp.states), 1.0, None)
        policy = DelayedPolicy(found.policy.reshape(self.shape), warm_up)
        return Solution(
            value=value, values=gains.reshape(self.shape), policy=policy, error=found.error / self.interval_ticks
        )

    def best_discounted(self, discount: float) -> Solution:
        """The highest expected Σ γ^(k−1)·r(tick k), k from 1, with γ = ``discount`` a tick.

        Raises:
            ConfigurationError: if ``discount`` does not lie in [0, 1).
        """
        if not 0 <= discount < 1:
            raise ConfigurationError(f"discount={discount!r} must lie in [0, 1); try 0.99, or best() for the average")
        chances, rewards, idle, idle_rewards = self.cycle(discount)
        step = discount**self.interval_ticks
        values, table, error = best_discounted(Augmented(chances, rewards, self.pending), step)
        value, warm_up = self._from_the_start(values, idle, idle_rewards, step, None)
        policy = DelayedPolicy(table.reshape(self.shape), warm_up)
        return Solution(value=value, values=values.reshape(self.shape), policy=policy, error=error)

    def average_of(self, policy: DelayedPolicy | ArrayLike) -> float:
        """The average reward a tick from the start under a stationary ``policy``, from its stationary distribution.

        Args:
            policy: a `DelayedPolicy`; a table of decisions ``[s, a₁, ..., a_q]``; or one of chances with a last axis
                more, ``[s, a₁, ..., a_q, action]``. Given tables, β's action counts as pending at the start.

        Raises:
            ConfigurationError: a wrong shape, or a bare table with q ≥ 1 where β is no fixed action.
        """
        given = policy if isinstance(policy, DelayedPolicy) else DelayedPolicy(np.asarray(policy))
        weights = _as_chances(given.table, self.shape, self.mdp.actions).reshape(self.states, self.mdp.actions)
        chances, rewards, idle, _ = self.cycle()
        model = Augmented(chances, rewards, self.pending)
        immediate = np.broadcast_to(model.immediate(), weights.shape)
        gain, _ = gain_and_bias(model.mixed_chain(weights), (weights * immediate).sum(axis=1))
        gains = gain / self.interval_ticks
        warm_up = given.warm_up or self._warm_up_of(given.table)
        stages = [
            _as_chances(table, self.shape[: m + 1], self.mdp.actions).reshape(-1, self.mdp.actions)
            for m, table in enumerate(warm_up)
        ]
        if len(stages) != self.pending:
            raise ConfigurationError(f"warm_up has {len(stages)} tables; {self.pending} decisions are pending")
        return self._from_the_start(gains, idle, np.zeros(self.mdp.states), 1.0, stages)[0]

    def agent(self, policy: DelayedPolicy) -> FunctionPolicy:
        """``policy`` as `hocket.run` takes it: a function of the observed state and the pending actions.

        For a rule of this interval and delay whose pending actions are known when an inference starts: nothing
        pending (``Sequential``), or inferences shorter than a tick (``TickDispatch(min_delay_ticks=d)``).
        """
        table = policy.table
        if not self.pending:
            return FunctionPolicy(lambda observation: int(table[int(observation[0])]))
        rows = [self.offset - 1 + self.interval_ticks * m for m in range(self.pending)]

        def decide(observation: NDArray[np.generic], pending_actions: PendingActions) -> int:
            pending = tuple(pending_actions[rows].tolist())
            if max(pending) >= self.mdp.actions:
                raise ConfigurationError(
                    f"pending actions {pending} are not all known when the inference starts; "
                    "try inferences shorter than a tick under TickDispatch(min_delay_ticks=...), "
                    "and a default that is fixed"
                )
            return int(table[(int(observation[0]), *pending)])

        return FunctionPolicy(decide, pending=self.delay_ticks - 1)

    def cycle(self, discount: float = 1.0) -> tuple[Array, Array, Array, Array]:
        """One cycle of I ticks: K ``[s, a, s']`` and its expected reward ``[s, a]`` where a takes effect, and both
        where β acts alone, ``[s, s']`` and ``[s]``. Rewards of tick j of the cycle count γ^(j−1)."""
        mdp, before, after = self.mdp, self.offset - 1, self.interval_ticks - self.offset
        early, late = self._idle(before, discount), self._idle(after, discount)
        chances, rewards = mdp.p, mdp.rewards + discount * (mdp.p @ late)
        if after:
            chances = chances @ _power(mdp.default_p, after)
        if before:
            lead = _power(mdp.default_p, before)
            chances = np.tensordot(lead, chances, axes=1)
            rewards = early[:, None] + discount**before * (lead @ rewards)
        idle = _power(mdp.default_p, self.interval_ticks)
        return _normal(chances), rewards, idle, self._idle(self.interval_ticks, discount)

    def _idle(self, ticks: int, discount: float) -> Array:
        """The expected reward of so many ticks of β."""
        total = np.zeros(self.mdp.states)
        for _ in range(ticks):
            total = self.mdp.default_rewards + discount * (self.mdp.default_p @ total)
        return total

    def _from_the_start(
        self, values: Array, idle: Array, rewards: Array, discount: float, stages: Sequence[Array] | None
    ) -> tuple[float, tuple[NDArray[np.int64], ...]]:
        """Goes back through the q cycles of β to the start; returns the value there and the best decisions on the way.

        With ``stages`` the decisions are random with these chances ``[x, action]``, not the best.
        """
        states, actions = self.mdp.states, self.mdp.actions
        decisions: list[NDArray[np.int64]] = []
        for stage in reversed(range(self.pending)):
            ahead = rewards[:, None] + discount * (idle @ values.reshape(states, -1))
            merits = ahead.reshape(-1, actions)
            if stages is None:
                decisions.append(merits.argmax(axis=1).reshape((states,) + (actions,) * stage))
                values = merits.max(axis=1)
            else:
                values = (stages[stage] * merits).sum(axis=1)
        return float(self.mdp.start @ values), tuple(reversed(decisions))

    def _warm_up_of(self, table: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """The decisions of ``table`` with β's action in place of decisions that do not exist yet."""
        if not self.pending:
            return ()
        if not isinstance(self.mdp.default, int):
            raise ConfigurationError(
                f"the start of a bare table is undefined: {self.pending} decisions are pending and the default is a "
                "distribution; give a DelayedPolicy with warm_up tables"
            )
        beta = self.mdp.default
        return tuple(table[(slice(None),) + (beta,) * (self.pending - m)] for m in range(self.pending))

    def __repr__(self) -> str:
        return f"InducedDelayedSemiMDP({self.mdp}, interval={self.interval_ticks}, delay={self.delay_ticks})"


def _as_chances(table: NDArray[np.generic], shape: tuple[int, ...], actions: int) -> Array:
    if table.shape == shape and np.issubdtype(table.dtype, np.integer):
        if table.min() < 0 or table.max() >= actions:
            raise ConfigurationError(f"the policy has decisions {table.min()} to {table.max()}; try 0 to {actions - 1}")
        return np.asarray(np.eye(actions)[table])
    if table.shape == (*shape, actions):
        chances = np.asarray(table, np.float64)
        if (chances < 0).any() or (np.abs(chances.sum(axis=-1) - 1) > CLOSE).any():
            raise ConfigurationError("the policy's chances of the actions must be 0 or more and sum to 1 in each state")
        return chances
    raise ConfigurationError(
        f"a policy of shape {table.shape} and type {table.dtype} does not fit; it must be integers of shape {shape} or "
        f"chances of shape {(*shape, actions)}"
    )


def _power(chances: Array, exponent: int) -> Array:
    return _normal(np.linalg.matrix_power(chances, exponent))


def _normal(chances: Array) -> Array:
    """Rounding taken out of what must be distributions."""
    return np.asarray(chances / chances.sum(axis=-1, keepdims=True))


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"{number:.1e}"
