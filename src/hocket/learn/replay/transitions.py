"""From ticks to transitions: Definition 1's semi-MDP, read off a run as it happens (Riemer et al. 2025).

A *decision* is one executed fresh action with what it was computed from. A *transition* runs from one decision to the
next: the state as the policy saw it, the action, Σ γ^i·r over the ticks between (the default's rewards included), γ^n,
and the next state as the policy saw it. This module knows no clock, no network and no driver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hocket.errors import ConfigurationError
from hocket.spaces.codec import NOTHING_PENDING, PendingActions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """An executed fresh action and what it was computed from."""

    tick: int
    """The tick that executed it."""
    observation: int
    """The observation that it was computed from, by its tick."""
    action: Any
    """A Discrete one counted from 0, or an array of a Box."""
    pending: PendingActions = field(default_factory=lambda: NOTHING_PENDING)
    present: int = -1
    """The newest observation when the action was executed, by its tick; -1: not noted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transition:
    """From one decision to the next, or to the end of the episode."""

    decided: Decided
    reward: float
    """Σ γ^i·r over the ticks from the decision's to the one before the next decision's."""
    discount: float
    """γ^n, n the number of those ticks; 0 if the episode terminated."""
    ticks: int
    """n."""
    next_observation: int
    """The observation of the next decision, or the episode's final one."""
    next_pending: PendingActions
    next_present: int
    """The newest observation when the next decision was executed, or the episode's final one."""
    final: bool
    """True if the episode ended here."""


class TransitionBuilder:
    """Takes in one tick after another; hands out a transition whenever one closes.

    Args:
        discount: γ a tick, in (0, 1].
    """

    def __init__(self, discount: float) -> None:
        if not 0 < discount <= 1:
            raise ConfigurationError(f"discount={discount!r} must lie in (0, 1]; try 0.99")
        self._gamma = discount
        self._open: Decided | None = None
        self._reward = 0.0
        self._weight = 1.0
        self._ticks = 0

    def tick(
        self,
        tick: int,
        reward: float,
        *,
        decided: Decided | None = None,
        terminated: bool = False,
        truncated: bool = False,
        final_pending: PendingActions = NOTHING_PENDING,
    ) -> list[Transition]:
        """Tick ``tick`` yielded ``reward``, after executing ``decided`` or, if None, the default.

        Args:
            tick: its index.
            reward: of its ``env.step``.
            decided: the decision that it executed.
            terminated, truncated: whether it ended the episode. Terminated wins.
            final_pending: what would have been pending for an inference on the final observation.

        Returns:
            The transitions that close: that of the decision before, if this tick decides; the open one, if the
            episode ends. Default ticks before an episode's first decision belong to none.
        """
        closed = []
        if decided is not None:
            if self._open is not None:
                closed.append(
                    self._close(self._weight, decided.observation, decided.pending, decided.present, final=False)
                )
            self._open, self._reward, self._weight, self._ticks = decided, 0.0, 1.0, 0
        if self._open is not None:
            self._reward += self._weight * reward
            self._weight *= self._gamma
            self._ticks += 1
        if terminated or truncated:
            if self._open is not None:
                discount = 0.0 if terminated else self._weight
                closed.append(self._close(discount, tick, final_pending, tick, final=True))
            self.discard()
        return closed

    def discard(self) -> None:
        """Forget the open transition: what follows does not continue it."""
        self._open = None

    def _close(
        self, discount: float, next_observation: int, next_pending: PendingActions, next_present: int, *, final: bool
    ) -> Transition:
        assert self._open is not None
        return Transition(
            decided=self._open,
            reward=self._reward,
            discount=discount,
            ticks=self._ticks,
            next_observation=next_observation,
            next_pending=next_pending,
            next_present=next_present,
            final=final,
        )
