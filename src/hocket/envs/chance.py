"""Give an environment other chance from here on, its state left as it is.

Every random generator that can be reached from the environment is reseeded in place: numpy's of both kinds and
Python's, through attributes, containers and wrappers. An environment that draws otherwise may say how:
``reseed(seed)``. One that has ``clone_state(include_rng=)`` and ``restore_state(state)``, as Atari games do, keeps its
chance to itself: it is reset with a new seed, and its state without its chance is put back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

DEPTH = 6
"""How many attributes and containers deep generators are looked for."""

Source = np.random.Generator | np.random.RandomState | random.Random


def reseed(env: gym.Env[Any, Any], seed: int) -> int:
    """Let all chance of ``env`` come from ``seed`` from now on; returns how many sources of chance there were."""
    seeds = np.random.SeedSequence(seed)
    found = 0
    for layer in _layers(env):
        own = getattr(layer, "reseed", None) if "reseed" in dir(type(layer)) else None
        if callable(own):
            own(_number(seeds))
            found += 1
        elif not isinstance(layer, gym.Wrapper) and _clones(layer):
            state = layer.clone_state(include_rng=False)  # type: ignore[attr-defined]
            layer.reset(seed=_number(seeds))
            layer.restore_state(state)  # type: ignore[attr-defined]
            found += 1
    for source in _sources(env):
        if isinstance(source, np.random.Generator):
            kind = type(source.bit_generator)
            source.bit_generator.state = kind(seeds.spawn(1)[0]).state
        elif isinstance(source, np.random.RandomState):
            source.seed(_number(seeds) % 2**32)
        else:
            source.seed(_number(seeds))
        found += 1
    return found


def _number(seeds: np.random.SeedSequence) -> int:
    return int(seeds.spawn(1)[0].generate_state(1, np.uint32)[0])


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    yield env
    while isinstance(env, gym.Wrapper):
        env = env.env
        yield env


def _clones(layer: gym.Env[Any, Any]) -> bool:
    return hasattr(layer, "clone_state") and hasattr(layer, "restore_state")


def _sources(root: object) -> list[Source]:
    """Every generator within reach, once; spaces are no part of the world."""
    seen: set[int] = set()
    found: list[Source] = []
    level = [root]
    for _ in range(DEPTH):
        deeper: list[object] = []
        for value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Source):
                found.append(value)
            elif isinstance(value, dict):
                deeper += list(value.values())
            elif isinstance(value, list | tuple | set):
                deeper += list(value)
            elif not isinstance(value, gym.Space | np.ndarray | type) and hasattr(value, "__dict__"):
                deeper += list(vars(value).values())
        level = deeper
    return found
