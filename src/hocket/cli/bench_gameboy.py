"""``hocket bench gameboy``."""

from __future__ import annotations

from pathlib import Path

from hocket.cli import console
from hocket.cli.options.env_args import parse_env_args
from hocket.envs.registration import BROUGHT_IDS, OWN_IDS
from hocket.errors import ConfigurationError


def gameboy(
    *, env: str = "hocket/Blocks-v0", env_args: str | None = None, ticks: int = 6000, json: Path | None = None
) -> None:
    """Speed of a Game Boy environment as a multiple of its own clock.

    Args:
        env: a Game Boy environment.
        env_args: its arguments as NAME=VALUE,…: rom=tetris.gb.
        ticks: length of the run, with random buttons.
        json: also write the figures to this file.
    """
    from hocket.bench.gameboy import bench_gameboy

    if ticks < 1:
        raise ConfigurationError(f"--ticks {ticks} must be at least 1; try --ticks 6000")
    if env not in (*OWN_IDS, *BROUGHT_IDS):
        raise ConfigurationError(f"--env {env} is no Game Boy game; see hocket envs; try hocket/Blocks-v0")
    console.check_writable(json=json)
    figures = bench_gameboy(env=env, ticks=ticks, **parse_env_args(env_args))
    console.write_json(json, figures)
    rows = [
        (
            name,
            console.microseconds(figures[f"{key}tick_s"]),
            console.microseconds(figures[f"{key}tick_cpu_s"]),
            f"{figures[f'{key}times_realtime']:.0f}",
        )
        for name, key in (("84x84", ""), ("144x160", "raw_"))
    ]
    console.table(f"{env}, a tick at 59.7275 Hz", ("observation", "wall clock", "processor", "times realtime"), rows)
