"""Saves the state of an environment in the middle of an episode, restores it in a new one, and replaces its chance.

A snapshot holds every layer, from the outermost wrapper to the environment itself, with all attributes. All layers are
one pickle, in which a reference to a layer is kept as such: a wrapper that holds ``env.unwrapped``, or shares a list
with another layer, does so after `restore` too. Functions that pickle cannot name (lambdas, local functions) stay
those of the new environment. The state of the process-wide generators (``random``, ``numpy.random`` and, once
imported, torch's on the CPU) belongs to the snapshot, and `restore` sets them.

An environment that has ``clone_state(include_rng=True)`` and ``restore_state(state)``, as Atari games do, provides what
lies beyond its attributes. A snapshot must come from a source that you trust: it is a pickle.
`hocket.envs.verify_snapshot` compares restored copies with the original, step by step.

`reseed` replaces the chance of an environment and leaves the rest of its state. Every random generator that can be
reached from the environment is reseeded in place: numpy's of both kinds and Python's, through attributes, containers
and wrappers. An environment that draws otherwise may define ``reseed(seed)``. One with ``clone_state(include_rng=)`` is
reset with a new seed, and its state without its chance is put back.
"""

from __future__ import annotations

import io
import pickle
import random
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import EzPickle

from hocket.errors import CheckpointError

KEPT_BESIDE_A_CLONE = ("_np_random", "_np_random_seed", "action_space")
"""Of an environment with ``clone_state``: the attributes that are no part of the clone."""
PLAIN = (bool, int, float, complex, str, bytes, type(None), tuple, type)
"""Values whose identity means nothing: equal ones may be one object."""
DEPTH = 6
"""The depth, in attributes and containers, of the search for generators."""

Source = np.random.Generator | np.random.RandomState | random.Random
Reference = tuple[int, str | None]
"""A layer by its index, or an attribute of one by name."""


def snapshot(env: gym.Env[Any, Any]) -> bytes | None:
    """The state of ``env``, random states included, or None if it cannot be saved (`take_snapshot` says why)."""
    try:
        return take_snapshot(env)
    except CheckpointError:
        return None


def take_snapshot(env: gym.Env[Any, Any]) -> bytes:
    """The state of ``env``, random states included.

    Raises:
        CheckpointError: if it cannot be saved; the message names the attribute and the reason.
    """
    layers = list(_layers(env))
    references: dict[int, Reference] = {id(layer): (index, None) for index, layer in enumerate(layers)}
    saved = []
    for index, layer in enumerate(layers):
        attributes = {name: value for name, value in vars(layer).items() if name != "env"}
        clone = None
        if _clones(layer):
            _check_clones_whole(layer)
            clone = _cloned(layer)
            beyond = {name: value for name, value in attributes.items() if name not in KEPT_BESIDE_A_CLONE}
            attributes = {name: value for name, value in attributes.items() if name in KEPT_BESIDE_A_CLONE}
        else:
            beyond = {name: value for name, value in attributes.items() if _is_nameless_function(value)}
        for name, value in beyond.items():
            if not isinstance(value, PLAIN):
                references.setdefault(id(value), (index, name))
        saved.append((_name(layer), attributes, clone))
    try:
        return pickle.dumps([name for name, *_ in saved]) + _dump((saved, global_states()), references)
    except Exception as error:  # an attribute may raise anything: a window, a socket, a simulator's memory
        raise CheckpointError(_why_not(saved, references, error)) from error


