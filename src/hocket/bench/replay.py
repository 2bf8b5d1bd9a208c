"""`hocket bench replay`: memory and sampling time of the replay, beside cpprb's in the same run if it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np

from hocket.learn.replay.replay import Replay

FRAME = (84, 84)
STACK = 4
ALPHA, BETA = 0.5, 0.4
DISTINCT = 64
CHUNK = 100


def bench_replay(*, entries: int = 300_000, batch_size: int = 32, repeats: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Fill a replay with ``entries`` transitions one tick apart (84×84 bytes a frame) and sample stacks of 4 frames.

    Times are medians of ``repeats`` batches; before each prioritised one the last batch's priorities were updated
    (``update_priorities_s``). ``append_s`` is a frame and its transition while the rings are being overwritten,
    ``append_fresh_s`` while they are first filled, which pays for the kernel's page faults. The ``cpprb_`` figures
    (with its own compression of stacks) are there if it is installed.
    """
    figures = _bench_ours(entries, batch_size, repeats, np.random.default_rng(seed))
    if find_spec("cpprb") is not None:
        figures |= _bench_cpprb(entries, batch_size, repeats, np.random.default_rng(seed))
    return figures


def _bench_ours(entries: int, batch_size: int, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    pictures = rng.integers(0, 256, (DISTINCT, *FRAME), np.uint8)
    replay = Replay(entries, FRAME, stack=STACK, alpha=ALPHA)
    replay.add_frame(0, pictures[0])

    def append(begin: int, end: int) -> float:
        began = perf_counter()
        for tick in range(begin, end):
            replay.add_frame(tick, pictures[tick % DISTINCT])
            replay.add_transition(tick - 1, tick % 6, reward=1.0, discount=0.99, next_tick=tick)
        return (perf_counter() - began) / (end - begin)

    fresh_s = append(1, 1 + entries)
    lapped = 1 + entries + entries // 32 + 512
    append(1 + entries, lapped)
    append_s = append(lapped, lapped + max(1, entries // 10))
    uniform_s, _ = _medians(lambda: replay.sample(batch_size, rng), lambda batch: None, repeats)
    prioritised_s, update_s = _medians(
        lambda: replay.sample(batch_size, rng, beta=BETA),
        lambda batch: replay.update_priorities(batch.indices, rng.random(batch_size)),
        repeats,
    )
    replay.close()
    return {
        "entries": len(replay),
        "bytes_per_transition": replay.bytes_per_transition,
        "sample_uniform_s": uniform_s,
        "sample_prioritised_s": prioritised_s,
        "update_priorities_s": update_s,
        "append_s": append_s,
        "append_fresh_s": fresh_s,
    }


def _bench_cpprb(entries: int, batch_size: int, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    cpprb = import_module("cpprb")
    fields = {"obs": {"shape": (*FRAME, STACK), "dtype": np.uint8}, "act": {"dtype": np.int64}, "rew": {}, "done": {}}
    options = {"next_of": "obs", "stack_compress": "obs"}
    pictures = rng.integers(0, 256, (CHUNK + STACK, *FRAME), np.uint8)
    stacks = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(pictures, STACK, axis=0))
    chunk = {"obs": stacks[:-1], "next_obs": stacks[1:], "act": np.zeros(CHUNK), "rew": np.ones(CHUNK)}
    figures = {}
    for kind, buffer, beta in (
        ("uniform", cpprb.ReplayBuffer(entries, fields, **options), {}),
        ("prioritised", cpprb.PrioritizedReplayBuffer(entries, fields, alpha=ALPHA, **options), {"beta": BETA}),
    ):
        for _ in range(-(-entries // CHUNK)):
            buffer.add(**chunk, done=np.zeros(CHUNK))

        def sample(buffer: Any = buffer, beta: dict[str, float] = beta) -> Any:
            return buffer.sample(batch_size, **beta)

        def learn(batch: Any, buffer: Any = buffer, beta: dict[str, float] = beta) -> None:
            if beta:
                buffer.update_priorities(batch["indexes"], rng.random(batch_size))

        figures[f"cpprb_sample_{kind}_s"], _ = _medians(sample, learn, repeats)
    return figures


def _medians(sample: Callable[[], Any], after: Callable[[Any], None], repeats: int) -> tuple[float, float]:
    times_s = []
    for _ in range(repeats):
        began = perf_counter()
        batch = sample()
        sampled = perf_counter()
        after(batch)
        times_s.append((sampled - began, perf_counter() - sampled))
    first, second = np.median(times_s, axis=0).tolist()
    return first, second
