"""The log of a training: evaluations and updates, as a run folder keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UPDATE_COLUMNS = ("losses", "stalenesses", "started_ns", "landed_ns")
COLUMN_KINDS = {
    "evaluated_ticks": "iu",
    "evaluated_episodes": "iu",
    "returns": "fiu",
    "losses": "fiu",
    "stalenesses": "fiu",
    "started_ns": "iu",
    "landed_ns": "iu",
}
"""The kinds of numbers that an npz file's lists may hold."""


class Evaluated(NamedTuple):
    """Returns of whole episodes under the greedy policy, by the weights of training tick ``tick``."""

    tick: int
    returns: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLog:
    """Evaluations and updates of a training. Columns have a row for each update that landed, in the order of landing.

    Attributes:
        evaluations: during the training.
        final: of the final weights, or None.
        updates: number that landed; the columns may hold only the last of them.
        losses, stalenesses, started_ns, landed_ns: see `hocket.TrainResult`.
        first_tick: the training tick at which the run starts.
        error: the reason why learning stopped early, or None.
    """

    evaluations: tuple[Evaluated, ...]
    final: Evaluated | None
    updates: int
    losses: NDArray[np.float64] = field(repr=False)
    stalenesses: NDArray[np.int64] = field(repr=False)
    started_ns: NDArray[np.int64] = field(repr=False)
    landed_ns: NDArray[np.int64] = field(repr=False)
    first_tick: int = 0
    error: str | None = None

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the log as arrays for an npz file."""
        every = [*self.evaluations, *([] if self.final is None else [self.final])]
        return {
            "evaluated_ticks": np.array([each.tick for each in every], np.int64),
            "evaluated_episodes": np.array([len(each.returns) for each in every], np.int64),
            "returns": np.concatenate([np.empty(0), *(each.returns for each in every)]),
            "has_final": np.array(self.final is not None),
            "updates": np.array(self.updates),
            "losses": self.losses,
            "stalenesses": self.stalenesses,
            "started_ns": self.started_ns,
            "landed_ns": self.landed_ns,
            "first_tick": np.array(self.first_tick),
            "error": np.array(self.error or ""),
        }

    @classmethod
    def of_columns(cls, columns: dict[str, NDArray[Any]]) -> TrainingLog:
        """Restore the result of `columns`.

        Raises:
            ValueError: if the columns do not fit each other.
        """
        for name, kinds in COLUMN_KINDS.items():
            if columns[name].ndim != 1 or columns[name].dtype.kind not in kinds:
                raise ValueError(f"its column {name} is of type {columns[name].dtype}, shape {columns[name].shape}")
        if len({len(columns[name]) for name in UPDATE_COLUMNS}) > 1:
            raise ValueError("its columns of updates differ in length")
        counts = columns["evaluated_episodes"]
        if (counts < 0).any() or counts.sum() != len(columns["returns"]):
            raise ValueError(f"it has {len(columns['returns'])} returns where {counts.sum()} are announced")
        if int(columns["updates"]) < len(columns["losses"]):
            raise ValueError(f"it has {len(columns['losses'])} losses of {int(columns['updates'])} updates")
        ends = np.cumsum(columns["evaluated_episodes"])
        returns = np.split(columns["returns"], ends[:-1]) if len(ends) else []
        every = [Evaluated(int(tick), own) for tick, own in zip(columns["evaluated_ticks"], returns, strict=True)]
        return cls(
            final=every.pop() if columns["has_final"] else None,
            evaluations=tuple(every),
            updates=int(columns["updates"]),
            losses=columns["losses"],
            stalenesses=columns["stalenesses"],
            started_ns=columns["started_ns"],
            landed_ns=columns["landed_ns"],
            first_tick=int(columns["first_tick"]),
            error=str(columns["error"]) or None,
        )
