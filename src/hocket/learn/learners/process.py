"""The main function of a learner process: wait until an update is due, make it, wait again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from traceback import format_exc

import cloudpickle
import numpy as np
import torch

from hocket.errors import DivergenceError
from hocket.ipc.child_processes import begin_as_child
from hocket.learn.learners.board import BROKEN, DIVERGED, READY, LearnerBoard
from hocket.learn.learners.learner import Learner, Update
from hocket.learn.learners.pace import Pace
from hocket.learn.replay.mixed_replay import Samples
from hocket.learn.weights.shared_weights import SharedWeights

PAUSE_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerJob:
    """The arguments that all learners share.

    Attributes:
        pickled: the algorithm and a network of the weights' kind, by cloudpickle.
        nice: added to the niceness of the learner, so that the tick loop runs first.
        threads: torch threads of each.
    """

    pickled: bytes
    weights: SharedWeights
    replay: Samples
    board: LearnerBoard
    pace: Pace
    nice: int
    threads: int


def learn(job: LearnerJob, number: int, seed: np.random.SeedSequence) -> None:
    """Run as learner ``number`` until told to stop, or until the parent is gone."""
    begin_as_child(job.nice)
    board = job.board
    try:
        _learn(job, number, seed)
    except DivergenceError as error:
        board.write_error(number, f"{type(error).__name__}: {error}")
        board.states[number] = DIVERGED
        board.stop()
    except BaseException:
        board.write_error(number, format_exc())
        board.states[number] = BROKEN


def _learn(job: LearnerJob, number: int, seed: np.random.SeedSequence) -> None:
    torch.set_num_threads(job.threads)
    board, weights, replay, pace = job.board, job.weights, job.replay, job.pace
    algorithm, network = cloudpickle.loads(job.pickled)
    learner = Learner(algorithm=algorithm, network=network, weights=weights, replay=replay, seed=seed)

    def landing(update: Update) -> None:
        values = (update.result.loss, update.staleness, update.seconds, board.tick, time.monotonic_ns(), number)
        board.note(update.number, values)

    board.states[number] = READY
    while not board.stopped:
        if not len(replay) or not board.claim(number, pace, weights):
            time.sleep(PAUSE_S)
            continue
        learner.update(board.tick, landing=landing, stopped=lambda: board.stopped)
        board.release(number)
