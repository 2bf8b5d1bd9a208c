"""Claims of inferences on coming ticks: what these will execute, as far as it is settled, if nothing newer comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hocket.core.values import value

ANY_TICK = -1
ENDLESS = 2**62


@value
class Claim:
    """The ticks that one inference is going to decide, unless a newer one does.

    ``first_tick`` is the tick at which it takes over, `ANY_TICK` if an unfinished inference may come at any.
    ``usable_tick`` is the first tick at which it may act if nothing else does. ``last_tick`` is the last one that it
    has, or may have, an action for. ``base_tick`` and ``length`` say which, once it is ``answered``.
    """

    inference: int
    observation: int
    answered: bool
    first_tick: int
    usable_tick: int
    last_tick: int
    base_tick: int = -1
    length: int = 0


class Source(NamedTuple):
    """The inference that decides a tick and the step of its answer, -1 while it has none."""

    inference: int
    step: int


def sources(claims: Sequence[Claim], ticks: Iterable[int]) -> Iterator[Source | None]:
    """For each of the coming ``ticks``, which ascend: its source, None where nothing has a claim and the default acts.

    The newest observation with a claim decides, as in the scheduler: what acts makes older answers void, and an answer
    acts before its time where no other does. If no unfinished inference comes, the steps that are told are executed.
    A tick that an unfinished one may decide, because it aims at it or at none, is left to that one.
    """
    newest = certain = -1  # observations: of the last answer that acts if nothing comes, and whatever comes
    for tick in ticks:
        on_time: Claim | None = None
        early: Claim | None = None
        coming: Claim | None = None
        for claim in claims:
            if tick > claim.last_tick:
                continue
            if not claim.answered:
                if claim.first_tick <= tick and (coming is None or claim.observation > coming.observation):
                    coming = claim
            elif claim.observation >= newest:
                if claim.first_tick <= tick:
                    if on_time is None or claim.observation > on_time.observation:
                        on_time = claim
                elif claim.usable_tick <= tick and (early is None or claim.observation > early.observation):
                    early = claim
        acting = on_time or early
        if acting is not None:
            newest = acting.observation
        if coming is not None and coming.observation > (certain if on_time is None else newest):
            yield Source(coming.inference, -1)
        elif acting is None:
            yield None
        else:
            certain = newest
            yield Source(acting.inference, min(tick - acting.base_tick, acting.length - 1))
