"""From ticks to transitions: Definition 1's semi-MDP, read off a run as it happens (Riemer et al. 2025).

A *decision* is one executed action that a network chose, with what it was computed from. A *transition* runs from one
decision to a later one: the state as the policy saw it, the action, Σ γ^i·r over the ticks between (the default's
rewards included), γ^n, and the next state as the policy saw it.

**The later decision** is the next one whose inputs show the action: an observation that is not older than the tick that
executed it, a newest observation that is not, or its code among the pending actions. The value of an earlier decision
cannot depend on the action, so it does not show what the action led to. A policy that is told the executed actions
(late binding) or the newest observation, and the sequential loop, learn from one decision to the next. One that is told
neither learns over as many decisions as its delay has ticks.

This module knows no clock, no network and no driver.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hocket.errors import ConfigurationError
from hocket.spaces.codec import NOTHING_PENDING, PendingActions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """An executed action that a network chose, and what it was computed from."""

    tick: int
    """The tick that executed it."""
    observation: int
    """The observation that it was computed from, by its tick; the episode's first one if ``delay_ticks`` is 0."""
    action: Any
    """A Discrete one counted from 0, or an array of a Box."""
    pending: PendingActions = field(default_factory=lambda: NOTHING_PENDING)
    newest: int = -1
    """The newest observation that its head was given, by its tick; -1 if none was."""
    delay_ticks: int = 0
    """The delay that its head was told; 0 if it had no features, or is told none."""
    present: int = -1
    """The newest observation when the action was executed, by its tick; -1: not noted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """From one decision to a later one, or to the end of the episode."""

    decided: Decided
    reward: float
    """Σ γ^i·r over the ticks from the decision's to the one before the later decision's."""
    discount: float
    """γ^n, n the number of those ticks; 0 if the episode terminated."""
    ticks: int
    """n."""
    next_observation: int
    """The observation of the later decision, or of the one that would have come next if the episode ended."""
    next_pending: PendingActions
    final: bool
    """True if the episode ended here."""
    next_newest: int = -1
    """The newest observation of the later decision's head; -1 if none was given."""
    next_delay_ticks: int = 0
    """The delay that the later decision's head was told."""
    next_present: int = -1
    """The newest observation when the later decision was executed, or the episode's final one; -1: not noted."""


@dataclass(slots=True)
class _Open:
    """A decision whose transition has not closed."""

    decided: Decided
    reward: float = 0.0
    weight: float = 1.0
    ticks: int = 0
    decisions: int = 0
    """Decisions since."""


class TransitionBuilder:
    """Takes in one tick after another; hands out transitions as they close, in the order of their decisions.

    Args:
        discount: γ a tick, in (0, 1].
        n_step: decisions that a transition spans at least, but for an episode's end.
        unknown: the code of an unknown pending action, which is the number of Discrete actions; any number for those
            of a Box, whose rows have a mask. A transition then ends at the first decision whose inputs show its action.
            None: at the next decision, which is the same for policies that are told of all their actions, and right for
            critics that see what happened.
    """

    def __init__(self, discount: float, *, n_step: int = 1, unknown: int | None = None) -> None:
        if not 0 < discount <= 1:
            raise ConfigurationError(f"discount={discount!r} must lie in (0, 1]; try 0.99")
        if n_step < 1:
            raise ConfigurationError(f"n_step={n_step!r} must be at least 1; try 1 or 3")
        self._gamma = discount
        self._n_step = n_step
        self._unknown = unknown
        self._open: deque[_Open] = deque()

    def tick(
        self,
        tick: int,
        reward: float,
        *,
        decided: Decided | None = None,
        terminated: bool = False,
        truncated: bool = False,
        final: Decided | None = None,
        final_pending: PendingActions = NOTHING_PENDING,
    ) -> list[Transition]:
        """Tick ``tick`` yielded ``reward``, after executing ``decided`` or, if None, the default.

        Args:
            tick: its index.
            reward: of its ``env.step``.
            decided: the decision that it executed.
            terminated, truncated: whether it ended the episode. Terminated wins.
            final: the inputs that the next tick's action would have, had the episode not ended; its own tick and
                action are not read. None: the final observation and ``final_pending``. One with an ``observation`` of
                -1 cannot be known: a truncated episode's open transitions are dropped then, as their values would be
                those of inputs that no decision ever had.
            final_pending: what would have been pending for an inference on the final observation.

        Returns:
            The transitions that close: those whose action ``decided`` shows, and all open ones if the episode ends.
            Default ticks before an episode's first decision belong to none.
        """
        closed = []
        waiting = self._open
        if decided is not None:
            for each in waiting:
                each.decisions += 1
            while waiting and waiting[0].decisions >= self._n_step and self._shows(decided, waiting[0].decided.tick):
                closed.append(_closed(waiting.popleft(), decided, final=False))
            waiting.append(_Open(decided))
        for each in waiting:
            each.reward += each.weight * reward
            each.weight *= self._gamma
            each.ticks += 1
        if terminated or truncated:
            if final is None or (terminated and final.observation < 0):
                final = Decided(tick=tick, observation=tick, action=0, pending=final_pending, present=tick)
            if final.observation >= 0:
                closed += [_closed(each, final, final=True, terminated=terminated) for each in waiting]
            self.discard()
        return closed

    def discard(self) -> None:
        """Forget the open transitions: what follows does not continue them."""
        self._open.clear()

    def _shows(self, decided: Decided, tick: int) -> bool:
        """True if the inputs of ``decided`` show what ``tick`` executed."""
        if self._unknown is None or decided.observation >= tick or decided.newest >= tick:
            return True
        row = tick - decided.observation - 1
        if row >= len(decided.pending):
            return False
        entry = decided.pending[row]
        return bool(entry[-1]) if decided.pending.ndim > 1 else int(entry) != self._unknown


def _closed(each: _Open, after: Decided, *, final: bool, terminated: bool = False) -> Transition:
    return Transition(
        decided=each.decided,
        reward=each.reward,
        discount=0.0 if terminated else each.weight,
        ticks=each.ticks,
        next_observation=after.observation,
        next_pending=after.pending,
        next_newest=after.newest,
        next_delay_ticks=after.delay_ticks,
        next_present=after.present,
        final=final,
    )
