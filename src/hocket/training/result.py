"""The result of a training, complete or up to the error that ended it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hocket.learn.learners.options import InLoop, Learners
from hocket.results.files import replacing
from hocket.results.training_log import Evaluated, TrainingLog
from hocket.running.result import RunResult, with_result
from hocket.training.evaluation import Evaluation

if TYPE_CHECKING:
    from hocket.models.actor_and_critics import ActorCritic
    from hocket.models.qnetwork import QNetwork

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The result of a training. Columns have a row for each update that landed, in the order of landing.

    On the wall clock it is of this run alone, without the part before a resume, and columns have the last 100,000.
    """

    run: RunResult
    """The training run, of several copies the first one's; shorter than its ticks if an evaluation was good enough
    before, or an error ended it."""
    copies: Sequence[RunResult] = field(repr=False)
    """The run of each copy of the environment; only ``run`` for ``envs=1``, or if an error or a signal ended it."""
    network: QNetwork | ActorCritic
    """With the best weights by ``evaluations``; without any (on the wall clock, or switched off) with the newest."""
    evaluations: list[Evaluation]
    """During the training and at its end, on separate episodes; none on the wall clock."""
    final: Evaluation
    """Of ``network``, on episodes that had no part in choosing it; without returns if evaluations are switched off, or
    an error ended the training before its end."""
    updates: int
    """The number of updates that landed."""
    losses: Sequence[float] = field(repr=False)
    stalenesses: Sequence[int] = field(repr=False)
    """For each update, the number of others that landed between its start and its landing."""
    started_ns: Sequence[int] = field(repr=False)
    landed_ns: Sequence[int] = field(repr=False)
    error: str | None = None
    """The reason why learning stopped before the end, or None; acting continued."""

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the run as `RunResult.save` does, with the training log: its report has learning curves.

        Of several copies it is the first one's, with the ticks of evaluations counted as its own.

        ``weights.safetensors`` holds the network's; ``network.load_state_dict(safetensors.torch.load_file(path))``
        gives them to one that is made alike.

        Raises:
            ConfigurationError: if the disk refuses, or the folder holds checkpoints.
        """
        from safetensors.torch import save

        path = replace(self.run, learning=self._learning()).save(folder)
        with replacing(path / WEIGHTS) as partial:
            weights = self.network.state_dict().items()
            partial.write_bytes(save({name: value.cpu().contiguous() for name, value in weights}))
        return path

    def _learning(self) -> TrainingLog:
        copies = int(self.run.config.get("envs", 1))  # the log is of the first one's run, and so are its ticks

        def evaluated(each: Evaluation) -> Evaluated:
            return Evaluated(each.tick // copies, each.returns)

        return TrainingLog(
            evaluations=tuple(map(evaluated, self.evaluations)),
            final=evaluated(self.final) if len(self.final.returns) else None,
            updates=self.updates,
            losses=np.asarray(self.losses, np.float64),
            stalenesses=np.asarray(self.stalenesses, np.int64),
            started_ns=np.asarray(self.started_ns, np.int64),
            landed_ns=np.asarray(self.landed_ns, np.int64),
            first_tick=int(self.run.config.get("first_tick", 0)),
            error=self.error,
        )


@contextmanager
def keeping_training(result: Callable[[], TrainResult | None]) -> Iterator[None]:
    """Inside, an error that ends a training leaves with its ``result`` as the attribute ``result``.

    Args:
        result: returns that of the ticks played and the updates made so far; None before the run has begun.

    Raises:
        RunInterrupted: for a `KeyboardInterrupt`, once the run has begun.
    """
    try:
        yield
    except BaseException as error:
        training = result()
        if training is None:
            raise
        carrier = with_result(error, training.run, training)
        if carrier is error:
            raise
        raise carrier from error


def warn_of_no_update(result: TrainResult, learner: Learners, *, tick: int, transitions: int, realtime: bool) -> None:
    """Warn if a training was long enough to learn and no update landed, with the reason.

    Args:
        result: of the training.
        learner: its kind of learners, and their pace.
        tick: the last one; one up to the warm-up is warned of at the start.
        transitions: in its replay.
        realtime: True on the wall clock.
    """
    if result.updates or result.error is not None or tick <= learner.warm_up_ticks:
        return
    every = None if isinstance(learner, InLoop) or realtime else learner.update_every_ticks
    if not transitions:
        coverage = result.run.metrics().coverage
        reason = (
            f"the replay is empty, as a decision must execute and what follows be seen first (coverage {coverage:.3f})"
            "; try a shorter latency, or more ticks"
        )
    elif every is not None and tick // every * every < learner.warm_up_ticks:
        reason = (
            f"update_every_ticks={every} and warm_up_ticks={learner.warm_up_ticks}: the first update is due at tick "
            f"{-(-learner.warm_up_ticks // every) * every:,}; try a smaller update_every_ticks, or more ticks"
        )
    else:
        reason = "the first update was still under way; try more ticks, smaller batches, or a smaller warm_up_ticks"
    warnings.warn(
        f"nothing was learned in {tick:,} ticks, and the network stays as it was: {reason}",
        RuntimeWarning,
        stacklevel=3,
    )
