"""Batches with a permanent share of demonstrations, beside the agent's own transitions.

Hester et al. 2018, *Deep Q-learning from Demonstrations*, keep demonstrations in the replay for ever and let priorities
decide how many a batch has. Here their share is fixed, as Pohlen et al. 2018 (*Observe and Look Further*, §3.3) have
it: it stays the same however much the agent adds.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError
from hocket.learn.replay.assembly import Batch


class Samples(Protocol):
    """The replay as learners see it: `hocket.learn.replay.replay.Replay` or `MixedReplay`."""

    def __len__(self) -> int: ...
    def sample(self, size: int, rng: np.random.Generator, *, beta: float | None = None) -> Batch: ...
    def update_priorities(self, indices: NDArray[np.int64], errors: NDArray[np.float32]) -> None: ...


class MixedReplay:
    """Samples from two replays; given to a child process as an argument, it attaches there to both.

    Args:
        own: the agent's, which may be empty; None for demonstrations alone.
        shown: the demonstrations, not empty.
        share: of the demonstrations in every batch, in (0, 1): as many rows as come nearest to it, but at least one.
            As long as ``own`` is empty, batches are of demonstrations.
    """

    def __init__(self, own: Samples | None, shown: Samples, share: float) -> None:
        if not 0 < share < 1:
            raise ConfigurationError(f"share={share!r} must lie between 0 and 1, both excluded; try 0.25")
        self._own, self._shown, self._share = own, shown, share

    def __len__(self) -> int:
        """Transitions that can be sampled."""
        return len(self._shown) + (0 if self._own is None else len(self._own))

    def sample(self, size: int, rng: np.random.Generator, *, beta: float | None = None) -> Batch:
        """As `Replay.sample`. ``demonstrated`` says which rows are demonstrations; their ``indices`` are negative."""
        own = self._own if self._own is not None and len(self._own) else None
        count = size if own is None else min(size, max(1, round(self._share * size)))
        parts = [] if own is None or count == size else [own.sample(size - count, rng, beta=beta)]
        parts.append(self._shown.sample(count, rng, beta=beta))
        joined = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Batch)
            if field.name != "demonstrated"
        }
        demonstrated = np.arange(size) >= size - count
        joined["indices"] = np.where(demonstrated, -1 - joined["indices"], joined["indices"])
        return Batch(**joined, demonstrated=demonstrated)

    def update_priorities(self, indices: NDArray[np.int64], errors: NDArray[np.float32]) -> None:
        """As `Replay.update_priorities`, of each part."""
        demonstrated = indices < 0
        self._shown.update_priorities(-1 - indices[demonstrated], errors[demonstrated])
        if self._own is not None and not demonstrated.all():
            self._own.update_priorities(indices[~demonstrated], errors[~demonstrated])
