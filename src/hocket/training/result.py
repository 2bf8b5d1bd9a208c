"""What a training came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hocket.run import RunResult
from hocket.training.evaluation import Evaluation

if TYPE_CHECKING:
    from hocket.models.qnetwork import QNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What training came to. Columns have a row for each update that landed, in the order of landing.

    On the wall clock it is of this run alone, not of those that it was gone on from, and columns have the last 100,000.
    """

    run: RunResult
    """The training run itself; short of its ticks if it was good enough before."""
    network: QNetwork
    """With the best weights, by ``evaluations``; on the wall clock with the newest."""
    evaluations: list[Evaluation]
    """On the way, on episodes of their own; none on the wall clock."""
    final: Evaluation
    """Of ``network``, on episodes that had no part in choosing it."""
    updates: int
    """How many landed."""
    losses: Sequence[float] = field(repr=False)
    stalenesses: Sequence[int] = field(repr=False)
    """How many others landed between an update's start and its landing."""
    started_ns: Sequence[int] = field(repr=False)
    landed_ns: Sequence[int] = field(repr=False)
    error: str | None = None
    """Why learning stopped before the end, if it did; acting went on."""
