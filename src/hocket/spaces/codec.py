"""The edge between policies and environments: which spaces hocket runs, and what counts as an action.

Actions cross process borders as plain arrays and are checked where they enter.
This module knows no clock and no scheduler.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.errors import ActionError, ConfigurationError, check_whole
from hocket.spaces.checked_env import name_of
from hocket.spaces.observation_check import shown
from hocket.spaces.observations import check_observation_space

PendingActions = NDArray[Any]
"""The actions of the next ticks, as far as they are known when an inference starts, oldest first.

Row r is for the tick r + 1 after the observation's. An action is unknown if the inference that decides that tick still
runs, or the tick is the inference's own target or a later one, or the default that fills it cannot be foreseen.

- ``Discrete(n)``: int64 ``(pending,)``. 0 … n − 1 counts the actions from the space's ``start``; n means unknown.
- Box of m elements: float32 ``(pending, m + 1)``. The action's elements in the environment's own units, then 1; where
  the action is unknown, all are 0.

`hocket.InducedDelay` gives the same rows, those of Discrete actions one-hot.
"""
NOTHING_PENDING: PendingActions = np.empty(0, np.int64)
"""Where the default acted, or a policy is not told of pending actions."""


class OutOfBounds(Enum):
    """Handling of a policy's actions that are outside a Box of actions. NaN and infinity are always refused."""

    REFUSE = "refuse"
    """The inference fails."""
    CLIP = "clip"
    """The action is clipped to the bounds, and the ticks that execute such an action are counted."""


def check_spaces(env: gym.Env[Any, Any]) -> None:
    """Refuse an environment that hocket cannot run: by its observations, or because actions are no Discrete or Box.

    Raises:
        ConfigurationError: names the space and a Gymnasium wrapper that turns it into one of these.
    """
    name = name_of(env)
    check_observation_space(env.observation_space, name)
    _check_action_space(env.action_space, name)


def check_array_spaces(env: gym.Env[Any, Any], what: str) -> None:
    """Refuse an environment as `check_spaces`, and also if its observations are no single Box, which ``what`` needs.

    Raises:
        ConfigurationError: names the space and a Gymnasium wrapper that turns it into a Box.
    """
    check_spaces(env)
    if not isinstance(env.observation_space, spaces.Box):
        raise ConfigurationError(
            f"{what} needs observations of one Box, and {name_of(env)} has {env.observation_space}; try "
            "gymnasium.wrappers.FlattenObservation(env), or TransformObservation to pick what matters"
        )


def _of(source: str) -> str:
    return f" of {source}" if source else ""


def _check_action_space(space: spaces.Space[Any], source: str = "") -> None:
    if not isinstance(space, spaces.Discrete | spaces.Box):
        raise ConfigurationError(
            f"action space {space}{_of(source)} is not supported; Discrete and Box are; try "
            "gymnasium.wrappers.TransformAction(env, function, Discrete(n) or Box(low, high)), "
            "where function turns such an action into one of the environment's own"
        )
    if isinstance(space, spaces.Box) and space.dtype.kind not in "fiu":
        raise ConfigurationError(
            f"action space {space}{_of(source)} holds {space.dtype}; a Box of floats or integers is supported; try "
            "gymnasium.wrappers.TransformAction(env, function, Box(low, high))"
        )


