"""The exception tree of hocket.

Every message names the value it got, what is allowed and what to try.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any


class HocketError(Exception):
    """Base of all exceptions that hocket raises on purpose.

    Attributes:
        result: of one that ended a run or a training, the `RunResult` or `TrainResult` up to there; else None.
    """

    result: Any = None


class ConfigurationError(HocketError, ValueError):
    """An option that cannot work, refused when the object is made."""


class MissingExtraError(HocketError, ImportError):
    """A feature whose optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'hocket[{extra}]'")


class ActionError(HocketError, ValueError):
    """A policy returned an action that is not in the action space."""


class EnvError(HocketError, ValueError):
    """An environment gave an observation, a reward or an end that is not what it declares."""


class PolicyError(HocketError):
    """A policy could not be built, or kept failing; the message carries the worker's own traceback."""


class CancelledError(HocketError):
    """The inference that a policy computes was cancelled; the worker that runs it takes this in."""


class ProtocolError(HocketError):
    """An event cannot follow the ones before it."""


class TraceError(HocketError):
    """A trace or a run folder that cannot be read, or does not replay."""


class CheckpointError(HocketError):
    """A checkpoint that cannot be written, or cannot be resumed."""


class DivergenceError(HocketError, ArithmeticError):
    """A loss or a gradient is not finite. The weights are as they were before the update."""


class NotSolvedError(HocketError):
    """A model that the solver cannot solve."""


def check_whole(
    name: str, value: object, *, example: object, least: int = 1, most: int | None = None, numpy: bool = False
) -> None:
    """Refuse ``value`` unless it is a whole number from ``least`` on.

    Args:
        name: of the option.
        value: given for it.
        example: a value, or words, to try.
        least: the lowest allowed number.
        most: the highest allowed number; None for no limit.
        numpy: allow NumPy's whole numbers too.

    Raises:
        ConfigurationError: with the name, the value, the allowed ones and the example.
    """
    whole = isinstance(value, Integral if numpy else int) and not isinstance(value, bool)
    if not whole or int(value) < least or (most is not None and int(value) > most):  # type: ignore[call-overload]
        to = "" if most is None else f" to {most}"
        raise ConfigurationError(f"{name}={value!r} must be a whole number from {least}{to}; try {example}")
