"""The exception tree of hocket.

Every message names the value it got, what is allowed and what to try.
"""

from __future__ import annotations

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
