"""Runs in virtual time that are put away in their middle and gone on with later, elsewhere, bit for bit.

The environment is put away with the run where it can be. Where it cannot, a run can be put away at the end of an
episode whose successor was seeded: `to_an_episode` plays up to there, and who goes on resets to the same seed. A run
that is compared with one that was gone on with must then do the same at the same tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.drivers.virtual import VirtualRun
from hocket.envs.state import restore, snapshot
from hocket.errors import CheckpointError, ConfigurationError
from hocket.hooks.record import RunRecord
from hocket.learn.checkpoints.pickling import dump, load

ENV = "env"


@dataclass(frozen=True)
class Checkpoints:
    """Where a training saves itself, and how often.

    Args:
        folder: gets a folder for each checkpoint, ``000010000`` for that of tick 10,000.
        every: ticks between two.
        keep: how many are kept, the newest.
    """

    folder: str | os.PathLike[str]
    every: int = 10_000
    keep: int = 2

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("keep", self.keep)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r} must be a whole number from 1; try 10_000 and 2")

    def next_tick(self, tick: int) -> int:
        """The first one after ``tick`` at which to save."""
        return (tick // self.every + 1) * self.every


def episode_seed(seed: int, tick: int) -> int:
    """Of the episode that begins first after ``tick``, in a run of ``seed``."""
    return int(np.random.SeedSequence((seed, 0, tick)).generate_state(1)[0])


def play_on(
    run: VirtualRun,
    to_tick: int,
    *,
    seed: int,
    until: Callable[[RunRecord], bool],
    checkpoints: Checkpoints | None,
    save: Callable[[VirtualRun, Path, int], None],
) -> None:
    """Play up to ``to_tick``, or until ``until`` says so of the record, or Ctrl-C, and ``save`` on the way.

    ``save`` is given the run, the folder, and how many checkpoints to keep; at the end too, if the run can be put away.
    """
    if checkpoints is None:
        run.play(to_tick, until=until)
        return
    ended, saved = False, -1

    def over(record: RunRecord) -> bool:
        nonlocal ended
        ended = until(record)
        return ended

    while run.tick < to_tick and not ended and not run.record.interrupted:
        due = checkpoints.next_tick(run.tick)
        run.play(min(to_tick, due), until=over)
        goes_on = run.whole and not ended and not run.record.interrupted and run.tick == due
        if goes_on and to_an_episode(run, to_tick, seed=episode_seed(seed, due), until=over):
            save(run, Path(checkpoints.folder), checkpoints.keep)
            saved = run.tick
    if run.tick != saved and can_be_put_away(run):
        save(run, Path(checkpoints.folder), checkpoints.keep)


def put_away(run: VirtualRun, apart: Mapping[str, object]) -> bytes:
    """``run`` and all that belongs to it, but for what is ``apart``: by name, what the other side has of its own.

    Raises:
        CheckpointError: if the run cannot be put away here, with what to do.
    """
    if not run.whole:
        raise CheckpointError(f"the run broke off in the middle of tick {run.tick + 1} and cannot be gone on with")
    env = run.stepper.env
    state = snapshot(env)
    if state is None and not can_be_put_away(run):
        raise CheckpointError(
            f"{env} cannot be saved in the middle of an episode; "
            "try hocket.training.resumption.to_an_episode(run, ...) before"
        )
    return dump((run, state), {**apart, ENV: env})


def take_up(data: bytes, env: gym.Env[Any, Any], apart: Mapping[str, object]) -> VirtualRun:
    """The run that `put_away` gave as ``data``.

    Args:
        data: from a place you trust.
        env: new, made like the run's own.
        apart: by the names of `put_away`, what the run goes on with.

    Raises:
        CheckpointError: if it cannot be read, or ``env`` is of another kind.
    """
    run, state = load(data, {**apart, ENV: env})
    assert isinstance(run, VirtualRun)
    if state is not None:
        restore(env, state)
        return run
    observation, _ = env.reset(seed=run.stepper.episode_seed)
    if not np.array_equal(observation, run.stepper.observation):
        raise CheckpointError(
            f"{env} does not begin an episode alike for the same seed ({run.stepper.episode_seed}), and it cannot be "
            "saved in the middle of one; such a run cannot be gone on with"
        )
    return run


def to_an_episode(
    run: VirtualRun, to_tick: int, *, seed: int, until: Callable[[RunRecord], bool] | None = None
) -> bool:
    """Play on to where ``run`` can be put away: to the beginning of the next episode, which is seeded with ``seed``.

    An environment that can be saved at any time stays where it is. Otherwise this plays up to ``to_tick`` at most, or
    until ``until`` says so of the record.

    Returns:
        Whether the run can be put away now.
    """
    if snapshot(run.stepper.env) is not None:
        return run.whole
    run.stepper.next_seed = seed
    run.play(to_tick, until=lambda record: run.stepper.episode_ended or (until is not None and until(record)))
    return can_be_put_away(run)


def can_be_put_away(run: VirtualRun) -> bool:
    """Whether `put_away` would take ``run`` as it is."""
    seeded = run.stepper.episode_seed is not None and (run.tick == 0 or run.stepper.episode_ended)
    return run.whole and (seeded or snapshot(run.stepper.env) is not None)
