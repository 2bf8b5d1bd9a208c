"""`hocket bench train`: virtual training beside Stable-Baselines3's DQN and CleanRL's, with the same network.

Atari games with the IMPALA net, MinAtar games with the net of its paper, and observations of a few numbers with two
hidden layers. All have the same environment, batch, replay size, ε, warm-up and learning rate, and Stable-Baselines3's
settings where hocket's defaults are others: plain DQN without double selection, returns of one step (``n_step=1``),
Adam with ``adam_epsilon=1e-8``, a target network every so many steps of the environment (`Setting.target_every`), and
one update every four steps, of all copies together. Stable-Baselines3 and CleanRL get the layers of the same trunk and
head, without what hocket's own classes make of them. CleanRL's loss is the mean squared error, and it does not clip
gradients: less work, not more.

The trainings alternate in one process: after each block of steps, hocket's is paused inside its environment's step
while the others play as many, and the clock of each runs only during its own blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from hocket.bench.cleanrl import CleanRLLoop
from hocket.bench.stable_baselines import check_installed, dqn
from hocket.bench.update import check_bfloat16
from hocket.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import nn

EPSILON = 0.05
"""The share of random actions."""
ADAM_EPSILON = 1e-8
"""Torch's default, which the others use."""
EVERY = 4
"""Steps between two updates."""
HZ = 60
LATENCY_S = 0.01
"""Of hocket's inferences, in virtual time: less than a tick."""
PICTURE, MINATAR = (84, 84), (10, 10)

