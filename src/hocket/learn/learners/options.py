"""Who learns: which learners share the weights, and how their gradients meet. Values only; each clock has its own
machinery (`hocket.learn.learners.virtual`)."""

from __future__ import annotations

from dataclasses import dataclass

from hocket.core.rules import Learn, Rule, Sequential
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class InLoop:
    """One update whenever a `Sequential` rule says so; acting waits for it. The classical loop.

    The rule has the order: ``Sequential(Learn.AFTER_INFERENCE)`` or ``Sequential(Learn.BEFORE_INFERENCE)``.
    """


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """``learners`` asynchronous ones beside the acting.

    Each takes the weights as they are, computes its own gradient of its own batch, and applies it to the shared
    weights by the shared Adam state once it is done. By then others may have applied theirs: that is its staleness.
    """

    learners: int = 1

    def __post_init__(self) -> None:
        _check_number(self.learners)


@dataclass(frozen=True, slots=True)
class ParallelBatch:
    """``learners`` in step beside the acting: each update has one batch ``learners`` times larger."""

    learners: int

    def __post_init__(self) -> None:
        _check_number(self.learners)


Learners = InLoop | RoundRobin | ParallelBatch
"""A way of running learners."""


def check_learners(learners: Learners, rule: Rule) -> None:
    """Refuse what does not go together.

    Raises:
        ConfigurationError: if ``rule`` lets the agent learn in its loop and ``learners`` do not, or vice versa.
    """
    if not isinstance(learners, InLoop | RoundRobin | ParallelBatch):
        raise ConfigurationError(
            f"learner={learners!r} must be InLoop(), RoundRobin(n) or ParallelBatch(n); try hocket.RoundRobin(1)"
        )
    in_loop = isinstance(rule, Sequential) and rule.learn is not Learn.NEVER
    if isinstance(learners, InLoop) and not in_loop:
        raise ConfigurationError(
            f"learner={learners!r} learns when its rule says so, and {rule} never does; "
            "try hocket.Sequential(hocket.Learn.AFTER_INFERENCE), or hocket.RoundRobin(1)"
        )
    if in_loop and not isinstance(learners, InLoop):
        raise ConfigurationError(
            f"learner={learners!r} learns beside the acting, and {rule} would wait for it; "
            "try hocket.InLoop(), or a rule that does not learn"
        )


def _check_number(learners: int) -> None:
    if isinstance(learners, bool) or not isinstance(learners, int) or learners < 1:
        raise ConfigurationError(f"learners={learners!r} must be a whole number from 1; try 1")
