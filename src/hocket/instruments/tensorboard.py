"""TensorBoard: training's figures as scalars over ticks. Look at them with ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import math
import os
from types import TracebackType
from typing import Any, Self

from hocket.errors import MissingExtraError
from hocket.hooks.instrument import EVALUATION_RETURN, Instrument, Progress, RunView
from hocket.results.files import unwritable

try:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise MissingExtraError("TensorBoard (torch and tensorboard)", "train") from error


class TensorBoardWriter(Instrument):
    """An `Instrument` that writes event files into ``folder``. Figures without a value are left out.

    A training that is resumed into the same folder replaces the entries of later ticks.

    Raises:
        ConfigurationError: if the folder cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            self._writer = SummaryWriter(os.fspath(folder))
        except OSError as error:
            from pathlib import Path

            raise unwritable(Path(folder), error) from error

    def on_start(self, run: RunView) -> None:
        """See `Instrument`."""
        if run.resumed_tick:
            # The same as purge_step of a writer; the tick is known only now.
            restart = Event(session_log=SessionLog(status=SessionLog.START))
            file_writer: Any = self._writer.file_writer
            file_writer.add_event(restart, run.resumed_tick + 1)

    def on_training(self, progress: Progress) -> None:
        """See `Instrument`."""
        for name, value in progress.scalars().items():
            self._writer.add_scalar(name, value, progress.tick)

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        if not math.isnan(mean_return):
            self._writer.add_scalar(EVALUATION_RETURN, mean_return, tick)

    def close(self) -> None:
        """Write the remaining entries and close the files."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