Trunk = Callable[[], "tuple[nn.Module, int]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The settings that all trainings of a kind of environment share."""

    trunk: Trunk
    learning_rate: float
    kept: int
    """Transitions in the replay."""
    target_every: int
    """Steps between two syncs of the target network."""
    episode: int
    """Steps of an episode."""
    block: int
    """Steps between two turns, and a half of those before learning begins."""
    threads: int
    """Torch threads."""


def bench_train(
    *,
    env: str = "ALE/Boxing-v5",
    envs: int = 1,
    width: float = 1.0,
    batch_size: int = 32,
    threads: int | None = None,
    block: int | None = None,
    repeats: int = 10,
    bfloat16: bool = False,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Medians over ``repeats`` blocks, after one of warm-up.

    Args:
        env: id of an environment, as for `hocket.envs.make_env`.
        envs: copies of it in hocket's training; the others have one.
        width: width of the IMPALA net.
        batch_size: transitions of an update.
        threads: torch threads; one for small networks, two for the IMPALA net by default.
        block: steps of a block, a multiple of four and of ``envs``; by the kind of environment by default.
        repeats: blocks that are timed.
        bfloat16: run hocket's trunks in bfloat16; the others stay float32.
        device: the device that all learn and act on.
        seed: seed of everything.

    Returns:
        ``steps_per_s``, ``sb3_steps_per_s``, ``cleanrl_steps_per_s`` and, of the first to each of the others,
        ``sb3_ratio`` and ``cleanrl_ratio``. On a device that is no CPU CleanRL's loop is left out: None.

    Raises:
        ConfigurationError: if bfloat16 is asked for, and the device has none; if the blocks do not come out even.
        HocketError: without Stable-Baselines3 or torch.
    """
    check_installed("hocket bench train")
    import torch

    if bfloat16:
        check_bfloat16(device)
    setting = _setting(env, width)
    block = setting.block if block is None else block
    if block % EVERY or block % envs:
        raise ConfigurationError(
            f"block={block} is no multiple of {EVERY} and of envs={envs}; try block={EVERY * envs}"
        )
    before = torch.get_num_threads()
    threads = setting.threads if threads is None else threads
    torch.set_num_threads(threads)
    try:
        return _bench(
            env,
            setting,
            envs=envs,
            batch_size=batch_size,
            threads=threads,
            block=block,
            repeats=repeats,
            bfloat16=bfloat16,
            device=device,
            seed=seed,
        )
    finally:
        torch.set_num_threads(before)


def _setting(id: str, width: float) -> Setting:
    """By the shape of the observations."""
    from hocket.envs import make_env
    from hocket.models.qnetwork import impala_trunk, minatar_trunk, mlp_trunk

    env = make_env(id)
    shape = env.observation_space.shape
    env.close()
    if not isinstance(env.action_space, gym.spaces.Discrete) or not shape:
        raise ConfigurationError(f"--env {id} has no Discrete actions; try --env minatar/breakout")
    if len(shape) == 3 and shape[1:] == PICTURE:
        return Setting(
            trunk=partial(impala_trunk, width, frames=shape[0]),
            learning_rate=1e-4,
            kept=10_000,
            target_every=10_000,
            episode=500,
            block=100,
            threads=2,
        )
    small = partial(Setting, learning_rate=2.5e-4, kept=100_000, target_every=1000, block=800, threads=1)
    if len(shape) == 3 and shape[:2] == MINATAR:
        return small(trunk=partial(minatar_trunk, shape[2]), episode=2500)
    if len(shape) == 1:
        return small(trunk=partial(mlp_trunk, shape[0]), episode=500)
    raise ConfigurationError(
        f"--env {id} has observations {shape}; Atari's pictures, MinAtar's planes and a row of numbers are allowed; "
        "try --env minatar/breakout"
    )


class _TakingTurns(gym.Wrapper[Any, Any, Any, Any]):
    """Times every ``block`` steps, and calls the other trainings between them."""

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
    setting: Setting,
    *,
    envs: int,
    batch_size: int,
    threads: int,
    block: int,
    repeats: int,
    bfloat16: bool,
    device: str,
    seed: int,
) -> dict[str, Any]:
    import torch
    from torch import nn

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
    from hocket.models.qnetwork import q_network
    from hocket.policies.devices import usable_device

    usable_device(device)

    def made() -> gym.Env[Any, Any]:
        return gym.wrappers.TimeLimit(make_env(id), setting.episode)

    actions = made().action_space
    assert isinstance(actions, gym.spaces.Discrete)

    def plain() -> nn.Module:
        layers, features = setting.trunk()
        assert isinstance(layers, nn.Sequential)
        return nn.Sequential(*layers, nn.Linear(features, int(actions.n)))

    torch.manual_seed(seed)
    theirs = dqn(
        made(),
        trunk=setting.trunk,
        device=device,
        learning_rate=setting.learning_rate,
        batch_size=batch_size,
        buffer_size=setting.kept,
        learning_starts=block // 2,
        train_freq=EVERY,
        gradient_steps=1,
        target_update_interval=setting.target_every,
        exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON,
        seed=seed,
    )
    cleanrl = None
    if device == "cpu":
        cleanrl = CleanRLLoop(
            made,
            plain,
            learning_rate=setting.learning_rate,
            batch_size=batch_size,
            buffer_size=setting.kept,
            learning_starts=block // 2,
            train_frequency=EVERY,
            target_network_frequency=setting.target_every,
            epsilon=EPSILON,
            seed=seed,
        )
    seconds: dict[str, list[float]] = {"sb3": [], "cleanrl": []}

    def turn() -> None:
        began = perf_counter()
        theirs.learn(block, log_interval=None, reset_num_timesteps=False)
        seconds["sb3"].append(perf_counter() - began)
        if cleanrl is not None:
            began = perf_counter()
            cleanrl.play(block)
            seconds["cleanrl"].append(perf_counter() - began)

    # The first of the copies is stepped first: its turn comes once the others' steps of the tick before are over.
    first = _TakingTurns(made(), block // envs, turn)
    copies = iter([first])
    torch.manual_seed(seed)
    train(
        lambda: next(copies, None) or made(),
        q_network(*setting.trunk(), int(actions.n)).to(device).for_learning(bfloat16=bfloat16),
        DQN(
            learning_rate=setting.learning_rate,
            adam_epsilon=ADAM_EPSILON,
            batch_size=batch_size,
            target_ticks=setting.target_every,
            n_step=1,
            double=False,
            bfloat16=bfloat16,
        ),
        TickDispatch(1),
        Virtual(hz=HZ, latency=Constant(LATENCY_S)),
        ticks=block * (1 + repeats),
        envs=envs,
        learner=RoundRobin(update_every_ticks=EVERY, warm_up_ticks=block // 2),
        acting=ActingOptions(epsilon=constant(EPSILON)),
        replay=ReplayOptions(capacity=setting.kept),
        evaluation=EvaluationOptions(episodes=0),
        threads=threads,
        seed=seed,
    )
    if cleanrl is not None:
        cleanrl.close()

    def rate(blocks: list[float]) -> float | None:
        return block / median(blocks[1:]) if blocks else None

    ours, sb3, other = rate(first.seconds), rate(seconds["sb3"]), rate(seconds["cleanrl"])
    assert ours is not None and sb3 is not None
    return {
        "steps_per_s": ours,
        "sb3_steps_per_s": sb3,
        "cleanrl_steps_per_s": other,
        "sb3_ratio": ours / sb3,
        "cleanrl_ratio": None if other is None else ours / other,
    }
