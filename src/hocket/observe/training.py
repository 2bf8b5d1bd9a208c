"""How training stands, once in a while: what progress lines, TensorBoard and whoever else looks on are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Any

from hocket.errors import ConfigurationError
from hocket.instrument import NONE, LearnerFigures, Progress
from hocket.record import Moment
from hocket.telling import Telling

class Meter:
    """Counts ticks as a `Listener` does, and tells how training stands every ``every_s`` seconds of the wall clock.

    Args:
        figures: asked for each progress.
        telling: tells it on; None if nobody looks on.
        every_s: seconds between two progresses.
        first_tick: of the training, at which the run begins that is listened to.
        now_s: a clock in seconds.
    """

    def __init__(
        self,
        figures: Callable[[], LearnerFigures],
        telling: Telling | None,
        *,
        every_s: float = 1.0,
        first_tick: int = 0,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        if not (math.isfinite(every_s) and every_s > 0):
            raise ConfigurationError(f"every_s={every_s!r} must be greater than 0; try 1.0")
        self._figures, self._telling = figures, telling
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
        if self._telling is not None and self._now_s() - self._began_s >= self._every_s:
            self.tell()

    def evaluated(self, tick: int, mean_return: float) -> None:
        """Pass an evaluation on."""
        if self._telling is not None:
            self._telling.evaluated(tick, mean_return)

    def tell(self) -> None:
        """Tell it now; also for the last ticks of a training."""
        if self._telling is None:
            return
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
        self._telling.trained(progress)

    def _clear(self) -> None:
        self._ticks = self._fresh = self._delay = 0
        self._returns: list[float] = []


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NONE
