"""Suspends runs in virtual time in their middle, and resumes them later, elsewhere, bit for bit.

The environment is suspended with the run where it can be. Where it cannot, a run can be suspended at the end of an
episode whose successor was seeded: `play_to_suspendable` plays up to there, and the resumed run resets to the same
seed. A run that is compared with a resumed one must then do the same at the same tick.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.description import text
from hocket.drivers.lockstep import Lockstep
from hocket.drivers.virtual import Virtual, VirtualRun
from hocket.envs.state import global_states, restore, snapshot
from hocket.envs.verification import equal, verify_snapshot
from hocket.errors import CheckpointError
from hocket.hooks.record import RunRecord
from hocket.learn.checkpoints.pickling import dump, load
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.defaults import Default, bound
from hocket.training.options import Checkpoints
from hocket.training.shadow import FOLLOWED_TICKS, Shadow

ENV = "env"

PlayedRun = VirtualRun | Lockstep
"""A run in virtual time, or several copies in lockstep."""


def episode_seed(seed: int, tick: int) -> int:
    """Of the episode that begins first after ``tick``, in a run of ``seed``."""
    return int(np.random.SeedSequence((seed, 0, tick)).generate_state(1)[0])


def play_with_checkpoints(
    run: PlayedRun,
    to_tick: int,
    *,
    seed: int,
    until: Callable[[RunRecord], bool],
    checkpoints: Checkpoints,
    save: Callable[[PlayedRun, Path, int], None],
    mid_episode: bool,
    make_env: Callable[[], gym.Env[Any, Any]],
    withdraw: Callable[[str], bool],
) -> None:
    """Play up to ``to_tick``, or until ``until`` is true of the record, or Ctrl-C, and call ``save`` on the way.

    ``save`` gets the run, the folder, and how many checkpoints to keep; it is called at the end too, if the run can be
    suspended there. ``mid_episode`` is whether the environment can be saved in the middle of an episode. Ticks of the
    checkpoints are those of all copies together, ``to_tick`` is one copy's.

    An environment of ``make_env``, in which that of the first checkpoint is restored, follows the run for a few ticks.
    If it differs, ``withdraw`` is called with the difference, and returns a new ``mid_episode``.
    """
    copies = len(run.runs)
    ended, saved, followed = False, -1, False

    def over(record: RunRecord) -> bool:
        nonlocal ended
        ended = until(record)
        return ended

    def play(tick: int) -> bool:
        run.play(tick, until=over)
        return run.whole and not ended and not run.record.interrupted

    def next_due() -> int:
        return -(-checkpoints.next_tick(run.tick * copies) // copies)

    while run.tick < to_tick and not ended and not run.record.interrupted:
        due = next_due()
        continues = play(min(to_tick, due)) and run.tick == due
        if continues and play_to_suspendable(
            run, to_tick, seed=episode_seed(seed, due), until=over, mid_episode=mid_episode
        ):
            save(run, Path(checkpoints.folder), checkpoints.keep)
            saved = run.tick
            if mid_episode and not followed:
                followed = True
                difference = _play_with_shadow(run, min(to_tick, next_due()), play, make_env)
                if difference is not None:
                    mid_episode = withdraw(difference)
    if run.tick != saved and can_suspend(run, mid_episode=mid_episode):
        save(run, Path(checkpoints.folder), checkpoints.keep)


def _play_with_shadow(
    run: PlayedRun, to_tick: int, play: Callable[[int], bool], make_env: Callable[[], gym.Env[Any, Any]]
) -> str | None:
    """Play at most `FOLLOWED_TICKS`, followed by a shadow of the first environment; return its difference, if any."""
    shadow = Shadow(run.runs[0].stepper, make_env)
    to_tick = min(to_tick, run.tick + FOLLOWED_TICKS)
    continues = True
    try:
        while continues and shadow.difference is None and run.tick < to_tick:
            chance = global_states()
            continues = play(run.tick + 1)
            if run.whole:
                shadow.follow(chance)
    finally:
        shadow.close()
    return shadow.difference


def suspend_run(run: PlayedRun, apart: Mapping[str, object], *, mid_episode: bool = True) -> bytes:
    """``run`` and all that belongs to it as bytes, without what is ``apart``: by name, what the resumed run has anew.

    ``mid_episode`` is whether the environment may be saved in the middle of an episode.

    Raises:
        CheckpointError: if the run cannot be suspended here, with what to do.
    """
    if not run.whole:
        raise CheckpointError(f"the run broke off in the middle of tick {run.tick + 1} and cannot be resumed")
    envs = [each.stepper.env for each in run.runs]
    states = [snapshot(env) if mid_episode else None for env in envs]
    if None in states and not can_suspend(run, mid_episode=mid_episode):
        raise CheckpointError(
            f"{envs[0]} cannot be saved in the middle of an episode; "
            "try hocket.training.resumption.play_to_suspendable(run, ...) before"
        )
    return dump((run, states), {**apart, **_named(envs)})


def resume_run(data: bytes, envs: Sequence[gym.Env[Any, Any]], apart: Mapping[str, object]) -> PlayedRun:
    """The run that `suspend_run` gave as ``data``.

    Args:
        data: from a place you trust.
        envs: new, made like the run's own, one for each copy.
        apart: by the names of `suspend_run`, the objects that the run has anew.

    Raises:
        CheckpointError: if it cannot be read, or an environment is of another kind.
    """
    run, states = load(data, {**apart, **_named(envs)})
    assert isinstance(run, VirtualRun | Lockstep)
    for env, state in zip(envs, states, strict=True):
        if state is not None:
            restore(env, state)
    if None not in states:
        return run
    assert isinstance(run, VirtualRun)
    (env,) = envs
    observation, _ = CheckedEnv(env).reset(seed=run.stepper.episode_seed)
    if not equal(observation, run.stepper.observation):
        raise CheckpointError(
            f"{env} does not begin an episode alike for the same seed ({run.stepper.episode_seed}), and it cannot be "
            "saved in the middle of one; such a run cannot be resumed"
        )
    return run


def _named(envs: Sequence[gym.Env[Any, Any]]) -> dict[str, object]:
    """The environments of a run by the names that its pickle has for them."""
    return {f"{ENV}.{copy}" if copy else ENV: env for copy, env in enumerate(envs)}


def play_to_suspendable(
    run: PlayedRun,
    to_tick: int,
    *,
    seed: int,
    until: Callable[[RunRecord], bool] | None = None,
    mid_episode: bool = True,
) -> bool:
    """Play on to where ``run`` can be suspended: to the beginning of the next episode, which is seeded with ``seed``.

    An environment that can be saved at any time stays where it is. Otherwise this plays up to ``to_tick`` at most, or
    until ``until`` says so of the record.

    Returns:
        Whether the run can be suspended now.
    """
    if mid_episode and all(snapshot(each.stepper.env) is not None for each in run.runs):
        return run.whole
    assert isinstance(run, VirtualRun), "copies are only saved in the middle of their episodes"
    run.stepper.next_seed = seed
    run.play(to_tick, until=lambda record: run.stepper.episode_ended or (until is not None and until(record)))
    return can_suspend(run, mid_episode=mid_episode)


def can_suspend(run: PlayedRun, *, mid_episode: bool = True) -> bool:
    """True if `suspend_run` would take ``run`` as it is."""
    if not run.whole:
        return False
    if isinstance(run, VirtualRun):
        stepper = run.stepper
        if stepper.episode_seed is not None and (run.tick == 0 or stepper.episode_ended):
            return True
    return mid_episode and all(snapshot(each.stepper.env) is not None for each in run.runs)


def check_savable(clock: Virtual, default: Default, space: gym.spaces.Space[Any]) -> None:
    """Refuse a law of ``clock`` or a ``default`` whose state cannot be saved, before a run under them begins.

    Raises:
        CheckpointError: names it.
    """
    rng = np.random.default_rng(0)
    parts: dict[str, Any] = {
        f"{name}={text(law)}": law.checked_sampler(rng)
        for name, law in (("latency", clock.latency), ("head", clock.head), ("learning", clock.learning))
    }
    parts[f"default={text(default)}"] = bound(default, space, rng)
    for name, part in parts.items():
        try:
            dump(part, {})
        except CheckpointError as error:
            raise CheckpointError(
                f"{name} cannot be saved in checkpoints ({error.__cause__}); a law's sampler and a default's function "
                "must be functions of a module, or objects of its classes; try such a class with __call__, or no "
                "checkpoints"
            ) from error


def can_save_mid_episode(make_env: Callable[[], gym.Env[Any, Any]], name: str) -> bool:
    """True if environments of ``make_env`` can be saved in the middle of an episode; warns of what cannot be saved."""
    reason = verify_snapshot(make_env)
    if reason is None:
        return True
    message = (
        f"{name} cannot be saved in the middle of an episode: {reason}. So each checkpoint is made where the next "
        "episode begins, with a seed of its own, and none at the end of the training"
    )
    difference = verify_episodes(make_env)
    if difference is not None:
        message = (
            f"checkpoints of this training hold the weights, but it cannot be resumed bit for bit: {reason}; and "
            f"{difference}"
        )
    warnings.warn(message, RuntimeWarning, stacklevel=2)
    return False


def verify_episodes(make_env: Callable[[], gym.Env[Any, Any]], *, steps: int = 200, seed: int = 0) -> str | None:
    """Compares an episode of a new environment with one, reset with the same seed, of an environment that was played.

    Returns:
        None if they are equal, else the difference.
    """
    played, new = CheckedEnv(make_env()), CheckedEnv(make_env())
    try:
        space = copy.deepcopy(new.env.action_space)
        space.seed(seed)
        actions = [space.sample() for _ in range(steps)]
        list(_episode(played, actions, seed))
        # One after the other: in one process both may draw from the same generator.
        first = list(_episode(played, actions, seed + 1))
        second = list(_episode(new, actions, seed + 1))
    finally:
        played.env.close()
        new.env.close()
    for step, (one, other) in enumerate(zip(first, second, strict=False)):
        if not np.array_equal(one[0], other[0]) or one[1:] != other[1:]:
            return (
                f"two episodes of {new.name} with the same seed differ after {step} steps; try drawing all chance from "
                "self.np_random, and setting all state in reset"
            )
    return None


def _episode(env: CheckedEnv, actions: list[Any], seed: int) -> Iterator[tuple[Any, float, bool, bool]]:
    """Observation, reward, terminated and truncated of the reset and of each step, to the first end."""
    yield np.array(env.reset(seed=seed)[0]), 0.0, False, False
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(copy.deepcopy(action))
        yield np.array(observation), reward, terminated, truncated
        if terminated or truncated:
            return
