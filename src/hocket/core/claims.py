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

    The newest observation with a claim decides, as in the scheduler: what acts makes older answers void, and a finished
    answer acts before its time where nothing else does. An unfinished inference is taken to come at the tick that it
    aims at; until that is past, nobody can say what it will yield.
    """
    newest = -1  # the observation of the last answer that acted
    for tick in ticks:
        candidates = [c for c in claims if c.first_tick <= tick <= c.last_tick and c.observation >= newest]
        if not candidates:
            candidates = [
                c for c in claims if c.answered and c.usable_tick <= tick <= c.last_tick and c.observation >= newest
            ]
        if not candidates:
            yield None
            continue
        claim = max(candidates, key=lambda c: (c.observation, c.answered))
        if not claim.answered:
            yield Source(claim.inference, -1)
            continue
        newest = claim.observation
        yield Source(claim.inference, min(tick - claim.base_tick, claim.length - 1))
