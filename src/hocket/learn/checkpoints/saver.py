"""Checkpoints of a training on the wall clock, written by a process of their own: the tick loop never waits for a disk.

Weights and optimiser are copied whole, under the learners' lock; then the replay, as far as it is live once it is
copied. So a checkpoint is a state that the training was in, give or take the updates made while that took.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from traceback import format_exc
from typing import Any

from hocket.errors import CheckpointError
from hocket.ipc.child_processes import WithEnvironment, begin_as_child, preload
from hocket.learn.checkpoints.checkpoint import Checkpoint, checkpoints, load_checkpoint, save_checkpoint, tick_of
from hocket.learn.checkpoints.training_state import state_of, tensors_of
from hocket.learn.learners.board import LearnerBoard
from hocket.learn.replay.replay import Replay
from hocket.learn.weights.shared_weights import SharedWeights

LOOK_S = 0.05
AGAIN_S = 1.0
GOODBYE_S = 30.0
NICE = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeState:
    """The parts of a training on the wall clock that a checkpoint holds.

    Args:
        belongs_to: see `hocket.learn.checkpoints.checkpoint.belonging`.
        weights, replay: of the training.
        board: that says which tick it is.
        folder: of the checkpoints.
        keep: how many of them.
    """

    belongs_to: Mapping[str, Any]
    weights: SharedWeights
    replay: Replay
    board: LearnerBoard
    folder: Path
    keep: int

    def save(self) -> Path:
        """Write a checkpoint of now.

        Raises:
            CheckpointError: if the disk refuses; the ones before are kept.
        """
        weights, replay = self.weights.state(), self.replay.snapshot()
        tick = self.board.tick
        checkpoint = Checkpoint(
            tick=tick,
            updates=int(weights["version"]),
            belongs_to=self.belongs_to,
            tensors=tensors_of(weights),
            replay=replay,
            state=pickle.dumps({"tick": tick}),
        )
        return save_checkpoint(self.folder, checkpoint, keep=self.keep)


def restore_realtime_state(path: Path, belongs_to: Mapping[str, Any], weights: SharedWeights, replay: Replay) -> int:
    """Bring new ``weights`` and a new ``replay`` to where a checkpoint left them; its tick.

    Raises:
        CheckpointError: if it cannot be resumed.
    """
    checkpoint = load_checkpoint(path, belongs_to)
    weights.restore(state_of(checkpoint.tensors))
    replay.restore(checkpoint.replay)
    return checkpoint.tick


class Saver:
    """Saves every so many ticks, in a process that is replaced if it dies.

    Args:
        state: to save.
        every: ticks between two checkpoints.

    Attributes:
        failures: of checkpoints, newest last; the next checkpoint is tried all the same.
    """

    def __init__(self, state: RealtimeState, every: int) -> None:
        self._state, self._every = state, every
        self.failures: list[str] = []
        self._context = multiprocessing.get_context("forkserver")
        self._bell, self._ring = Pipe(duplex=False)
        self._thread = Thread(target=self._keep, name="hocket-saver", daemon=True)

    def start(self) -> None:
        """Have the process started; returns at once."""
        preload((__name__,))
        self._thread.start()

    def close(self) -> None:
        """Wait for the checkpoint that is being written, if any; then nothing is left."""
        if self._thread.is_alive():
            self._ring.send_bytes(b"!")
            self._thread.join()
        self._bell.close()
        self._ring.close()

    def save_last(self) -> None:
        """One more checkpoint, once closed: in this process."""
        try:
            self._state.save()
        except CheckpointError as error:
            self.failures.append(str(error))

    # -- the supervisor's thread -----------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._one_process():
            if self._bell.poll(AGAIN_S):
                return

    def _one_process(self) -> bool:
        """Start a process and listen to it until it ends; whether it has been asked to."""
        ours, its = self._context.Pipe()
        process = self._context.Process(
            target=WithEnvironment(save_now_and_then),
            args=(its, self._state, self._every, NICE),
            name="hocket-saver",
            daemon=True,
        )
        try:
            process.start()
        except Exception:
            self.failures.append(format_exc())
            return False
        else:
            its.close()
            closing = self._listen(process, ours)
            process.join()
            if process.exitcode and not closing:
                self.failures.append(f"the saver (process {process.pid}) ended with exit code {process.exitcode}")
            process.close()
            return closing
        finally:
            ours.close()
            its.close()

    def _listen(self, process: BaseProcess, ours: Connection) -> bool:
        while True:
            ready = wait([process.sentinel, ours, self._bell])
            if ours in ready:
                with suppress(EOFError, OSError):  # it is gone
                    self.failures.append(ours.recv())
            if process.sentinel in ready:
                return False
            if self._bell in ready:
                self._dismiss(process, ours)
                return True

    def _dismiss(self, process: BaseProcess, ours: Connection) -> None:
        with suppress(OSError):
            ours.send_bytes(b"!")
        process.join(GOODBYE_S)
        if process.is_alive():
            process.kill()
            self.failures.append(f"a checkpoint was not written within {GOODBYE_S:g} s of the end and given up")
        with suppress(EOFError, OSError):
            while ours.poll():
                self.failures.append(ours.recv())


def save_now_and_then(parent: Connection, state: RealtimeState, every: int, nice: int) -> None:
    """Run until told to stop, or until the parent is gone; tell it of what goes wrong.

    A checkpoint that fell due while no process was up is written at once.
    """
    begin_as_child(nice)
    board = state.board
    saved = max((tick_of(path) for path in checkpoints(state.folder)), default=0)
    due = (saved // every + 1) * every
    while not parent.poll(LOOK_S):
        if board.tick < due:
            continue
        due = (board.tick // every + 1) * every
        try:
            state.save()
        except CheckpointError as error:
            parent.send(str(error))
        except Exception:
            parent.send(format_exc())
