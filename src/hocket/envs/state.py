"""The state of an environment: saved in the middle of an episode, put into a new one made alike, or given other chance.

A snapshot is read layer by layer, from the outermost wrapper to the environment itself: all attributes but functions.
An environment that has ``clone_state(include_rng=True)`` and ``restore_state(state)``, as Atari games do, is asked for
what lies beyond its attributes. (Pickling such an environment as a whole would silently start it anew.) A snapshot must
come from a source that you trust: it is a pickle.

`reseed` replaces the chance of an environment and leaves the rest of its state. Every random generator that can be
reached from the environment is reseeded in place: numpy's of both kinds and Python's, through attributes, containers
and wrappers. An environment that draws otherwise may define ``reseed(seed)``. One with ``clone_state(include_rng=)`` is
reset with a new seed, and its state without its chance is put back.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import EzPickle

from hocket.errors import CheckpointError

FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
KEPT_BESIDE_A_CLONE = ("_np_random", "_np_random_seed", "action_space")
"""Of what can clone itself: the attributes that are no part of the clone."""
DEPTH = 6
"""How many attributes and containers deep generators are looked for."""

Source = np.random.Generator | np.random.RandomState | random.Random


def snapshot(env: gym.Env[Any, Any]) -> bytes | None:
    """The state of ``env``, its random states included, or None if it cannot be told."""
    layers = []
    for layer in _layers(env):
        clones = _clones(layer)
        if clones:
            attributes = {name: vars(layer)[name] for name in KEPT_BESIDE_A_CLONE if name in vars(layer)}
            clone = layer.clone_state(include_rng=True)  # type: ignore[attr-defined]
        else:
            attributes = {n: v for n, v in vars(layer).items() if n != "env" and not isinstance(v, FUNCTIONS)}
            clone = None
        if any(isinstance(value, EzPickle) for value in attributes.values()):
            return None
        layers.append((_name(layer), attributes, clone))
    try:
        return pickle.dumps(layers, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # what an environment holds may raise anything: a window, a socket, a simulator's memory
        return None


def restore(env: gym.Env[Any, Any], state: bytes) -> None:
    """Put ``env``, new and made like the one that ``state`` was taken of, into that state.

    Raises:
        CheckpointError: if ``env`` is made of other layers.
    """
    saved = pickle.loads(state)
    layers = list(_layers(env))
    theirs, ours = [name for name, *_ in saved], [_name(layer) for layer in layers]
    if theirs != ours:
        raise CheckpointError(
            f"the environment was saved as {' in '.join(reversed(theirs))}, this one is {' in '.join(reversed(ours))}; "
            "make it with the options that it was saved with"
        )
    for layer, (_, attributes, clone) in zip(layers, saved, strict=True):
        vars(layer).update(attributes)
        if clone is not None:
            layer.restore_state(clone)  # type: ignore[attr-defined]


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    yield env
    while isinstance(env, gym.Wrapper):
        env = env.env
        yield env


def _clones(layer: gym.Env[Any, Any]) -> bool:
    return not isinstance(layer, gym.Wrapper) and hasattr(layer, "clone_state") and hasattr(layer, "restore_state")


def _name(layer: gym.Env[Any, Any]) -> str:
    return f"{type(layer).__module__}.{type(layer).__qualname__}"


def reseed(env: gym.Env[Any, Any], seed: int) -> int:
    """Let all chance of ``env`` come from ``seed`` from now on; returns how many sources of chance there were."""
    seeds = np.random.SeedSequence(seed)
    found = 0
    for layer in _layers(env):
        own = getattr(layer, "reseed", None) if "reseed" in dir(type(layer)) else None
        if callable(own):
            own(_number(seeds))
            found += 1
        elif _clones(layer):
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
