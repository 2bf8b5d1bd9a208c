"""TensorBoard: training's figures as scalars over ticks. Look at them with ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from hocket.errors import MissingExtraError
from hocket.instrument import Instrument, Progress
from hocket.observe.files import unwritable
from hocket.observe.scalars import evaluation_of, scalars_of

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise MissingExtraError("TensorBoard (torch and tensorboard)", "train") from error


class TensorBoardWriter(Instrument):
    """An `Instrument` that writes event files into ``folder``. Figures that are not there are left out.

    Raises:
        ConfigurationError: if the folder cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            self._writer = SummaryWriter(os.fspath(folder))
        except OSError as error:
            from pathlib import Path

            raise unwritable(Path(folder), error) from error

    def on_training(self, progress: Progress) -> None:
        """See `Instrument`."""
        self._add(progress.tick, scalars_of(progress))

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        self._add(tick, evaluation_of(mean_return))

    def close(self) -> None:
        """Write what is left; nothing more is told."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, tick: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, tick)
