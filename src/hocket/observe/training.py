"""How training stands, once in a while: what progress lines, TensorBoard and whoever else looks on are told.

An instrument is told inside the tick loop, so it must be quick; one that raises is dropped with a warning, and the
training goes on.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, Protocol

from hocket.errors import ConfigurationError
from hocket.record import Moment

NONE = math.nan


class LearnerFigures(NamedTuple):
    """What a learner can say of itself at any time.

    Attributes:
        updates: of the weights, so far.
        loss: of the last update.
        staleness: updates that others made between an update's snapshot and its landing, on average so far.
        epsilon: of ε-greedy, now.
    """

    updates: int
    loss: float = NONE
    staleness: float = NONE
    epsilon: float = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How training stands. NaN where there is nothing to say, such as no episode that ended.

    Attributes:
        tick: the last one.
        coverage: fresh ticks over all ticks, since the last progress.
        delay_ticks: mean delay of the fresh ticks since the last progress.
        episodes: that have ended so far.
        episode_return: mean undiscounted return of the episodes that ended since the last progress.
        updates_per_s: of the wall clock, since the last progress.
        learner: its own figures.
    """

    tick: int
    coverage: float
    delay_ticks: float
    episodes: int
    episode_return: float
    updates_per_s: float
    learner: LearnerFigures


class Instrument(Protocol):
    """Looks on."""

    def progressed(self, progress: Progress) -> None:
        """Training stands like this."""

    def evaluated(self, tick: int, mean_return: float) -> None:
        """After ``tick``, episodes under the greedy policy had this mean return."""


class Meter:
    """Counts ticks as a `Listener` does, and tells instruments every ``every_s`` seconds of the wall clock.

    Args:
        figures: asked for each progress.
        instruments: who is told.
        every_s: seconds between two progresses.
        first_tick: of the training, at which the run begins that is listened to.
        now_s: a clock in seconds.
    """

    def __init__(
        self,
        figures: Callable[[], LearnerFigures],
        instruments: Sequence[Instrument],
        *,
        every_s: float = 1.0,
        first_tick: int = 0,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        if not (math.isfinite(every_s) and every_s > 0):
            raise ConfigurationError(f"every_s={every_s!r} must be greater than 0; try 1.0")
        self._figures, self._instruments = figures, list(instruments)
        self._every_s, self._now_s = every_s, now_s
        self._return, self._episodes = 0.0, 0
        self._first_tick = self._tick = first_tick
        self._updates = 0
        self._began_s = now_s()
        self._clear()

    def began(self, observation: Any) -> None:
        """See `Listener`."""
        self.go_on()

    def go_on(self) -> None:
        """Rates are of what happens from here on, not of what has been before."""
        self._updates, self._began_s = self._figures().updates, self._now_s()

    def ticked(self, moment: Moment) -> None:
        """See `Listener`."""
        self._tick = self._first_tick + moment.tick
        self._ticks += 1
        if moment.decided_on >= 0:
            self._fresh += 1
            self._delay += moment.tick - moment.decided_on
        self._return += moment.reward
        if moment.terminated or moment.truncated:
            self._returns.append(self._return)
            self._return = 0.0
        if self._instruments and self._now_s() - self._began_s >= self._every_s:
            self.tell()

    def evaluated(self, tick: int, mean_return: float) -> None:
        """Pass an evaluation on."""
        self._all(lambda instrument: instrument.evaluated(tick, mean_return))

    def tell(self) -> None:
        """Tell all instruments now; also for the last ticks of a training."""
        now_s, learner = self._now_s(), self._figures()
        self._episodes += len(self._returns)
        progress = Progress(
            tick=self._tick,
            coverage=_ratio(self._fresh, self._ticks),
            delay_ticks=_ratio(self._delay, self._fresh),
            episodes=self._episodes,
            episode_return=_ratio(sum(self._returns), len(self._returns)),
            updates_per_s=_ratio(learner.updates - self._updates, now_s - self._began_s),
            learner=learner,
        )
        self._updates, self._began_s = learner.updates, now_s
        self._clear()
        self._all(lambda instrument: instrument.progressed(progress))

    def _clear(self) -> None:
        self._ticks = self._fresh = self._delay = 0
        self._returns: list[float] = []

    def _all(self, tell: Callable[[Instrument], None]) -> None:
        for instrument in list(self._instruments):
            try:
                tell(instrument)
            except Exception as error:
                self._instruments.remove(instrument)
                warnings.warn(f"{instrument!r} raised {error!r} and is told no more", RuntimeWarning, stacklevel=2)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NONE
