"""Learning from demonstrations: `hocket.pretrain`, and the replay of demonstrations that it and a training sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hocket.errors import ConfigurationError, check_whole
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.mixed_replay import MixedReplay
from hocket.learn.replay.replay import Replay
from hocket.training.options import DemonstrationOptions, ReplayOptions

if TYPE_CHECKING:
    import gymnasium as gym

    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

UPDATES = 16_000
_REPLAY = ReplayOptions()


def pretrain(
    shown: DemonstrationOptions,
    network: QNetwork,
    algorithm: DeepQ,
    *,
    actions: gym.spaces.Discrete,
    updates: int = UPDATES,
    replay: ReplayOptions = _REPLAY,
    threads: int = 1,
    seed: int = 0,
    on_update: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Learn from demonstrations alone, as the paper does before Tetris (Riemer et al. 2025: 16,000 updates).

    Plain Q-learning has no data on actions that were never taken, and may rate them high;
    `hocket.learn.algorithms.imitating_dqn.ImitatingDQN` keeps them below the demonstrated one. An update counts as a
    tick, for the target network and for schedules.

    Args:
        shown: the demonstrations, and the delay and interval that they are read with. Its share is for `hocket.train`.
        network: trained in place. Give it to `hocket.train` afterwards, with ``demonstrations=shown``.
        algorithm: of learning.
        actions: the environment's action space.
        updates: how many.
        replay: ``frame_stack``, ``reward_scale`` and ``clip_reward`` count, and are the training's.
        threads: torch's.
        seed: of sampling.
        on_update: called after every update with its number from 1 on and its loss.

    Returns:
        the loss of every update.

    Raises:
        ConfigurationError: if something does not fit.
        DivergenceError: if a loss is not finite.
    """
    import torch

    from hocket.learn.learners.split_update import Updates

    for name, value in (("updates", updates), ("threads", threads)):
        check_whole(name, value, example=1, numpy=True)
    torch.set_num_threads(threads)
    demonstrations = demonstration_replay(shown, network, algorithm, actions=actions, options=replay)
    try:
        mixed = MixedReplay(None, demonstrations, shown.share)
        made = Updates(algorithm=algorithm, network=network, replay=mixed, seed=np.random.SeedSequence(seed))
        losses = []
        for number in range(updates):
            gradient = made.gradient(number)
            made.land(gradient)
            losses.append(gradient.result.loss)
            if on_update is not None:
                on_update(number + 1, losses[-1])
        return losses
    finally:
        demonstrations.close()


def demonstration_replay(
    shown: DemonstrationOptions,
    network: QNetwork,
    algorithm: DeepQ,
    *,
    actions: gym.spaces.Discrete,
    options: ReplayOptions,
) -> Replay:
    """A replay of the transitions that an agent with ``network`` would have made of ``shown``; to be closed.

    Each decision begins a transition, of ``algorithm.n_step`` decisions.

    Raises:
        ConfigurationError: if the demonstrations do not fit the environment, or hold no transition.
    """
    demonstrations = shown.demonstrations
    numbers, observations = demonstrations.actions, demonstrations.observations
    if not all(actions.contains(np.int64(action)) for action in np.unique(numbers)):
        raise ConfigurationError(
            f"demonstrated actions from {numbers.min()} to {numbers.max()} do not fit {actions}; "
            "give demonstrations of the same environment"
        )
    stacked, newest = options.frame_stack > 1, network.newest is not None
    replay = Replay(
        len(numbers),
        observations.shape[2:] if stacked else observations.shape[1:],
        observations.dtype,
        stack=options.frame_stack if stacked else None,
        pending=network.pending,
        newest=newest,
        alpha=algorithm.alpha,
    )
    try:
        collector = Collector(
            replay,
            gamma=algorithm.gamma,
            first_action=int(actions.start),
            stacked=stacked,
            rewards=options.rewards,
            n_step=algorithm.n_step,
            unknown=int(actions.n),
        )
        collector.began(observations[0])
        told = actions if network.pending else None
        moments = demonstrations.moments(
            shown.delay_ticks,
            interval_ticks=shown.interval_ticks,
            told=told,
            pending=network.pending,
            newest=newest,
        )
        for moment in moments:
            collector.ticked(moment)
        if collector.error is not None:
            raise ConfigurationError(collector.error)
        if not len(replay):
            raise ConfigurationError(f"no episode is longer than delay_ticks={shown.delay_ticks}; try a shorter one")
    except BaseException:
        replay.close()
        raise
    return replay
