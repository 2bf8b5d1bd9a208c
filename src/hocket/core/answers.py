"""Finished answers on their way to a tick: held until their rule releases them, due, then played step by step.

Freshness is kept here: actions never go back in (observation, chunk step).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from operator import attrgetter

from hocket.core.commands import Command, Outcome
from hocket.core.inference import Inference
from hocket.core.rules.base import Schedule

_by_observation = attrgetter("observation")

End = Callable[[Inference, Outcome, list[Command]], None]


class Answers:
    """What may still be executed.

    Args:
        schedule: says from which tick an answer may be used, and which of the usable ones runs.
        end: told of each inference whose outcome is settled here.

    Attributes:
        last: (observation, chunk step) of the last executed action.
    """

    def __init__(self, schedule: Schedule, end: End) -> None:
        self.last = (-1, -1)
        self._schedule = schedule
        self._end = end
        self._held: list[tuple[int, int, Inference]] = []  # a heap by release tick
        self._due: list[Inference] = []  # by observation, all newer than the last executed
        self._playing: Inference | None = None

    def __iter__(self) -> Iterator[Inference]:
        """Everything that may still be executed, the playing chunk first."""
        if self._playing is not None:
            yield self._playing
        yield from self._due
        yield from (held[2] for held in sorted(self._held))

    def add(self, inference: Inference) -> None:
        """``inference`` has just finished, with the first answer to its observation."""
        bound = inference.bound_tick
        release = bound if bound >= 0 else self._schedule.release_tick(inference)
        heappush(self._held, (release, inference.id, inference))

    def act(self, tick: int, out: list[Command]) -> tuple[Inference, int] | None:
        """The inference and the step of it that tick ``tick`` executes, if any."""
        self.release(tick, out)
        choice = self._schedule.choose(tick, self._due)
        if choice is not None:
            self._play(choice, tick, out)
        playing = self._playing
        if playing is None:
            return None
        step = min(tick - playing.base_tick, playing.length - 1)
        if (playing.observation, step) <= self.last:
            return None
        self.last = (playing.observation, step)
        if step == playing.length - 1:
            self._playing = None
        return playing, step

    def release(self, tick: int, out: list[Command]) -> None:
        """Move what may be used from ``tick`` on to the due list."""
        held, due, schedule = self._held, self._due, self._schedule
        while held and held[0][0] <= tick:
            inference = heappop(held)[2]
            if inference.observation <= self.last[0]:
                self._end(inference, Outcome.SUPERSEDED, out)
                continue
            if schedule.defers and inference.bound_tick < 0 and (later := schedule.release_tick(inference)) > tick:
                heappush(held, (later, inference.id, inference))
            elif due:
                insort(due, inference, key=_by_observation)
            else:
                due.append(inference)

    def _play(self, choice: Inference, tick: int, out: list[Command]) -> None:
        """Make ``choice`` the inference whose steps are executed; older ones are superseded."""
        due = self._due
        newest_first = len(due) - 1
        index = newest_first if due[newest_first] is choice else due.index(choice)
        for older in due[:index]:
            self._end(older, Outcome.SUPERSEDED, out)
        del due[: index + 1]
        if self._playing is not None:
            self._end(self._playing, Outcome.EXECUTED, out)
        target = choice.target
        choice.base_tick = target if 0 <= target < tick else tick
        self._playing = choice

    def discard(self, out: list[Command]) -> None:
        """The episode or the run has ended: settle everything."""
        remaining = list(self)
        for inference in remaining:
            if inference is self._playing:
                outcome = Outcome.EXECUTED
            elif inference.observation <= self.last[0]:
                outcome = Outcome.SUPERSEDED
            else:
                outcome = Outcome.DISCARDED
            self._end(inference, outcome, out)
        self._playing = None
        self._due.clear()
        self._held.clear()

    def validate(self) -> None:
        """Assert the invariants of what is kept here."""
        observations = [inference.observation for inference in self._due]
        assert observations == sorted(set(observations)), "one answer an observation, in order"
        assert not observations or observations[0] > self.last[0]
        assert all(inference.finished_ns >= 0 and inference.outcome is None for inference in self)
