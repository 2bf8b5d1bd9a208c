"""`hocket.pretrain`: learn from demonstrations before the agent acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hocket.errors import ConfigurationError, check_whole
from hocket.training.demonstrations import Demonstrations

if TYPE_CHECKING:
    import gymnasium as gym

    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

UPDATES = 16_000


def pretrain(
    demonstrations: Demonstrations,
    network: QNetwork,
    algorithm: DeepQ,
    *,
    actions: gym.spaces.Discrete,
    delay_ticks: int = 1,
    updates: int = UPDATES,
    frame_stack: int = 1,
    threads: int = 1,
    seed: int = 0,
    on_update: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Learn from ``demonstrations`` alone, as the paper does before Tetris (Riemer et al. 2025: 16,000 updates).

    Plain Q-learning has no data on actions that were never taken, and may rate them high;
    `hocket.learn.algorithms.imitating_dqn.ImitatingDQN` keeps them below the demonstrated one.

    Args:
        network: trained in place; one that takes no pending actions. Give it to `hocket.train` afterwards.
        algorithm: of learning.
        actions: the environment's action space.
        delay_ticks: as if the actions had been decided so long before they were executed.
        updates: how many.
        frame_stack: as of `hocket.ReplayOptions`.
        threads: torch's.
        seed: of sampling.
        on_update: called after every update with its number from 1 on and its loss.

    Returns:
        the loss of every update.

    Raises:
        ConfigurationError: if something does not fit.
        DivergenceError: if a loss is not finite.
    """
    import numpy as np
    import torch

    from hocket.learn.learners.split_update import Updates
    from hocket.learn.replay.collector import Collector
    from hocket.learn.replay.replay import Replay

    for name, value in (
        ("delay_ticks", delay_ticks),
        ("updates", updates),
        ("frame_stack", frame_stack),
        ("threads", threads),
    ):
        check_whole(name, value, example=1, numpy=True)
    if network.pending:
        raise ConfigurationError(
            f"this network takes {network.pending} pending actions, which demonstrations do not contain; try "
            "q_network(..., pending=0)"
        )
    numbers = demonstrations.actions
    if not all(actions.contains(np.int64(action)) for action in np.unique(numbers)):
        raise ConfigurationError(
            f"demonstrated actions from {numbers.min()} to {numbers.max()} do not fit {actions}; "
            "give demonstrations of the same environment"
        )
    torch.set_num_threads(threads)
    observations, stacked = demonstrations.observations, frame_stack > 1
    replay = Replay(
        len(numbers),
        observations.shape[2:] if stacked else observations.shape[1:],
        observations.dtype,
        stack=frame_stack if stacked else None,
        n_step=algorithm.n_step,
        alpha=algorithm.alpha,
    )
    try:
        collector = Collector(replay, gamma=algorithm.gamma, first_action=int(actions.start), stacked=stacked)
        collector.began(observations[0])
        for moment in demonstrations.moments(delay_ticks):
            collector.ticked(moment)
        if collector.error is not None:
            raise ConfigurationError(collector.error)
        if not len(replay):
            raise ConfigurationError(f"no episode is longer than delay_ticks={delay_ticks}; try a shorter one")
        made = Updates(algorithm=algorithm, network=network, replay=replay, seed=np.random.SeedSequence(seed))
        losses = []
        for number in range(updates):
            gradient = made.gradient(number)
            made.land(gradient)
            losses.append(gradient.result.loss)
            if on_update is not None:
                on_update(number + 1, losses[-1])
        return losses
    finally:
        replay.close()