def restore(env: gym.Env[Any, Any], state: bytes) -> None:
    """Puts ``env``, new and made like the original of ``state``, into that state.

    The process-wide random generators are set to their state at the snapshot: of several environments in one process
    that draw from them, the last one restored decides.

    Raises:
        CheckpointError: if ``env`` has other layers, or lacks a function that the original got after it was made.
    """
    layers = list(_layers(env))
    file = io.BytesIO(state)
    theirs, ours = pickle.load(file), [_name(layer) for layer in layers]
    if theirs != ours:
        raise CheckpointError(
            f"the environment was saved as {' in '.join(reversed(theirs))}, this one is {' in '.join(reversed(ours))}; "
            "make it with the options that it was saved with"
        )
    saved, chance = _Unpickler(file, layers).load()
    for layer, (_, attributes, clone) in zip(layers, saved, strict=True):
        if clone is not None:
            layer.reset()
            layer.step(layer.action_space.sample())  # before its first frame, ale-py restores Qbert and Tetris wrongly
        else:
            for name in vars(layer).keys() - attributes.keys() - {"env"}:
                del vars(layer)[name]
        vars(layer).update(attributes)
        if clone is not None:
            layer.restore_state(pickle.loads(clone))  # type: ignore[attr-defined]
    set_global_states(chance)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, references: Mapping[int, Reference]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._references = references

    def persistent_id(self, value: Any) -> Reference | None:
        reference = self._references.get(id(value))
        if reference is None and isinstance(value, EzPickle) and type(value).__getstate__ is EzPickle.__getstate__:
            raise CheckpointError(f"{type(value).__name__} is an EzPickle: pickling it would start it anew")
        return reference


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, layers: list[gym.Env[Any, Any]]) -> None:
        super().__init__(file)
        self._layers = layers

    def persistent_load(self, reference: Reference) -> object:
        index, name = reference
        layer = self._layers[index]
        if name is None:
            return layer
        if name not in vars(layer):
            raise CheckpointError(
                f"{type(layer).__name__}.{name} is a function or an object that the saved environment got after it was "
                "made, and that cannot be saved; try making it in __init__, or a method of the class"
            )
        return vars(layer)[name]


def _dump(value: object, references: Mapping[int, Reference]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, references).dump(value)
    return file.getvalue()


def _why_not(
    saved: list[tuple[str, dict[str, Any], Any]], references: Mapping[int, Reference], error: Exception
) -> str:
    """Names the first attribute that cannot be pickled."""
    for layer, attributes, _ in saved:
        for name, value in attributes.items():
            try:
                _dump(value, references)
            except Exception as reason:
                return (
                    f"{layer.rpartition('.')[2]}.{name} of type {type(value).__name__} cannot be saved "
                    f"({type(reason).__name__}: {reason}); values and functions of modules can be; try giving "
                    f"{type(value).__name__} a __getstate__, or the environment clone_state and restore_state"
                )
    return f"the environment cannot be saved ({type(error).__name__}: {error})"


def _is_nameless_function(value: object) -> bool:
    """True if ``value`` is a function that pickle cannot find by its name."""
    if not isinstance(value, FunctionType):
        return False
    module: object = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        module = getattr(module, part, None)
    return module is not value


def global_states() -> dict[str, Any]:
    """The states of the process-wide random generators: Python's, numpy's and, if imported, torch's on the CPU."""
    states: dict[str, Any] = {"random": random.getstate(), "numpy": np.random.get_state()}
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state().numpy().copy()
    return states


def set_global_states(states: Mapping[str, Any]) -> None:
    """Sets what `global_states` returned."""
    random.setstate(states["random"])
    np.random.set_state(states["numpy"])
    if "torch" in states:
        import torch

        torch.set_rng_state(torch.from_numpy(states["torch"].copy()))


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    yield env
    while isinstance(env, gym.Wrapper):
        env = env.env
        yield env


def _clones(layer: gym.Env[Any, Any]) -> bool:
    return not isinstance(layer, gym.Wrapper) and hasattr(layer, "clone_state") and hasattr(layer, "restore_state")


def _cloned(layer: gym.Env[Any, Any]) -> bytes:
    """The clone, a pickle without references: what it shares with the layer's attributes is its content."""
    clone = layer.clone_state(include_rng=True)  # type: ignore[attr-defined]
    try:
        return pickle.dumps(clone, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # as any attribute
        raise CheckpointError(
            f"{type(layer).__name__}.clone_state returned {type(clone).__name__}, which cannot be pickled "
            f"({type(error).__name__}: {error}); try returning bytes, numbers and arrays"
        ) from error


def _check_clones_whole(layer: gym.Env[Any, Any]) -> None:
    """Refuses what ``clone_state`` is known to leave out: the previous action of ale-py's own sticky actions."""
    emulator = getattr(layer, "ale", None)
    if emulator is not None and emulator.getFloat("repeat_action_probability") > 0:
        raise CheckpointError(
            f"{type(layer).__name__} with repeat_action_probability={emulator.getFloat('repeat_action_probability'):g} "
            "cannot be saved: the emulator's state lacks the previous action; probability 0 can be; try "
            "hocket.envs.make_atari, or gymnasium.wrappers.StickyAction around the game with probability 0"
        )


def _name(layer: gym.Env[Any, Any]) -> str:
    return f"{type(layer).__module__}.{type(layer).__qualname__}"


def reseed(env: gym.Env[Any, Any], seed: int) -> int:
    """Reseeds all chance of ``env``; returns the number of sources of chance."""
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
    """Every reachable generator, once, without those of spaces."""
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
