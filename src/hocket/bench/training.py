"""`hocket bench train`: virtual training on Boxing, beside Stable-Baselines3's DQN with the same network.

The same environment (84x84 grey frames, no frame skip), IMPALA net, batch, replay size, ε and algorithm (plain DQN
without double selection), and one update every four steps. They alternate in one process: after each block of
steps, hocket's training is paused inside its environment's step while Stable-Baselines3 plays as many, and the clock
of each runs only during its own blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import gymnasium as gym

from hocket.bench.stable_baselines import check_installed, dqn
from hocket.bench.update import check_bfloat16

LEARNING_RATE = 1e-4
EPSILON = 0.05
EVERY = 4
"""Steps between two updates."""
KEPT = 10_000
"""Transitions in the replay."""
EPISODE = 500
"""Steps of an episode; the final evaluation plays a whole one."""


def bench_train(
    *,
    id: str = "ALE/Boxing-v5",
    width: float = 1.0,
    batch_size: int = 32,
    threads: int = 2,
    block: int = 100,
    repeats: int = 10,
    bfloat16: bool = False,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Medians over ``repeats`` blocks, after one of warm-up.

    Args:
        id: id of an environment with pictures (1, 84, 84).
        width: width of the IMPALA net.
        batch_size: transitions of an update.
        threads: torch threads.
        block: steps of a block, a multiple of four.
        repeats: blocks that are timed.
        bfloat16: run hocket's trunks in bfloat16; Stable-Baselines3's stay float32.
        device: the device that both learn and act on.
        seed: seed of everything.

    Returns:
        ``steps_per_s`` and ``sb3_steps_per_s``.

    Raises:
        ConfigurationError: if bfloat16 is asked for, and the device has none.
        HocketError: without Stable-Baselines3 or torch.
    """
    check_installed("hocket bench train")
    if bfloat16:
        check_bfloat16(device)
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _bench(id, width, batch_size, threads, block, repeats, bfloat16, device, seed)
    finally:
        torch.set_num_threads(before)


class _TakingTurns(gym.Wrapper[Any, Any, Any, Any]):
    """Times every ``block`` steps, and calls the other training between them."""

    def __init__(self, env: gym.Env[Any, Any], block: int, turn: Callable[[], None]) -> None:
        super().__init__(env)
        self._block, self._turn, self._steps = block, turn, 0
        self._began = perf_counter()
        self.seconds: list[float] = []

    def step(self, action: Any) -> Any:
        result = super().step(action)
        self._steps += 1
        if self._steps % self._block == 0:
            self.seconds.append(perf_counter() - self._began)
            self._turn()
            self._began = perf_counter()
        return result


def _bench(
    id: str,
    width: float,
    batch_size: int,
    threads: int,
    block: int,
    repeats: int,
    bfloat16: bool,
    device: str,
    seed: int,
) -> dict[str, Any]:
    import torch

    from hocket import (
        ActingOptions,
        Constant,
        EvaluationOptions,
        ReplayOptions,
        RoundRobin,
        TickDispatch,
        Virtual,
        train,
    )
    from hocket.envs import make_env
    from hocket.learn.algorithms.dqn import DQN
    from hocket.learn.algorithms.schedules import constant
    from hocket.models.qnetwork import impala_trunk, q_network
    from hocket.policies.devices import usable_device

    usable_device(device)

    def made() -> gym.Env[Any, Any]:
        return gym.wrappers.TimeLimit(make_env(id), EPISODE)

    theirs = dqn(
        made(),
        width=width,
        device=device,
        learning_rate=LEARNING_RATE,
        batch_size=batch_size,
        buffer_size=KEPT,
        learning_starts=block // 2,
        train_freq=EVERY,
        gradient_steps=1,
        target_update_interval=10_000,
        exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON,
        seed=seed,
    )
    seconds: list[float] = []

    def turn() -> None:
        began = perf_counter()
        theirs.learn(block, log_interval=None, reset_num_timesteps=False)
        seconds.append(perf_counter() - began)

    first = _TakingTurns(made(), block, turn)
    envs = iter([first])
    torch.manual_seed(seed)
    trunk, features = impala_trunk(width)
    assert isinstance(first.action_space, gym.spaces.Discrete)
    train(
        lambda: next(envs, None) or made(),
        q_network(trunk, features, int(first.action_space.n)).to(device).for_learning(bfloat16=bfloat16),
        DQN(learning_rate=LEARNING_RATE, batch_size=batch_size, double=False, bfloat16=bfloat16),
        TickDispatch(1),
        Virtual(hz=60, latency=Constant(0.01)),
        ticks=block * (1 + repeats),
        learner=RoundRobin(update_every=EVERY, warm_up=block // 2),
        acting=ActingOptions(epsilon=constant(EPSILON)),
        replay=ReplayOptions(capacity=KEPT),
        evaluation=EvaluationOptions(every=block * (2 + repeats), episodes=1),
        threads=threads,
        seed=seed,
    )
    return {"steps_per_s": block / median(first.seconds[1:]), "sb3_steps_per_s": block / median(seconds[1:])}
