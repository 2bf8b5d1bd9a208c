"""`hocket bench gameboy`: the emulator's speed as a multiple of the Game Boy's own clock."""

from __future__ import annotations

from time import perf_counter, process_time
from typing import Any

import numpy as np

from hocket.core.cadence import exact_hz
from hocket.envs import make_env
from hocket.envs.gameboy.emulator import GAMEBOY_HZ

HOLD = 8
"""Ticks that each random button is held for."""


def bench_gameboy(*, env: str = "hocket/Blocks-v0", ticks: int = 6000, seed: int = 0, **options: Any) -> dict[str, Any]:
    """Play ``ticks`` with random buttons: with 84x84 observations, then raw screens. Resets do not count.

    Returns:
        Seconds a tick by the wall clock (``tick_s``, ``raw_tick_s``) and of the processor (``tick_cpu_s``,
        ``raw_tick_cpu_s``), and ``times_realtime`` and ``raw_times_realtime``, by the wall clock.
    """
    period_s = float(1 / exact_hz(GAMEBOY_HZ))
    figures: dict[str, Any] = {"env": env, "ticks": ticks}
    for name, raw in (("", False), ("raw_", True)):
        wall_s, cpu_s = _play(env, ticks, seed, raw=raw, **options)
        figures[f"{name}tick_s"], figures[f"{name}tick_cpu_s"] = wall_s / ticks, cpu_s / ticks
        figures[f"{name}times_realtime"] = period_s * ticks / wall_s
    return figures


def _play(env: str, ticks: int, seed: int, **options: Any) -> tuple[float, float]:
    """Wall-clock and processor seconds of the steps."""
    world = make_env(env, **options)
    try:
        boy = world.unwrapped
        rng = np.random.default_rng(seed)
        boy.reset(seed=seed)
        wall_s = cpu_s = 0.0
        for begin in range(0, ticks, HOLD):
            action = int(rng.integers(boy.action_space.n))  # type: ignore[attr-defined]
            ended = False
            began_s, began_cpu_s = perf_counter(), process_time()
            for _ in range(min(HOLD, ticks - begin)):
                _, _, terminated, _, _ = boy.step(action)
                ended = ended or terminated
            wall_s += perf_counter() - began_s
            cpu_s += process_time() - began_cpu_s
            if ended:
                boy.reset()
        return wall_s, cpu_s
    finally:
        world.close()
