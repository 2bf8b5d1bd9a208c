"""Observations: an array, a number or a text, or a dict or a tuple of such parts, as their space says.

An observation of a Box is a structure of one leaf: what holds for structures here holds for arrays. This module defines
which spaces of observations there are, how observations are copied, and which array holds each leaf in shared memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy import ndarray
from numpy.typing import NDArray

from hocket.errors import ConfigurationError

LeafSpace = spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete | spaces.Text
LEAF_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete, spaces.Text)


@dataclass(frozen=True, slots=True)
class LeafForm:
    """The array that holds a leaf of an observation in shared memory.

    Args:
        path: to the leaf, such as ``"['cameras']['wrist']"``; empty if it is the observation itself.
        shape, dtype: of the array; a text is one element of as many characters as its space allows.
        scalar: True if policies get a number or a text, False if they get the array.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scalar: bool = False


@dataclass(frozen=True, slots=True)
class ScalarRoom:
    """The array of one element that holds a number or a text."""

    array: NDArray[Any]


ObservationForm = LeafForm | dict[str, "ObservationForm"] | tuple["ObservationForm", ...]
"""The structure of an observation, with the form of each leaf."""


def form_of(space: spaces.Space[Any], path: str = "") -> ObservationForm:
    """The form of observations of ``space``, which `check_observation_space` has passed."""
    if isinstance(space, spaces.Dict):
        return {key: form_of(part, f"{path}[{key!r}]") for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(form_of(part, f"{path}[{index}]") for index, part in enumerate(space.spaces))
    if isinstance(space, spaces.Text):
        return LeafForm(path, (), np.dtype(f"U{space.max_length}"), scalar=True)
    assert isinstance(space, LEAF_SPACES)
    return LeafForm(path, tuple(space.shape or ()), np.dtype(space.dtype), scalar=isinstance(space, spaces.Discrete))


def mapped(function: Callable[..., Any], form: ObservationForm, *observations: Any) -> Any:
    """The structure of the results of ``function(leaf form, *leaves)``, a leaf of each of ``observations``."""
    if isinstance(form, dict):
        return {key: mapped(function, part, *(each[key] for each in observations)) for key, part in form.items()}
    if isinstance(form, tuple):
        return tuple(mapped(function, part, *(each[i] for each in observations)) for i, part in enumerate(form))
    return function(form, *observations)


def leaves(structure: Any) -> Iterator[Any]:
    """The leaves of an observation, or of a form, in order."""
    if isinstance(structure, dict | tuple):
        for part in structure.values() if isinstance(structure, dict) else structure:
            yield from leaves(part)
    else:
        yield structure


def zeros(form: ObservationForm) -> Any:
    """An observation of zeros and empty texts."""
    return given(room_of(form, lambda leaf: np.zeros(leaf.shape, leaf.dtype)))


def room_of(form: ObservationForm, array_of: Callable[[LeafForm], NDArray[Any]]) -> Any:
    """Room for an observation in the arrays that ``array_of`` returns for its leaves."""
    return mapped(lambda leaf: ScalarRoom(array_of(leaf)) if leaf.scalar else array_of(leaf), form)


def given(room: Any) -> Any:
    """The observation in ``room``, as policies get it: its arrays are those of ``room``."""
    if type(room) is ndarray:
        return room
    if type(room) is dict:
        return {key: part if type(part) is ndarray else given(part) for key, part in room.items()}
    if type(room) is tuple:
        return tuple(map(given, room))
    return room.array.item()


def copied(observation: Any) -> Any:
    """A copy of an observation that shares nothing that can be changed."""
    if type(observation) is ndarray:
        return observation.copy()
    if type(observation) is dict:
        return {key: part.copy() if type(part) is ndarray else copied(part) for key, part in observation.items()}
    if type(observation) is tuple:
        return tuple(map(copied, observation))
    return observation  # a number or a text


def stored(observation: Any, room: Any) -> Any:
    """``observation`` copied into the arrays of ``room``: an earlier observation, or one's `room_of`."""
    if type(room) is ndarray:
        room[...] = observation
        return room
    if type(room) is dict:
        for key, part in room.items():
            if type(part) is ndarray:  # not by a call: most leaves are
                part[...] = observation[key]
            else:
                room[key] = stored(observation[key], part)
        return room
    if type(room) is tuple:
        return tuple(map(stored, observation, room))
    if type(room) is ScalarRoom:
        room.array[...] = observation
        return room
    return observation


def check_observation_space(space: spaces.Space[Any], source: str = "", path: str = "") -> None:
    """Refuse observations of ``source`` that are neither leaves nor dicts and tuples of them.

    Raises:
        ConfigurationError: names the space, the path to the part that is refused, and a Gymnasium wrapper.
    """
    of = f"{f'[{path}]' if path else ''}{f' of {source}' if source else ''}"
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"observation space {space}{of} has the key {key!r}; keys are texts; try {str(key)!r}"
                )
            check_observation_space(part, source, f"{path}[{key!r}]")
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            check_observation_space(part, source, f"{path}[{index}]")
    elif not isinstance(space, LEAF_SPACES):
        raise ConfigurationError(
            f"observation space {space}{of} is not supported; Box, Discrete, MultiBinary, MultiDiscrete and Text are, "
            "and Dict and Tuple of them; try gymnasium.wrappers.FlattenObservation(env), or TransformObservation to "
            "pick what matters"
        )
    elif isinstance(space, spaces.Box) and space.dtype.kind not in "fiub":
        raise ConfigurationError(
            f"observation space {space}{of} holds {space.dtype}; a Box of floats, integers or bools is "
            "supported; try gymnasium.wrappers.TransformObservation(env, function, Box(low, high))"
        )
    if isinstance(space, spaces.Dict | spaces.Tuple) and not len(space.spaces):
        raise ConfigurationError(f"observation space {space}{of} has no parts; one is needed; try Dict(a=Box(0, 1))")
