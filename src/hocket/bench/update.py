"""`hocket bench update`: one DQN update beside Stable-Baselines3's ``DQN.train``, with the same network and batch.

Both get the same starting weights, the same transitions (arrays, already sampled) and the same options,
Stable-Baselines3's: plain DQN without double selection. They alternate, so that other load on the machine affects
both alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from hocket.bench.stable_baselines import check_installed, dqn
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError

LEARNING_RATE = 1e-4
COMPARED = 5
"""Updates whose losses are compared; later, rounding differences grow as in any learning."""


def bench_update(
    *,
    width: float = 1.0,
    batch_size: int = 32,
    actions: int = 18,
    threads: int = 2,
    repeats: int = 20,
    bfloat16: bool = False,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Time ``repeats`` updates after the first `COMPARED`; times are medians.

    Args:
        width: width of the IMPALA net.
        batch_size: transitions of an update.
        actions: actions of the net.
        threads: torch threads.
        repeats: updates that are timed.
        bfloat16: also time updates with bfloat16 trunks.
        device: the device that both learn on.
        seed: seed of weights and transitions.

    Returns:
        ``update_s`` in float32, ``update_bfloat16_s`` likewise with bfloat16 trunks, ``update_double_s`` in float32
        with double selection, which Stable-Baselines3 lacks, ``sb3_update_s``, and ``loss_difference`` and
        ``loss_difference_bfloat16``: the largest relative difference from Stable-Baselines3's over the first updates.
        Those with bfloat16 are there if it was asked for. On a GPU also ``update_uncaptured_s``, with a launch for
        each kernel as Stable-Baselines3 has it.

    Raises:
        ConfigurationError: if bfloat16 is asked for, and the device has none.
        HocketError: without Stable-Baselines3 or torch.
    """
    check_installed("hocket bench update")
    if bfloat16:
        check_bfloat16(device)
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _bench(width, batch_size, actions, repeats, bfloat16, device, seed)
    finally:
        torch.set_num_threads(before)


def check_bfloat16(device: str) -> None:
    """Refuse ``device`` if it does not compute in bfloat16.

    Raises:
        ConfigurationError: if it does not, or cannot be used.
    """
    import torch

    from hocket.models.qnetwork import has_bfloat16
    from hocket.policies.devices import usable_device

    usable_device(device)
    if not (torch.cuda.is_bf16_supported() if device.startswith("cuda") else has_bfloat16()):
        raise ConfigurationError(
            f"bfloat16=True: {device} does not compute in bfloat16; a GPU, or a processor with AVX512-BF16 or AMX "
            "does; try device='cuda' (--device cuda), or leave bfloat16 out"
        )


