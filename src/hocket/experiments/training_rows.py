"""The rows of one training in an experiment's table: evaluations, tenths of the training, the final evaluation."""

from __future__ import annotations

import numpy as np

from hocket.experiments.tasks import Row
from hocket.training.evaluation import Evaluation
from hocket.training.result import TrainResult

COLUMNS = ("kind", "tick", "mean_return", "episodes", "coverage", "delay_mean", "updates", "ticks")
PARTS = 10


def rows_of(result: TrainResult) -> list[Row]:
    """Rows by ``kind``, each with the figures of the whole run.

    ``choosing`` is an evaluation, by the tick of its weights. ``tenth`` is the mean return of the training's own
    episodes that ended in the tenth of its ticks up to ``tick``; ``training`` is the last of these once more.
    ``final``, the last row, is of the best weights on episodes that had no part in choosing them.
    """
    summary, metrics = result.run.summary(), result.run.metrics
    run = {
        "coverage": round(summary.coverage, 4),
        "delay_mean": summary.delay_mean,
        "updates": result.updates,
        "ticks": summary.ticks,
    }

    def row(kind: str, tick: int, returns: np.typing.NDArray[np.float64]) -> Row:
        mean = round(float(returns.mean()), 4) if len(returns) else float("nan")
        return {"kind": kind, "tick": tick, "mean_return": mean, "episodes": len(returns), **run}

    def evaluated(kind: str, evaluation: Evaluation) -> Row:
        return row(kind, evaluation.tick, evaluation.returns)

    ends = [summary.ticks * part // PARTS for part in range(PARTS + 1)]
    # Returns of episodes that ended after a tick: what ended in a tenth are those that a later beginning lacks.
    since = [metrics(begin).episode_returns for begin in ends[:-1]]
    counts = [len(returns) for returns in since[1:]] + [0]
    tenths = [returns[: len(returns) - count] for returns, count in zip(since, counts, strict=True)]
    return [
        *(evaluated("choosing", evaluation) for evaluation in result.evaluations),
        *(row("tenth", end, returns) for end, returns in zip(ends[1:], tenths, strict=True)),
        row("training", summary.ticks, tenths[-1]),
        evaluated("final", result.final),
    ]
