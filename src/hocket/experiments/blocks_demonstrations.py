"""Demonstrations of Hocket Blocks by its expert, to pre-train from, as the paper pre-trains Tetris.

    python -m hocket.experiments.blocks_demonstrations --out FILE.npz --episodes 10 --seed 0
    hocket train --env hocket/Blocks-v0 --demonstrations FILE.npz --margin 40 ...

The file is what `hocket.Demonstrations.save` writes: about 0.1 KB a tick on disk, 7 KB in memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import hocket
from hocket.envs import make_env
from hocket.envs.gameboy import GameBoyEnv
from hocket.envs.gameboy.blocks_expert import BlocksExpert
from hocket.envs.gameboy.buttons import NONE, PLAYED
from hocket.envs.registration import BLOCKS_ID
from hocket.errors import ConfigurationError

EPISODES = 10
TICKS = 3600
"""The most ticks of an episode: a minute."""


def expert_policy(env: gym.Env[Any, Any], *, random_share: float = 0.0, seed: int = 0) -> Callable[[Any], int]:
    """The expert as a policy; it reads the game's memory and ignores its observation.

    Args:
        env: Hocket Blocks, wrapped or not.
        random_share: share of ticks in which a random action is executed instead, so that the data hold more than the
            expert's choices.
        seed: seed of the random actions.

    Raises:
        ConfigurationError: if the share is out of range.
    """
    if not 0 <= random_share <= 1:
        raise ConfigurationError(f"random_share={random_share!r} must be between 0 and 1; try 0.05")
    game = env.unwrapped
    assert isinstance(game, GameBoyEnv)
    expert, rng = BlocksExpert(game.read, fresh_press=game.fresh_press), np.random.default_rng(seed)

    def act(observation: Any) -> int:
        action = expert()
        if rng.random() < random_share:
            expert.last = action = int(rng.integers(len(PLAYED)))
        return action

    return act


def expert_demonstrations(
    episodes: int,
    *,
    ticks: int = TICKS,
    seed: int = 0,
    random_share: float = 0.0,
    fresh_press: bool = False,
    interval_ticks: int = 1,
) -> hocket.Demonstrations:
    """Record episodes of the expert.

    Args:
        episodes: number of episodes.
        ticks: length at which an episode is truncated.
        seed: seed of the first reset and of the random actions.
        random_share: see `expert_policy`.
        fresh_press: option of the environment.
        interval_ticks: as of `hocket.demonstrate`; the other ticks press nothing.

    Raises:
        ConfigurationError: if a number is out of range.
    """
    if ticks < 1:
        raise ConfigurationError(f"ticks={ticks!r} must be at least 1; try {TICKS}")
    env = gym.wrappers.TimeLimit(make_env(BLOCKS_ID, fresh_press=fresh_press), ticks)
    try:
        policy = expert_policy(env, random_share=random_share, seed=seed)
        return hocket.demonstrate(
            env, policy, episodes=episodes, seed=seed, interval_ticks=interval_ticks, between=NONE
        )
    finally:
        env.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file to write, .npz")
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--ticks", type=int, default=TICKS, help="most ticks of an episode")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random-share", type=float, default=0.0, help="share of ticks with a random action instead")
    parser.add_argument("--interval", type=int, default=1, help="ticks between two actions, for --rule sequential")
    parser.add_argument("--fresh-press", action="store_true", help="with --env-args fresh_press=True in training")
    options = parser.parse_args()
    try:
        shown = expert_demonstrations(
            options.episodes,
            ticks=options.ticks,
            seed=options.seed,
            random_share=options.random_share,
            fresh_press=options.fresh_press,
            interval_ticks=options.interval,
        )
        shown.save(options.out)
    except ConfigurationError as error:
        parser.error(str(error))
    size = options.out.stat().st_size
    print(
        f"{options.out}: {shown.episodes} episodes, {len(shown.actions):,} ticks, mean return "
        f"{shown.returns.mean():,.0f}, {size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