class ActionCodec:
    """Turns a policy's answers into arrays of actions, and their rows into what ``env.step`` takes.

    Actions are numbered as the space numbers them: ``Discrete(3, start=1)`` holds 1, 2 and 3. Picklable.

    Args:
        action_space: Discrete or Box.
        chunk_length: the most actions that one answer may hold.
        out_of_bounds: the handling of actions outside a Box.

    Attributes:
        clips: True if `encode` leaves actions outside the bounds to `clip`.
        shape: ``(chunk_length, *action shape)``, the room that the longest answer needs.
        dtype: int64 for Discrete, the space's own for Box.
        nbytes: bytes of that room.
        copies: whether actions are arrays, which `copied` copies.

    Raises:
        ConfigurationError: any other space, a chunk length below 1, or clipping of Discrete actions.
    """

    __slots__ = ("_first", "_last", "chunk_length", "clips", "copies", "dtype", "nbytes", "shape", "space")

    def __init__(
        self,
        action_space: spaces.Space[Any],
        chunk_length: int = 1,
        out_of_bounds: OutOfBounds = OutOfBounds.REFUSE,
    ) -> None:
        _check_action_space(action_space)
        if not isinstance(out_of_bounds, OutOfBounds):
            raise ConfigurationError(
                f"out_of_bounds={out_of_bounds!r} is none of {', '.join(map(str, OutOfBounds))}; try "
                "hocket.spaces.OutOfBounds.CLIP"
            )
        self.clips = out_of_bounds is OutOfBounds.CLIP
        if self.clips and isinstance(action_space, spaces.Discrete):
            raise ConfigurationError(f"{action_space} has no bounds to clip to; try OutOfBounds.REFUSE, or a Box")
        check_whole("chunk_length", chunk_length, example=1, numpy=True)
        self.space = action_space
        self.chunk_length = int(chunk_length)
        self.dtype: np.dtype[Any]
        self._first: int | None = None
        self._last = -1
        if isinstance(action_space, spaces.Discrete):
            self.dtype = np.dtype(np.int64)
            self._first = int(action_space.start)
            self._last = self._first + int(action_space.n) - 1
            self.shape: tuple[int, ...] = (self.chunk_length,)
        else:
            assert isinstance(action_space, spaces.Box)
            self.dtype = np.dtype(action_space.dtype)
            self.shape = (self.chunk_length, *action_space.shape)
        self.copies = self._first is None
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def encode(self, answer: Any) -> NDArray[Any]:
        """``answer`` as a new C-contiguous array of shape ``(length, *action shape)``.

        Takes one action, or an array or list of 1 to ``chunk_length`` for consecutive ticks: numbers, arrays,
        CPU tensors.

        Raises:
            ActionError: NaN or infinite, outside the space, of another shape, not an integer where one is
                needed, no action at all, or more than ``chunk_length``.
        """
        first = self._first
        if first is None:
            return self._encode_box(answer)
        if type(answer) is int or isinstance(answer, np.integer):  # nearly every answer: keep it short
            if first <= answer <= self._last:
                return np.array((answer,), np.int64)
            raise self._outside(answer)
        array = self._array(answer)
        if array.size and array.dtype.kind not in "iub":
            raise ActionError(
                f"action {shown(answer)} is not an integer as {self.space} needs; try int(...) on it, or "
                "argmax if it holds one value for each action"
            )
        array = self._rows(array, answer)
        if array.min() < first or array.max() > self._last:
            raise self._outside(answer)
        return np.array(array, np.int64, order="C")

    def of_single_actions(self) -> ActionCodec:
        """One for answers of a single action, otherwise the same."""
        return ActionCodec(self.space, 1, OutOfBounds.CLIP if self.clips else OutOfBounds.REFUSE)

    def clip(self, answer: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The actions of an encoded ``answer`` within the bounds of the Box, and for each whether it was outside."""
        space = self.space
        assert isinstance(space, spaces.Box)
        within = np.clip(answer, space.low, space.high)
        return within, (within != answer).reshape(len(answer), -1).any(axis=1)

    def decode(self, row: Any) -> Any:
        """One row of an encoded answer as ``env.step`` takes it: an int for Discrete, a new array for Box."""
        if self._first is not None:
            return int(row)
        return np.array(row, self.dtype)

    def unknown_actions(self, rows: int) -> PendingActions:
        """A new array of ``rows`` pending actions, all unknown."""
        if self._first is not None:
            return np.full(rows, self._last - self._first + 1, np.int64)
        return np.zeros((rows, math.prod(self.shape[1:]) + 1), np.float32)

    def note_known(self, pending_actions: PendingActions, row: int, action: Any) -> None:
        """Write the known ``action`` into ``row`` of an array that `unknown_actions` made."""
        if self._first is not None:
            pending_actions[row] = int(action) - self._first
        else:
            pending_actions[row, :-1] = np.ravel(action)
            pending_actions[row, -1] = 1

    def copied(self, action: Any) -> Any:
        """``action`` for a receiver that may keep and change it: itself for Discrete, a new array for Box."""
        return action if self._first is not None else np.array(action, self.dtype)

    def _encode_box(self, answer: Any) -> NDArray[Any]:
        space = self.space
        assert isinstance(space, spaces.Box)
        array = self._array(answer)
        if array.dtype.kind not in "fiub":
            raise ActionError(f"action {shown(answer)} is not made of numbers as {space} needs; try an array of floats")
        array = self._rows(array, answer)
        if not np.isfinite(array).all():
            raise ActionError(
                f"action {shown(answer)} holds NaN or infinity, outside {space}; look for a diverged "
                "network or a division by zero, or try numpy.nan_to_num"
            )
        if self.clips:
            array = self._representable(array)
        if self.dtype.kind == "f":
            # Cast before comparing: a bound and the action that means it must round alike.
            with np.errstate(over="ignore"):
                array = np.array(array, self.dtype, order="C")
            if not np.isfinite(array).all():
                raise self._outside(answer)
        elif array.dtype.kind == "f" and (array != np.trunc(array)).any():
            raise ActionError(
                f"action {shown(answer)} is not made of integers as {space} needs; try numpy.rint(action)"
            )
        if not self.clips and ((array < space.low).any() or (array > space.high).any()):
            raise self._outside(answer)
        return array if self.dtype.kind == "f" else np.array(array, self.dtype, order="C")

    def _representable(self, array: NDArray[Any]) -> NDArray[Any]:
        """``array`` clipped to what the type of the actions holds, so that `clip` can see what is out of bounds."""
        limits = np.finfo(self.dtype) if self.dtype.kind == "f" else np.iinfo(self.dtype)
        least, most = np.array(limits.min, self.dtype), np.array(limits.max, self.dtype)
        if array.dtype.kind == "f" and int(float(most)) > int(most):  # rounded up
            most = np.array(np.nextafter(float(most), 0))
        clipped: NDArray[Any] = np.clip(array, least, most)
        return clipped

    def _array(self, answer: Any) -> NDArray[Any]:
        try:
            return np.asarray(answer)
        except (ValueError, TypeError, RuntimeError) as error:
            # Ragged lists; tensors that need gradients, sit on another device or are in bfloat16.
            raise ActionError(
                f"action {shown(answer)} does not turn into an array for {self.space}: {error}; "
                "try .detach().float().cpu().numpy() on a tensor"
            ) from error

    def _rows(self, array: NDArray[Any], answer: Any) -> NDArray[Any]:
        """``array`` with a leading axis of actions, that axis and the shape of each action checked."""
        rows = array[np.newaxis] if array.ndim == len(self.shape) - 1 else array
        if rows.ndim != len(self.shape) or rows.shape[1:] != self.shape[1:]:
            several = ", ".join(("length", *map(str, self.shape[1:])))
            raise ActionError(
                f"action {shown(answer)} has shape {array.shape}; {self.space} needs {self.shape[1:]} for "
                f"one action or ({several}) for consecutive ones; try numpy.reshape"
            )
        if not 1 <= len(rows) <= self.chunk_length:
            raise ActionError(
                f"action {shown(answer)} holds {len(rows)} actions in {self.space}; 1 "
                f"to {self.chunk_length} are allowed; try another chunk_length on the policy"
            )
        return rows

    def _outside(self, answer: Any) -> ActionError:
        if self._first is not None:
            return ActionError(
                f"action {shown(answer)} is outside {self.space}, which holds {self._first} to "
                f"{self._last}; try one network output for each action and argmax, or numpy.clip"
            )
        return ActionError(
            f"action {shown(answer)} is outside {self.space}; try numpy.clip(action, space.low, space.high), or "
            "out_of_bounds=hocket.spaces.OutOfBounds.CLIP"
        )
