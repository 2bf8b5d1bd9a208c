"""Writes observations as TensorBoard images from time to time. A thread encodes; the tick loop copies one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Self

import numpy as np

from hocket.errors import ConfigurationError, MissingExtraError
from hocket.hooks.instrument import Instrument, RunView
from hocket.hooks.record import Moment
from hocket.instruments.images import picture_of
from hocket.results.files import make_folder
from hocket.spaces.observations import copied

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise MissingExtraError("TensorBoard (torch and tensorboard)", "train") from error

TAG = "environment/observation"
PATIENCE_S = 0.1


class TensorBoardPictures(Instrument):
    """An `Instrument` that writes the newest observation into ``folder`` every ``every_s`` seconds of the wall clock.

    Of a stack of frames only the newest is written. An observation that is no picture is skipped, and so is one that
    comes while the previous one is still being encoded. Steps are training ticks. A training that is resumed into the
    same folder replaces the entries of later ticks.

    Args:
        folder: receives event files once there is a picture.
        every_s: seconds between pictures, more than 0.
        now_s: a clock in seconds.

    Raises:
        ConfigurationError: if the folder cannot be written, or ``every_s`` is not allowed.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, every_s: float = 30.0, now_s: Callable[[], float] = monotonic
    ) -> None:
        if not (math.isfinite(every_s) and every_s > 0):
            raise ConfigurationError(f"every_s={every_s!r} must be greater than 0; try 30.0")
        make_folder(Path(folder))
        self._folder, self._every_s, self._now_s = folder, every_s, now_s
        self._due_s = -math.inf
        self._purge_step: int | None = None
        self._earlier_ticks = 0
        self._waiting: Queue[tuple[int, Any]] = Queue(1)
        self._done = Event()
        self._error: OSError | None = None
        self._thread = Thread(target=self._write, name="hocket-pictures", daemon=True)

    def on_start(self, run: RunView) -> None:
        """See `Instrument`."""
        self._earlier_ticks = run.resumed_tick - run.first_tick
        if run.resumed_tick:
            self._purge_step = run.resumed_tick + 1

    def on_tick(self, moment: Moment) -> None:
        """See `Instrument`."""
        if self._error is not None:
            raise self._error
        now_s = self._now_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        try:
            self._waiting.put_nowait((self._earlier_ticks + moment.tick, copied(moment.observation)))
        except Full:
            return
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Write the waiting picture and close the files."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self) -> None:
        try:
            self._write_all()
        except OSError as error:
            self._error = error

    def _write_all(self) -> None:
        writer = None
        while True:
            try:
                tick, observation = self._waiting.get(timeout=PATIENCE_S)
            except Empty:
                if self._done.is_set():
                    break
                continue
            picture = picture_of(observation)
            if picture.kind == "vector":
                continue
            depth = {"grey": 1, "rgb": 3}[picture.kind]
            pixels = np.frombuffer(picture.content, np.uint8).reshape(picture.height, picture.width, depth)
            if writer is None:
                writer = SummaryWriter(os.fspath(self._folder), purge_step=self._purge_step)
            writer.add_image(TAG, pixels, tick, dataformats="HWC")
        if writer is not None:
            writer.close()
