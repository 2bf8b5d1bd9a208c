"""The augmented model as tables and operators: a state and the pending decisions, numbered.

State x = (s, a₁, ..., a_q) has the number s·A^q + (a₁ ... a_q as digits to the base A). Nothing of size X × X is
stored: one step from x is a step of the small model under a₁, with the digits shifted (under the choice itself if
nothing is pending).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, MissingExtraError
from hocket.theory.amdp import Array

MOST_ENTRIES = 50_000_000
"""Transitions of one policy that are kept in memory: 0.6 GB."""
SPARSE = 0.1
"""Below this share of possible transitions the small model is stored sparsely."""

Policy = NDArray[np.int64]
"""The decision in each augmented state."""


class Augmented:
    """One step of the augmented model.

    Args:
        chances: of the next state, ``[state, action that takes effect, next state]``.
        rewards: ``[state, action that takes effect]``.
        pending: q, decisions between one and its effect.

    Attributes:
        size: X = S·A^q.

    Raises:
        ConfigurationError: too many transitions.
        MissingExtraError: without scipy.
    """

    def __init__(self, chances: Array, rewards: Array, pending: int) -> None:
        try:
            from scipy import sparse
        except ImportError as error:
            raise MissingExtraError("solving augmented models (scipy)", "theory") from error
        self._states, self.actions = rewards.shape
        self.pending = pending
        self._width = self.actions**pending
        self.size = self._states * self._width
        self._sparse: Any = sparse.csr_array(chances.reshape(-1, self._states))
        entries = self._sparse.nnz * max(1, self._width // self.actions)
        if entries > MOST_ENTRIES:
            raise ConfigurationError(
                f"the model has {self.size:,} augmented states with {entries:,} transitions, more than "
                f"{MOST_ENTRIES:,}; try a longer interval, a shorter delay, or fewer states"
            )
        dense = self._sparse.nnz > SPARSE * chances.size
        self._kernel: Any = np.ascontiguousarray(chances.reshape(-1, self._states)) if dense else self._sparse
        self._rewards = rewards
        if pending:
            self._effect = np.arange(self.size) // (self._width // self.actions)  # (s, a₁) of each state, numbered
            self._shifted = np.arange(self.size) % (self._width // self.actions) * self.actions  # digits a₂ ... a_q, 0

    def spread(self, values: Array) -> Array:
        """The expected value one step on, ``[X, action]``."""
        after = self._kernel @ values.reshape(self._states, self._width)
        return np.asarray(after).reshape(self.size, self.actions)

    def immediate(self) -> Array:
        """The expected reward of one step, ``[X, action]`` or ``[X, 1]``."""
        return self._rewards.ravel()[self._effect][:, None] if self.pending else self._rewards

    def choose(self, table: Array, policy: Policy) -> Array:
        """``table[x, policy[x]]``."""
        if table.shape[1] == 1:
            return table[:, 0]
        return np.take_along_axis(table, policy[:, None], axis=1)[:, 0]

    def chain(self, policy: Policy) -> Any:
        """The chances under ``policy``, a sparse ``[X, X]``."""
        if self.pending:
            chain = self._sparse[self._effect]
            counts = np.diff(chain.indptr)
            chain.indices = chain.indices * self._width + np.repeat(self._shifted + policy, counts).astype(np.int32)
        else:
            chain = self._sparse[np.arange(self.size) * self.actions + policy]
        chain.resize(self.size, self.size)
        return chain

    def mixed_chain(self, chances: Array) -> Any:
        """The chances under a policy at random, ``chances[x, action]``: a sparse ``[X, X]``."""
        from scipy import sparse

        total: Any = sparse.csr_array((self.size, self.size))
        for action in range(self.actions):
            weights = sparse.diags_array(chances[:, action])
            total = total + weights @ self.chain(np.full(self.size, action))
        total = sparse.csr_array(total)
        total.eliminate_zeros()
        return total
