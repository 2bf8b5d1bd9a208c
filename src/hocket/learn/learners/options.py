"""Options of learners: how many share the weights, how their gradients are combined, when updates are due.

Values only; each clock has its own machinery (`hocket.learn.learners.virtual`).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from hocket.core.rules import Learn, Rule, Sequential
from hocket.errors import ConfigurationError, check_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class InLoop:
    """One update whenever a `Sequential` rule says so; acting waits for it. The classical loop.

    The rule has the order: ``Sequential(Learn.AFTER_INFERENCE)`` or ``Sequential(Learn.BEFORE_INFERENCE)``.

    Args:
        warm_up_ticks: before the first update.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    warm_up_ticks: int = 1000

    def __post_init__(self) -> None:
        check_whole("warm_up_ticks", self.warm_up_ticks, example="1000", numpy=True)


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """``learners`` asynchronous ones beside the acting.

    Each takes the weights as they are, computes its own gradient of its own batch, and applies it to the shared
    weights by the shared Adam state once it is done. By then others may have applied theirs: that is its staleness.

    Args:
        learners: how many.
        update_every_ticks: between two updates, of all learners together; one that is due waits for a free learner.
            None: as many as they can.
        warm_up_ticks: before the first update.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    learners: int = 1
    _: KW_ONLY
    update_every_ticks: int | None = 4
    warm_up_ticks: int = 1000

    def __post_init__(self) -> None:
        _check_beside(self)


@dataclass(frozen=True, slots=True)
class ParallelBatch:
    """``learners`` in step beside the acting: each update has one batch ``learners`` times larger.

    Args:
        learners, update_every_ticks, warm_up_ticks: see `RoundRobin`.

    Raises:
        ConfigurationError: if a value is not allowed.
    """

    learners: int
    _: KW_ONLY
    update_every_ticks: int | None = 4
    warm_up_ticks: int = 1000

    def __post_init__(self) -> None:
        _check_beside(self)


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


def _check_beside(options: RoundRobin | ParallelBatch) -> None:
    check_whole("learners", options.learners, example="1", numpy=True)
    if options.update_every_ticks is not None:
        check_whole(
            "update_every_ticks",
            options.update_every_ticks,
            example="4, or None for as many as there is time for",
            numpy=True,
        )
    check_whole("warm_up_ticks", options.warm_up_ticks, example="1000", numpy=True)
