"""Checks observations, leaf by leaf, against the space that declares them.

Harmless differences are converted: lists, other number types, arrays of one number. The rest is refused by name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

import numpy as np
from gymnasium import spaces
from numpy import ndarray
from numpy.typing import NDArray

from hocket.errors import EnvError
from hocket.spaces.observations import LEAF_SPACES, LeafSpace

_SHORT = 16
"""Up to this many numbers are added up faster by Python than by numpy."""
_SHOWN = 200
"""Characters of a refused value that a message shows."""


class ObservationCheck:
    """Turns observations into the structure, shapes and dtypes of ``space``, with finite numbers.

    Arrays of a Box, a MultiBinary or a MultiDiscrete, ints of a Discrete, texts of a Text, and dicts and tuples of such
    leaves. An array that fits is returned itself, not copied. Lists, tuples, scalars of a space of one number, CPU
    tensors and arrays of another number type are converted: numbers to floats, and integers to integers that can hold
    them. Bounds and the characters of texts are not checked. Picklable.

    Args:
        space: that `hocket.spaces.observations.check_observation_space` has passed.
        source: named by messages, such as ``"CartPole-v1"``.
    """

    __slots__ = ("_check", "source", "space")

    def __init__(self, space: spaces.Space[Any], source: str) -> None:
        self.space = space
        self.source = source
        self._check = _check_of(space, source, "")

    def __call__(self, observation: Any, *, partial: bool = False) -> Any:
        """``observation`` as the space has it. If ``partial``, dicts may lack keys; see `whole`.

        Raises:
            EnvError: names the source, the path of the leaf, its space, the value and what to do.
        """
        return self._check.checked(observation, partial)

    def whole(self, observation: Any) -> Any:
        """An observation that was checked as partial, with its keys in the order of the space.

        Raises:
            EnvError: if one is missing; names the source, its path and its space.
        """
        return self._check.whole(observation)


def _check_of(space: spaces.Space[Any], source: str, path: str) -> _Check:
    if isinstance(space, spaces.Dict):
        return _DictCheck(space, source, path)
    if isinstance(space, spaces.Tuple):
        return _TupleCheck(space, source, path)
    if isinstance(space, spaces.Text):
        return _TextCheck(space, source, path)
    assert isinstance(space, LEAF_SPACES)
    return _NumberCheck(space, source, path) if isinstance(space, spaces.Discrete) else _ArrayCheck(space, source, path)


class _Check(ABC):
    """Checks the part of an observation at ``path``."""

    __slots__ = ("path", "source", "space")

    def __init__(self, space: spaces.Space[Any], source: str, path: str) -> None:
        self.space, self.source, self.path = space, source, path

    @abstractmethod
    def checked(self, observation: Any, partial: bool) -> Any:
        """As `ObservationCheck`."""

    def whole(self, observation: Any) -> Any:
        """As `ObservationCheck`; of a leaf and a tuple nothing is missing."""
        return observation

    def refuse(self, value: Any, fault: str, advice: str) -> NoReturn:
        """Raise the error of ``value``, whose fault is a sentence without its subject."""
        raise EnvError(
            f"observation{self.path} {shown(value)} of {self.source} {fault}; {self.space} is declared; {advice}"
        )


class _DictCheck(_Check):
    __slots__ = ("_parts",)

    def __init__(self, space: spaces.Dict, source: str, path: str) -> None:
        super().__init__(space, source, path)
        self._parts = {key: _check_of(part, source, f"{path}[{key!r}]") for key, part in space.spaces.items()}

    def checked(self, observation: Any, partial: bool) -> dict[str, Any]:
        if type(observation) is not dict and not isinstance(observation, Mapping):
            self.refuse(observation, "is no dict", f"return {{{', '.join(f'{key!r}: …' for key in self._parts)}}}")
        parts = self._parts
        if len(observation) == len(parts):
            try:
                return {key: check.checked(observation[key], partial) for key, check in parts.items()}
            except KeyError:  # said below
                pass
        found = {}
        for key, check in parts.items():
            if key in observation:
                found[key] = check.checked(observation[key], partial)
            elif not partial:
                self._refuse_keys(observation, key)
        if len(found) < len(observation):
            extra = next(key for key in observation if key not in self._parts)
            raise EnvError(
                f"observation{self.path}[{extra!r}] {shown(observation[extra])} of {self.source} is not declared: "
                f"{self.space} has the keys {[*self._parts]}; leave it out, or declare it"
            )
        return found

    def whole(self, observation: Any) -> dict[str, Any]:
        for key in self._parts:
            if key not in observation:
                self._refuse_keys(observation, key)
        return {key: check.whole(observation[key]) for key, check in self._parts.items()}

    def _refuse_keys(self, observation: Mapping[str, Any], missing: str) -> NoReturn:
        raise EnvError(
            f"observation{self.path}[{missing!r}] of {self.source} is missing, and {[*observation]} are given; "
            f"{self._parts[missing].space} is declared; give it, or declare a space without it"
        )


class _TupleCheck(_Check):
    __slots__ = ("_parts",)

    def __init__(self, space: spaces.Tuple[Any], source: str, path: str) -> None:
        super().__init__(space, source, path)
        self._parts = [_check_of(part, source, f"{path}[{index}]") for index, part in enumerate(space.spaces)]

    def checked(self, observation: Any, partial: bool) -> tuple[Any, ...]:
        if not isinstance(observation, tuple | list):
            self.refuse(observation, "is no tuple", f"return a tuple of {len(self._parts)} parts")
        if len(observation) != len(self._parts):
            self.refuse(observation, f"has {len(observation)} parts, not {len(self._parts)}", "return as many")
        return tuple(check.checked(part, False) for check, part in zip(self._parts, observation, strict=True))


class _TextCheck(_Check):
    __slots__ = ()
    space: spaces.Text

    def checked(self, observation: Any, partial: bool) -> str:
        if not isinstance(observation, str):
            self.refuse(observation, f"is {type(observation).__name__}, not a text", "return a str")
        if len(observation) > self.space.max_length:
            self.refuse(
                observation,
                f"has {len(observation)} characters, more than {self.space.max_length}",
                f"declare Text({len(observation)}) or more",
            )
        if observation.endswith("\0"):  # memory for texts ends with as many as are needed
            self.refuse(observation, "ends with a null character", "try .rstrip('\\0')")
        return str(observation)


class _NumberCheck(_Check):
    __slots__ = ()

    def checked(self, observation: Any, partial: bool) -> int:
        if type(observation) is int:
            return observation
        array = np.asarray(observation) if isinstance(observation, np.ndarray | np.generic | bool) else None
        if array is None or array.size != 1 or array.dtype.kind not in "iub":
            self.refuse(observation, "is no whole number", "return int(...)")
        return int(array.item())


class _ArrayCheck(_Check):
    __slots__ = ("_dtype", "_floats", "_shape", "_short")

    def __init__(self, space: LeafSpace, source: str, path: str) -> None:
        super().__init__(space, source, path)
        self._shape = tuple(space.shape or ())
        self._dtype = np.dtype(space.dtype)
        self._floats = self._dtype.kind == "f"
        self._short = len(self._shape) == 1 and self._shape[0] <= _SHORT

    def checked(self, observation: Any, partial: bool) -> NDArray[Any]:
        if type(observation) is ndarray and observation.dtype is self._dtype and observation.shape == self._shape:
            array: NDArray[Any] = observation
        else:
            array = self._converted(observation)
        if not self._floats:
            return array
        # Sums and products overflow to infinity for finite numbers too, so they only say when to look closer.
        if self._short:
            total = sum(array.tolist())
        else:
            flat = array.ravel()
            with np.errstate(over="ignore", invalid="ignore"):
                total = flat.dot(flat)
        if not isfinite(total) and not np.isfinite(array).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            self.refuse(
                observation,
                f"holds NaN or infinity, first at index {where}",
                "look for a division by zero or a sensor without a reading, or try "
                "gymnasium.wrappers.TransformObservation(env, numpy.nan_to_num, env.observation_space)",
            )
        return array

    def _converted(self, observation: Any) -> NDArray[Any]:
        try:
            array = np.asarray(observation)
        except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors on another device
            self.refuse(observation, f"does not turn into an array: {error}", "return one numpy array")
        if array.dtype.kind not in "fiub":
            self.refuse(observation, f"holds {array.dtype}, not numbers", f"return an array of {self._dtype}")
        if array.shape != self._shape:
            if array.ndim or math.prod(self._shape) != 1:
                self.refuse(
                    observation,
                    f"has shape {array.shape}, not {self._shape}",
                    "return that shape, or declare a space of the shape that is returned",
                )
            array = array.reshape(self._shape)
        if array.dtype == self._dtype:  # another object for the same dtype
            return np.asarray(array)
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(self._dtype)
        if not self._floats and (array.dtype.kind == "f" or not np.array_equal(converted, array)):
            self.refuse(
                observation,
                f"holds {array.dtype} values that {self._dtype} cannot hold",
                f"return {self._dtype}, or declare a space of {array.dtype}",
            )
        return converted


def shown(value: Any) -> str:
    """The beginning of ``repr(value)``, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
