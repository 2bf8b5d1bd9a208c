"""The state of an environment in the middle of an episode, to go on from in a new one made alike.

The state is read layer by layer, from the outermost wrapper to the environment itself: all attributes but functions.
An environment that has ``clone_state(include_rng=True)`` and ``restore_state(state)``, as Atari games do, is asked for
what lies beyond its attributes. (Pickling such an environment as a whole would silently start it anew.) A snapshot must
come from a place you trust: it is a pickle.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import gymnasium as gym
from gymnasium.utils import EzPickle

from hocket.errors import CheckpointError

FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
KEPT_BESIDE_A_CLONE = ("_np_random", "_np_random_seed", "action_space")
"""Of what can clone itself: the attributes that are no part of the clone."""


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
