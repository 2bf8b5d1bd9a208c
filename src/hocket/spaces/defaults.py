"""The default behaviour β: what fills every tick that has no fresh action."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from hocket.core.description import text
from hocket.errors import ActionError, ConfigurationError
from hocket.spaces.codec import ActionCodec

BoundDefault = Callable[[Any, Any], Any]
"""``(newest observation, last executed action or None) -> action``."""


@dataclass(frozen=True, slots=True)
class Foreseeable:
    """A bound default that needs no observation: what it will do can be said before the tick.

    ``foresee`` maps the last executed action, or None if that is unknown, to the next one, or None likewise.
    """

    foresee: Callable[[Any], Any]
    initial: Any

    def __call__(self, observation: Any, last: Any) -> Any:
        """The action, as of any bound default."""
        return self.initial if last is None else self.foresee(last)


@dataclass(frozen=True, slots=True)
class Timed:
    """A bound default that is also told the seconds since the last fresh action, or since tick 0 before the first."""

    behaviour: Callable[[Any, Any, float], Any]

    def __call__(self, observation: Any, last: Any, idle_s: float = 0.0) -> Any:
        """The action, as of any bound default."""
        return self.behaviour(observation, last, idle_s)


class Default(ABC):
    """A default behaviour, before it knows the action space."""

    @abstractmethod
    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        """The behaviour for one run in ``action_space``; refuses what does not fit it."""


def _checked(action: Any, space: spaces.Space[Any]) -> Any:
    codec = ActionCodec(space, 1)
    return codec.decode(codec.encode(action)[0])


def neutral(space: spaces.Space[Any]) -> Any:
    """Discrete: its ``neutral`` if it names one, else the first action. Box: zero, or what lies nearest to it."""
    if isinstance(space, spaces.Discrete):
        return getattr(space, "neutral", space.start)
    if isinstance(space, spaces.Box):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    raise ConfigurationError(f"action space {space} has no default action; Discrete and Box are supported")


# What is bound is made of small classes, not of functions in functions: so a run can be pickled in its middle.


@dataclass(frozen=True, slots=True)
class _Always:
    action: Any

    def __call__(self, last: Any) -> Any:
        return self.action


def _again(last: Any) -> Any:
    return last


@dataclass(frozen=True, slots=True)
class _Sampled:
    space: spaces.Space[Any]

    def __call__(self, observation: Any, last: Any) -> Any:
        return self.space.sample()


@dataclass(frozen=True, slots=True)
class _Computed:
    function: Callable[[Any], Any]

    def __call__(self, observation: Any, last: Any) -> Any:
        return self.function(observation)


@dataclass(frozen=True, slots=True)
class _Checked:
    """Gives a behaviour copies, which it may change, and refuses its actions outside the space."""

    name: str
    codec: ActionCodec
    behaviour: BoundDefault

    def __call__(self, observation: Any, last: Any) -> Any:
        return self.action(self.behaviour(deepcopy(observation), deepcopy(last)))

    def timed(self, observation: Any, last: Any, idle_s: float) -> Any:
        """As `Timed.behaviour`."""
        assert isinstance(self.behaviour, Timed)
        return self.action(self.behaviour(deepcopy(observation), deepcopy(last), idle_s))

    def foresee(self, last: Any) -> Any:
        """As `Foreseeable.foresee`."""
        assert isinstance(self.behaviour, Foreseeable)
        coming = self.behaviour.foresee(deepcopy(last))
        return None if coming is None else self.action(coming)

    def action(self, answer: Any) -> Any:
        """``answer`` as the environment takes it."""
        try:
            return self.codec.decode(self.codec.encode(answer)[0])
        except ActionError as error:
            raise ActionError(f"default={self.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Fixed(Default):
    """Always ``action``."""

    action: Any = 0

    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        action = _checked(self.action, action_space)
        return Foreseeable(_Always(action), action)


@dataclass(frozen=True, slots=True)
class RepeatLast(Default):
    """The last executed action again; before the first, ``initial`` (or a neutral action if None)."""

    initial: Any = None

    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        initial = neutral(action_space) if self.initial is None else _checked(self.initial, action_space)
        return Foreseeable(_again, initial)


@dataclass(frozen=True, slots=True)
class RandomDefault(Default):
    """A uniformly random action."""

    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        action_space.seed(int(rng.integers(2**31)))
        return _Sampled(action_space)


@dataclass(frozen=True, slots=True)
class Fallback(Default):
    """A small fast policy: ``function`` of the newest observation. It runs inside the tick."""

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ConfigurationError(f"Fallback({self.function!r}) needs a function of one observation")

    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        return _Checked(text(self), ActionCodec(action_space, 1), _Computed(self.function))


@dataclass(frozen=True, slots=True)
class _HeldThenStopped:
    hold_s: float
    stop: BoundDefault

    def __call__(self, observation: Any, last: Any, idle_s: float) -> Any:
        return last if last is not None and idle_s <= self.hold_s else self.stop(observation, last)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldThenStop(Default):
    """Repeats the last action for ``hold_s`` seconds after the last fresh one, then stops: for robots.

    A short gap does not make the robot jerk, a long one does not let it run on. Before the first action it stops.

    It counts time, so `hocket.InducedDelay` refuses it, and a policy with pending actions is told that those of its
    ticks are unknown.

    Args:
        hold_s: at least 0.
        stop: an action, or another default behaviour, such as `Fallback`. There is none that stops every robot: zero
            stops one whose actions are speeds or torques, and moves one whose actions are positions.
    """

    hold_s: float
    stop: Any

    def __post_init__(self) -> None:
        if isinstance(self.hold_s, bool) or not isinstance(self.hold_s, int | float) or not self.hold_s >= 0:
            raise ConfigurationError(f"hold_s={self.hold_s!r} must be a number of at least 0 seconds; try 0.5")

    def bind(self, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
        if not isinstance(self.stop, Default):
            return Timed(_HeldThenStopped(self.hold_s, Fixed(self.stop).bind(action_space, rng)))
        stopped = bound(self.stop, action_space, rng)
        if isinstance(stopped, Timed):
            raise ConfigurationError(f"stop={text(self.stop)} counts time itself; try hocket.Fixed(...)")
        return Timed(_HeldThenStopped(self.hold_s, stopped))


_SURE = (Fixed, RepeatLast, RandomDefault, Fallback, HoldThenStop)
"""Classes whose actions need no further check."""


def bound(default: Default, action_space: spaces.Space[Any], rng: np.random.Generator) -> BoundDefault:
    """The behaviour of ``default`` for one run, on a copy of ``action_space``, which it may seed and draw from.

    The actions of other classes than this module's are checked as they come.

    Raises:
        ConfigurationError: if ``default`` does not fit the space, or is bound to no function.
    """
    space = deepcopy(action_space)
    behaviour = default.bind(space, rng)
    if type(default) in _SURE:
        return behaviour
    if not callable(behaviour):
        raise ConfigurationError(
            f"{text(default)}.bind gave {behaviour!r}; a function (newest observation, last action) -> action is "
            "needed; try `return lambda observation, last: 0`"
        )
    checked = _Checked(text(default), ActionCodec(space, 1), behaviour)
    if isinstance(behaviour, Foreseeable):
        return Foreseeable(checked.foresee, checked.action(behaviour.initial))
    return Timed(checked.timed) if isinstance(behaviour, Timed) else checked
