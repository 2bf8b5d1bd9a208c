"""Weights & Biases: the figures of a training as curves over ticks."""

from __future__ import annotations

import math
from typing import Any, Protocol

from hocket.errors import ConfigurationError
from hocket.hooks.instrument import EVALUATION_RETURN, Instrument, Progress


class Logs(Protocol):
    """The part of ``wandb.Run`` that is used."""

    def log(self, data: dict[str, Any]) -> None:
        """Log these values; wandb passes them to a process of its own."""


class WeightsAndBiases(Instrument):
    """An `Instrument` that logs to a run that you start with ``wandb.init`` and finish.

    Every entry has its ``tick``, the axis of all curves; wandb's own steps only count entries.

    Raises:
        ConfigurationError: if ``run`` cannot log.
    """

    def __init__(self, run: Logs) -> None:
        if not callable(getattr(run, "log", None)):
            raise ConfigurationError(f"run={run!r} has no log(); try wandb.init(project='boxing')")
        self._run = run
        define = getattr(run, "define_metric", None)
        if define is not None:
            define("*", step_metric="tick")

    def on_training(self, progress: Progress) -> None:
        """See `Instrument`."""
        self._run.log({"tick": progress.tick, **progress.scalars()})

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        if not math.isnan(mean_return):
            self._run.log({"tick": tick, EVALUATION_RETURN: mean_return})
