"""What ``hocket train --demonstrations`` does before the agent acts itself."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import gymnasium as gym

import hocket
from hocket.cli import show
from hocket.cli.learning import USUAL, TrainOptions
from hocket.cli.options import make_world
from hocket.errors import ConfigurationError

if TYPE_CHECKING:
    from hocket.learn.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

NEEDING = ("pretrain_updates", "pretrain_delay", "margin")


def learn_from_demonstrations(options: TrainOptions, network: QNetwork, algorithm: DeepQ) -> None:
    """Pre-train ``network``, if the options say so. A training that is gone on with has that behind it."""
    if options.demonstrations is None:
        for name in NEEDING:
            given = getattr(options, name)
            if given != getattr(USUAL, name):
                raise ConfigurationError(
                    f"--{name.replace('_', '-')} {given} needs --demonstrations; give a file, or leave it out"
                )
        return
    if options.resume is not None:
        return
    from hocket.learn.imitation import ImitatingDQN

    env = make_world(options)
    env.close()
    if not isinstance(env.action_space, gym.spaces.Discrete):
        raise ConfigurationError(f"learning needs Discrete actions, not {env.action_space}; {options.env} has others")
    demonstrations = hocket.Demonstrations.load(options.demonstrations)
    known = {field.name: getattr(algorithm, field.name) for field in fields(algorithm)}
    losses = hocket.pretrain(
        network,
        demonstrations,
        ImitatingDQN(**known, margin=options.margin, margin_weight=float(options.margin > 0)),
        actions=env.action_space,
        delay=options.pretrain_delay,
        updates=options.pretrain_updates,
        frame_stack=options.frame_stack,
        threads=options.threads,
        seed=options.seed,
    )
    show.say(
        f"pre-trained: {len(losses):,} updates on {demonstrations.episodes} episodes of mean return "
        f"{demonstrations.returns.mean():.4g}; loss {losses[-1]:.3g} in the end"
    )
