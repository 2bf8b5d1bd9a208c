"""Checkpoints of a training on the wall clock, written by a process of their own: the tick loop never waits for a disk.

Weights and optimiser are copied whole, under the learners' lock; the replay as far as it is live once it is copied. So
a checkpoint is a state that the training was in, give or take the ticks that the copying took.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from traceback import format_exc
from typing import Any

from hocket.errors import CheckpointError
from hocket.learn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hocket.learn.keeping import state_of, tensors_of
from hocket.learn.learner_process import leave_with_parent
from hocket.learn.pace import Board
from hocket.learn.replay import Replay
from hocket.learn.weights import SharedWeights

LOOK_S = 0.05
AGAIN_S = 1.0
GOODBYE_S = 30.0
NICE = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """What a training on the wall clock is kept by.

    Args:
        belongs_to: see `hocket.learn.checkpoint.belonging`.
        weights, replay: of the training.
        folder: of the checkpoints.
        keep: how many of them.
    """

    belongs_to: Mapping[str, Any]
    weights: SharedWeights
    replay: Replay
    folder: Path
    keep: int

    def save(self, tick: int) -> Path:
        """Write the checkpoint of ``tick``.

        Raises:
            CheckpointError: if the disk refuses; the ones before are kept.
        """
        state = self.weights.state()
        checkpoint = Checkpoint(
            tick=tick,
            updates=int(state["version"]),
            belongs_to=self.belongs_to,
            tensors=tensors_of(state),
            replay=self.replay.snapshot(),
            state=pickle.dumps({"tick": tick}),
        )
        return save_checkpoint(self.folder, checkpoint, keep=self.keep)


def take_up(path: Path, belongs_to: Mapping[str, Any], weights: SharedWeights, replay: Replay) -> int:
    """Bring new ``weights`` and a new ``replay`` to where a checkpoint left them; its tick.

    Raises:
        CheckpointError: if it cannot be gone on from.
    """
    checkpoint = load_checkpoint(path, belongs_to)
    weights.restore(state_of(checkpoint.tensors))
    replay.restore(checkpoint.replay)
    return checkpoint.tick


class Saver:
    """Saves every so many ticks, in a process that is replaced if it dies.

    Args:
        state: to save.
        board: that says which tick it is, and when to stop.
        every: ticks between two checkpoints.

    Attributes:
        state: the same.
        failures: what went wrong, newest last; saving goes on with the next one.
    """

    def __init__(self, state: LiveState, board: Board, every: int) -> None:
        self.state = state
        self._arguments = state, board, every
        self.failures: list[str] = []
        self._context = multiprocessing.get_context("forkserver")
        self._bell, self._ring = Pipe(duplex=False)
        self._thread = Thread(target=self._watch, name="hocket-saver", daemon=True)

    def start(self) -> None:
        """Have the process started; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Wait for the checkpoint that is being written, if any; the board must have been stopped."""
        if self._thread.is_alive():
            self._ring.send_bytes(b"!")
            self._thread.join()
        self._bell.close()
        self._ring.close()

    def _watch(self) -> None:
        while True:
            reports, end = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=_save_now_and_then, args=(end, *self._arguments), name="hocket-saver", daemon=True
            )
            try:
                process.start()
            except Exception:
                self.failures.append(format_exc())
                closing = self._bell.poll(AGAIN_S)
            else:
                end.close()
                closing = self._listen(process, reports)
            reports.close()
            if closing:
                return

    def _listen(self, process: BaseProcess, reports: Connection) -> bool:
        """Take in what the process says until it ends; whether that is what was asked."""
        closing = False
        while True:
            heard = wait(
                [process.sentinel, reports, *([] if closing else [self._bell])], GOODBYE_S if closing else None
            )
            closing = closing or self._bell in heard
            if reports in heard:
                try:
                    self.failures.append(reports.recv())
                except EOFError:
                    heard = [process.sentinel]
            if closing and not heard:
                process.kill()
                self.failures.append(f"a checkpoint was not written within {GOODBYE_S:g} s of the end and given up")
            if process.sentinel in heard:
                process.join()
                if process.exitcode and not closing:
                    self.failures.append(f"the saver (process {process.pid}) ended with exit code {process.exitcode}")
                return closing or self._bell.poll(AGAIN_S)


def _save_now_and_then(reports: Connection, state: LiveState, board: Board, every: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tick loop's to handle
    Thread(target=leave_with_parent, name="hocket-parent", daemon=True).start()
    os.nice(NICE)
    due = (board.tick // every + 1) * every
    while not board.stopped:
        tick = board.tick
        if tick < due:
            time.sleep(LOOK_S)
            continue
        due = (tick // every + 1) * every
        try:
            state.save(tick)
        except CheckpointError as error:
            reports.send(str(error))
        except Exception:
            reports.send(format_exc())
