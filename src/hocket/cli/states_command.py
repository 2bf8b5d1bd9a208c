"""``hocket states``: a pool of save states from a running Game Boy game."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from hocket.cli import console
from hocket.cli.options.env_args import parse_env_args
from hocket.cli.options.numbers import check_numbers
from hocket.cli.options.typed import check_needs, need
from hocket.drivers.interrupt import between_ticks
from hocket.envs import make_env
from hocket.envs.gameboy.buttons import NONE
from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.gameboy.states import write_state
from hocket.envs.registration import BROUGHT_IDS, OWN_IDS
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesArguments:
    """The options of ``hocket states``."""

    env: str = "hocket/Blocks-v0"
    """A Game Boy environment; see: hocket envs."""
    env_args: str | None = None
    """Its arguments as NAME=VALUE,…: rom=tetris.gb."""
    out: Path = Path("states")
    """Folder that the states are added to."""
    count: int = 20
    """Number of states to save."""
    every: int = 600
    """Ticks between two states."""
    policy: Literal["random", "noop"] = "random"
    """The policy that presses the buttons."""
    hold: int = 8
    """Ticks that a random button is held for."""
    seed: int = 0
    """Seed of the environment and of the buttons."""


_USUAL = StatesArguments()


def states(options: Annotated[StatesArguments, tyro.conf.arg(name="")] = _USUAL) -> None:
    """Make a pool of save states: play, and save the state at fixed intervals.

    hocket run --env hocket/Blocks-v0 --env-args states=FOLDER begins its episodes with them. By hand: hocket play.
    """
    check_numbers(options)
    check_needs(options, {"hold": need("policy", "random")})
    if options.env not in (*OWN_IDS, *BROUGHT_IDS):
        raise ConfigurationError(f"--env {options.env} is no Game Boy game; see hocket envs; try hocket/Blocks-v0")
    console.check_writable(out=options.out)
    env = make_env(options.env, **parse_env_args(options.env_args))
    boy = env.unwrapped
    assert isinstance(boy, GameBoyEnv)
    rng = np.random.default_rng(options.seed)
    with closing(env), between_ticks() as interrupt:  # raised within PyBoy, Ctrl-C may be lost
        env.reset(seed=options.seed)
        action, ended = NONE, 0
        for tick in range(options.count * options.every):
            if interrupt.requested:
                raise interrupt.error()
            if options.policy == "random" and tick % options.hold == 0:
                action = int(rng.integers(boy.action_space.n))
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                ended += 1
                env.reset()
            if (tick + 1) % options.every == 0:
                write_state(options.out, boy.save_state(), rom_sha256=boy.rom.sha256)
    console.say(f"{options.count} save states in {options.out}; {ended} episodes ended on the way")
