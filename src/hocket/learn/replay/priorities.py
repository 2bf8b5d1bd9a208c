"""Proportional priorities for the replay (Schaul et al., *Prioritized Experience Replay*, ICLR 2016, §3.3).

A sum tree answers "which transition does this share of the total belong to?". Ours is wide (64 children a node) so that
three vectorised steps reach any of 300,000 leaves, and a node is always *recomputed* from its children, never
incremented: sums cannot drift, and the tree is a function of its leaves alone.

This module knows transitions only by number. The writer of the replay never comes here: learners bring the tree up to
date themselves, under a lock among learners.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError
from hocket.ipc.shared_memory import Part, SharedArrays

FANOUT = 64
WIDEST_TOP = 256
FIRST_PRIORITY = 1.0

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


def level_sizes(capacity: int) -> list[int]:
    """Lengths of the tree's arrays for ``capacity`` leaves, leaves first, each padded to whole nodes."""
    sizes = [-(-capacity // FANOUT) * FANOUT]
    while sizes[-1] > WIDEST_TOP:
        sizes.append(-(-sizes[-1] // FANOUT**2) * FANOUT)
    return sizes


class SumTree:
    """Non-negative numbers and their sums, on arrays that the caller provides (of `level_sizes`, zero at first)."""

    def __init__(self, levels: Sequence[Floats]) -> None:
        self._levels = levels
        self.leaves = levels[0]

    def set(self, slots: Indices, values: ArrayLike) -> None:
        """Store ``values`` at ``slots``; of a slot that comes twice the last value stays."""
        self.leaves[slots] = values
        for children, parents in pairwise(self._levels):
            slots = slots // FANOUT
            if len(slots) > FANOUT:
                slots = np.unique(slots)
            parents[slots] = children.reshape(-1, FANOUT)[slots].sum(axis=1)

    def rebuild(self) -> None:
        """Compute every sum from the leaves."""
        for children, parents in pairwise(self._levels):
            sums = children.reshape(-1, FANOUT).sum(axis=1)
            parents[: len(sums)] = sums

    def total(self) -> float:
        """The sum of all leaves."""
        return float(self._levels[-1].sum())

    def find(self, shares: Floats) -> Indices:
        """For each share in [0, 1), the slot at which the running sum of the leaves passes that share of the total.

        A slot of zero is never answered unless all are.
        """
        nodes = np.zeros(len(shares), np.int64)
        width = len(self._levels[-1])
        wanted = shares * self.total()
        for level in reversed(self._levels):
            running = level.reshape(-1, width)[nodes].cumsum(axis=1)
            # Rounding may have carried the remainder past the node's own sum; its last non-zero child is meant then.
            wanted = np.minimum(wanted, np.nextafter(running[:, -1], 0))
            child = np.minimum((running <= wanted[:, None]).sum(axis=1), width - 1)
            before = running[np.arange(len(child)), child - 1]
            wanted = wanted - np.where(child > 0, before, 0.0)
            nodes = nodes * width + child
            width = FANOUT
        return nodes


class Priorities:
    """Priorities of the transitions ``oldest … newest − 1`` of a ring, for any number of learner processes.

    Args:
        arrays: shared memory that holds `parts`.
        capacity: of the ring: transition i has slot i mod capacity.
        alpha: how much priorities matter; 0 is uniform.
        epsilon: added to every error, so that none is 0.

    A learner that dies inside leaves a mark; the next one computes the sums anew. New transitions enter with the
    largest priority so far, 1 to begin with.
    """

    def __init__(self, arrays: SharedArrays, capacity: int, alpha: float, epsilon: float) -> None:
        self._arrays = arrays
        self._capacity, self._alpha, self._epsilon = capacity, alpha, epsilon
        self._tree = SumTree([arrays[f"tree{level}"] for level in range(len(level_sizes(capacity)))])
        self._state = arrays["tree_state"]  # [retired up to, absorbed up to, a process is inside]
        self._largest = arrays["tree_largest"]
        self._threads = threading.Lock()

    @staticmethod
    def parts(capacity: int) -> dict[str, Part]:
        """The arrays that the shared memory must hold."""
        return {
            **{f"tree{level}": ((size,), np.dtype(np.float64)) for level, size in enumerate(level_sizes(capacity))},
            "tree_state": ((3,), np.dtype(np.int64)),
            "tree_largest": ((1,), np.dtype(np.float64)),
        }

    @contextmanager
    def _inside(self) -> Iterator[None]:
        with self._threads, self._arrays.locked():
            if self._state[2]:
                self._tree.rebuild()
            self._state[2] = 1
            yield
            self._state[2] = 0  # not in a finally: after an error the mark must stay

    def _absorb(self, oldest: int, newest: int) -> None:
        """Enter what the writer has added and take out what it has retired. Harmless when done twice or half."""
        retired, absorbed = int(self._state[0]), int(self._state[1])
        self._put(np.arange(max(retired, oldest - self._capacity), oldest), 0.0)
        self._put(np.arange(max(absorbed, oldest, retired), newest), self._largest[0] or FIRST_PRIORITY)
        self._state[0] = max(retired, oldest)
        self._state[1] = max(absorbed, newest)

    def _put(self, indices: Indices, values: ArrayLike) -> None:
        if len(indices):
            self._tree.set(indices % self._capacity, values)

    def sample(
        self, count: int, rng: np.random.Generator, oldest: int, newest: int, *, beta: float
    ) -> tuple[Indices, Floats]:
        """``count`` transitions, one from each of ``count`` equal shares of the total, and their priorities^−β.

        Which of the shares a transition is drawn from is no information: the weights need only their own largest.
        """
        shares = (np.arange(count) + rng.random(count)) / count
        with self._inside():
            self._absorb(oldest, newest)
            absorbed = int(self._state[1])
            slots = self._tree.find(shares)
            leaves = self._tree.leaves[slots]
        indices = absorbed - 1 - (absorbed - 1 - slots) % self._capacity
        return indices, np.maximum(leaves, np.finfo(np.float64).tiny) ** -beta

    def update(self, indices: ArrayLike, errors: ArrayLike) -> None:
        """Set the priorities of ``indices`` to (\\|error\\| + ε)^α; those retired since are passed over.

        Raises:
            ConfigurationError: if an error is not finite or the lengths differ.
        """
        numbers = np.asarray(indices, np.int64)
        magnitudes = np.abs(np.asarray(errors, np.float64))
        if numbers.shape != magnitudes.shape or numbers.ndim != 1:
            raise ConfigurationError(
                f"{magnitudes.shape} errors for {numbers.shape} indices; one each, in one dimension, is allowed; "
                "try the batch's own indices"
            )
        if not np.isfinite(magnitudes).all():
            bad = magnitudes[~np.isfinite(magnitudes)][0]
            raise ConfigurationError(
                f"an error of {bad} cannot be a priority; finite numbers are allowed; try a smaller learning rate or "
                "gradient clipping"
            )
        values = (magnitudes + self._epsilon) ** self._alpha
        with self._inside():
            live = (numbers >= self._state[0]) & (numbers < self._state[1])
            if live.any():
                self._put(numbers[live], values[live])
                self._largest[0] = max(self._largest[0] or FIRST_PRIORITY, values[live].max())

    def read(self, oldest: int, newest: int) -> tuple[Floats, NDArray[np.float64]]:
        """Priorities from ``oldest`` on, of those that have been absorbed, and the largest so far. Changes nothing."""
        with self._inside():
            known = np.arange(oldest, min(newest, int(self._state[1])))
            return self._tree.leaves[known % self._capacity], self._largest.copy()

    def restore(self, oldest: int, leaves: Floats, largest: NDArray[np.float64]) -> None:
        """Take over what `read` gave, into an empty tree."""
        with self._inside():
            self._largest[:] = largest
            self._put(np.arange(oldest, oldest + len(leaves)), leaves)
            self._state[:2] = oldest, oldest + len(leaves)