def _bench(
    width: float, batch_size: int, actions: int, repeats: int, bfloat16: bool, device: str, seed: int
) -> dict[str, Any]:
    import torch

    from hocket.learn.replay.assembly import Batch
    from hocket.models.qnetwork import impala_trunk, q_network
    from hocket.policies.devices import usable_device

    usable_device(device)

    def network(seed: int) -> Any:
        torch.manual_seed(seed)
        trunk, features = impala_trunk(width)
        return q_network(trunk, features, actions)

    rng = np.random.default_rng(seed)
    batch = Batch(
        states=rng.integers(0, 256, (batch_size, 1, 84, 84), np.uint8),
        actions=rng.integers(actions, size=batch_size),
        rewards=rng.standard_normal(batch_size).astype(np.float32),
        discounts=(0.99 * (rng.random(batch_size) > 0.1)).astype(np.float32),
        next_states=rng.integers(0, 256, (batch_size, 1, 84, 84), np.uint8),
        pending=np.zeros((batch_size, 0), np.int64),
        next_pending=np.zeros((batch_size, 0), np.int64),
        newest=np.zeros((batch_size, 0), np.uint8),
        next_newest=np.zeros((batch_size, 0), np.uint8),
        delays=np.zeros(batch_size, np.int64),
        next_delays=np.zeros(batch_size, np.int64),
        present=np.zeros((batch_size, 0), np.uint8),
        next_present=np.zeros((batch_size, 0), np.uint8),
        weights=np.ones(batch_size, np.float32),
        indices=np.arange(batch_size),
    )
    online, target = network(seed).state_dict(), network(seed + 1).state_dict()

    def ours(captured: bool = True, **options: Any) -> Callable[[], float]:
        from hocket.learn.algorithms.dqn import DQN

        algorithm = DQN(learning_rate=LEARNING_RATE, adam_epsilon=1e-8, batch_size=batch_size, **options)
        learning = network(0).to(device).for_learning(bfloat16=algorithm.bfloat16)
        rating = algorithm.target_of(learning)
        learning.load_state_dict(online)
        rating.load_state_dict(target)
        optimizer = algorithm.optimizer(learning)
        gradients = (
            algorithm.gradients_of(learning, rating) if captured else partial(algorithm.gradients, learning, rating)
        )

        def update() -> float:
            result = gradients(batch)
            optimizer.step()
            algorithm.adapt(learning, rating, result)
            return result.loss

        return update

    arms = {
        "sb3_update": _stable_baselines(width, batch, actions, online, target, device),
        "update": ours(double=False),
        "update_double": ours(double=True),
    }
    on_gpu = device.startswith("cuda")
    if on_gpu:
        arms["update_uncaptured"] = ours(captured=False, double=False)
    if bfloat16:
        arms["update_bfloat16"] = ours(double=False, bfloat16=True)
    losses: dict[str, list[float]] = {name: [] for name in arms}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(COMPARED + repeats):
        for name, update in arms.items():
            began = perf_counter()
            losses[name].append(update())
            if on_gpu:
                torch.cuda.synchronize()
            seconds[name].append(perf_counter() - began)

    def difference(name: str) -> float:
        pairs = zip(losses[name][:COMPARED], losses["sb3_update"], strict=False)
        return max(abs(loss - theirs) / abs(theirs) for loss, theirs in pairs)

    figures: dict[str, Any] = {f"{name}_s": median(times[COMPARED:]) for name, times in seconds.items()}
    figures["loss_difference"] = difference("update")
    if bfloat16:
        figures["loss_difference_bfloat16"] = difference("update_bfloat16")
    return figures


def _stable_baselines(
    width: float, batch: Any, actions: int, online: dict[str, Any], target: dict[str, Any], device: str
) -> Callable[[], float]:
    """One ``DQN.train`` step of Stable-Baselines3 on ``batch``, its own sampling excluded."""
    import torch

    from hocket.models.qnetwork import impala_trunk

    samples = import_module("stable_baselines3.common.buffers").ReplayBufferSamples
    logger = import_module("stable_baselines3.common.logger").Logger(None, [])
    model = dqn(
        NullEnv(observation_shape=(1, 84, 84), actions=actions),
        trunk=lambda: impala_trunk(width),
        device=device,
        buffer_size=1,
        batch_size=len(batch.actions),
        learning_rate=LEARNING_RATE,
    )
    model.set_logger(logger)
    for network, weights in ((model.q_net, online), (model.q_net_target, target)):
        network.features_extractor.trunk.load_state_dict(_part(weights, "trunk."))
        network.q_net[0].load_state_dict(_part(weights, "head.advantage.0."))

    def sample(*_: Any, **__: Any) -> Any:
        tensors = [
            torch.tensor(array, device=device) for array in (batch.states, batch.actions[:, None], batch.next_states)
        ]
        ended = torch.tensor((batch.discounts == 0).astype(np.float32), device=device)[:, None]
        return samples(*tensors, ended, torch.tensor(batch.rewards, device=device)[:, None], None)

    model.replay_buffer.sample = sample

    def update() -> float:
        model.train(gradient_steps=1, batch_size=len(batch.actions))
        return float(logger.name_to_value["train/loss"])

    return update


def _part(weights: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
