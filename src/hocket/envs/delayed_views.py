"""Observations of `InducedDelay`: with pending actions, or as a late-binding head is told them."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.spaces.defaults import Default, Fixed, RepeatLast


class ActionRows:
    """Actions as rows of numbers: Discrete ones one-hot and, last, *unknown*; elements of a Box and, last, a mask."""

    def __init__(self, actions: spaces.Space[Any], count: int) -> None:
        self.box = isinstance(actions, spaces.Box)
        low: Any = 0
        high: Any = 1
        self._first = 0
        if isinstance(actions, spaces.Discrete):
            self._first = int(actions.start)
            size = int(actions.n)
        else:
            assert isinstance(actions, spaces.Box)
            size = math.prod(actions.shape)
            # The elements of an action, or zeros, and the mask.
            low = np.append(np.minimum(actions.low, 0), 0)
            high = np.append(np.maximum(actions.high, 0), 1)
        self.shape = count, size + 1
        self._ends = low, high

    def space(self, dtype: Any) -> spaces.Box:
        """Of the rows."""
        low, high = (np.broadcast_to(np.asarray(end, dtype), self.shape) for end in self._ends)
        return spaces.Box(low, high, dtype=dtype)

    def of(self, actions: list[Any], dtype: Any) -> NDArray[Any]:
        """The rows of ``actions``, None where unknown."""
        rows = np.zeros(self.shape, dtype)
        for row, action in zip(rows, actions, strict=True):
            if not self.box:
                row[-1 if action is None else action - self._first] = 1
            elif action is not None:
                row[:-1], row[-1] = np.ravel(action), 1
        return rows


class Joined:
    """An observation and what is added to it: one longer vector, or a Dict of the parts.

    A vector is made of a one-dimensional Box of observations; rows of Box actions need one of floats.
    """

    def __init__(self, observations: spaces.Space[Any], rows: ActionRows | None) -> None:
        self.dtype: Any = np.float32
        self._flat = False
        if isinstance(observations, spaces.Box) and len(observations.shape) == 1:
            self._flat = rows is None or not rows.box or np.issubdtype(observations.dtype, np.floating)
        if self._flat:
            self.dtype = observations.dtype

    def space(self, **parts: spaces.Space[Any]) -> spaces.Space[Any]:
        """Of the parts, in their order."""
        if not self._flat:
            return spaces.Dict(parts)
        low, high = (np.concatenate([getattr(part, end).ravel() for part in parts.values()]) for end in ("low", "high"))
        return spaces.Box(low, high, dtype=self.dtype)

    def join(self, **parts: Any) -> Any:
        """The parts of one observation, copied."""
        if not self._flat:
            return deepcopy(parts)
        return np.concatenate([np.ravel(np.asarray(part, self.dtype)) for part in parts.values()])


class LateView:
    """Shows a late observation, the actions executed since, whether they count, and the newest observation.

    Args:
        rows: of pending actions; 0 to show none.
    """

    def __init__(self, env: gym.Env[Any, Any], delay: int, rows: int) -> None:
        self._delay, self._count = delay, rows
        inner = env.observation_space
        self._rows = ActionRows(env.action_space, rows) if rows else None
        self._joined = Joined(inner, self._rows)
        between = {} if self._rows is None else {"pending": self._rows.space(self._joined.dtype)}
        ready = spaces.Box(0, 1, (1,), self._joined.dtype)
        self.space = self._joined.space(observation=inner, **between, ready=ready, newest=inner)

    def view(self, history: list[Any], acted: list[Any]) -> Any:
        """The view of the next tick's head, of an episode's last observations and the actions between them."""
        ready = len(history) >= self._delay
        between = {}
        if self._rows is not None:
            known = acted[-self._count :] if ready else [None] * self._count
            between["pending"] = self._rows.of(known, self._joined.dtype)
        late = history[-self._delay] if ready else history[0]
        flag = np.full(1, ready, self._joined.dtype)
        return self._joined.join(observation=late, **between, ready=flag, newest=history[-1])


class PendingView:
    """Adds to an observation the actions of the ticks before its own decision's, as far as they are known."""

    def __init__(self, env: gym.Env[Any, Any], default: Default, rows: int, inference_ticks: int) -> None:
        self._rows = ActionRows(env.action_space, rows)
        self._inference_ticks = inference_ticks
        self._repeats = isinstance(default, RepeatLast)
        self.foreseeable = isinstance(default, Fixed | RepeatLast)
        inner = env.observation_space
        self._joined = Joined(inner, self._rows)
        self.space = self._joined.space(observation=inner, pending=self._rows.space(self._joined.dtype))

    def view(self, observation: Any, tick: int, in_flight: list[tuple[int, int, Any]], foreseen: Any) -> Any:
        """``observation`` of ``tick`` with its pending actions; ``foreseen`` is β's next one, None if unknown."""
        aimed = {target: (source, action) for target, source, action in in_flight}
        known: list[Any] = []
        coming = foreseen
        for row in range(self._rows.shape[0]):
            if decision := aimed.get(tick + 1 + row):
                source, action = decision
                finished = source + self._inference_ticks <= tick
                coming = action if finished else None
            elif not self._repeats:  # what repeats the last action repeats the row before
                coming = foreseen
            known.append(coming)
        return self._joined.join(observation=observation, pending=self._rows.of(known, self._joined.dtype))
