"""Measures the state of a training at intervals, for progress lines, TensorBoard and other instruments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import monotonic

from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import NONE, Instrument, LearnerFigures, Progress, RunView
from hocket.hooks.record import Moment


def training_dispatcher(
    figures: Callable[[], LearnerFigures],
    instruments: Iterable[Instrument],
    *,
    every_s: float = 1.0,
    first_tick: int = 0,
    copies: int = 1,
    now_s: Callable[[], float] = monotonic,
) -> Dispatcher | None:
    """Dispatches the events of a training's run, and its state every ``every_s`` seconds and at the end.

    Args:
        figures: called for the learner's figures at each progress.
        instruments: the instruments to call; if there are none, None is returned.
        every_s: seconds of the wall clock between two progresses.
        first_tick: the training tick at which the run starts.
        copies: environments that tick together, of which the instruments see the first; ticks of the training are
            counted over all.
        now_s: a clock in seconds.

    Raises:
        ConfigurationError: if ``every_s`` is not greater than 0.
    """
    if not (math.isfinite(every_s) and every_s > 0):
        raise ConfigurationError(f"every_s={every_s!r} must be greater than 0; try 1.0")
    if Dispatcher(instruments).or_none() is None:
        return None
    meter = Meter(figures, every_s=every_s, first_tick=first_tick, copies=copies, now_s=now_s)
    meter.dispatcher = _TrainingDispatcher((meter, *instruments), first_tick, copies)
    return meter.dispatcher


class _TrainingDispatcher(Dispatcher):
    """Adds the training tick at which the run starts to its `RunView`."""

    def __init__(self, instruments: Iterable[Instrument], first_tick: int, copies: int) -> None:
        super().__init__(instruments)
        self._first_tick, self._copies = first_tick, copies

    def started(self, run: RunView) -> None:
        super().started(replace(run, resumed_tick=self._first_tick + run.first_tick * self._copies))


class Meter(Instrument):
    """Counts ticks, and dispatches the training's state through `dispatcher`. See `training_dispatcher`."""

    dispatcher: Dispatcher

    def __init__(
        self,
        figures: Callable[[], LearnerFigures],
        *,
        every_s: float,
        first_tick: int,
        copies: int,
        now_s: Callable[[], float],
    ) -> None:
        self._copies = copies
        self._figures, self._every_s, self._now_s = figures, every_s, now_s
        self._return, self._episodes = 0.0, 0
        self._first_tick = self._tick = first_tick
        self._updates = 0
        self._began_s = now_s()
        self._clear()

    def on_start(self, run: RunView) -> None:
        """Start the counts: rates do not include what happened before."""
        self._updates, self._began_s = self._figures().updates, self._now_s()

    def on_tick(self, moment: Moment) -> None:
        """See `Instrument`."""
        self._tick = self._first_tick + moment.tick * self._copies
        self._ticks += 1
        if moment.decided_on >= 0:
            self._fresh += 1
            self._delay += moment.tick - moment.decided_on
        self._return += moment.reward
        if moment.terminated or moment.truncated:
            self._returns.append(self._return)
            self._return = 0.0
        if self._now_s() - self._began_s >= self._every_s:
            self._tell()

    def on_stop(self) -> None:
        """Dispatch the state with the last ticks."""
        self._tell()

    def _tell(self) -> None:
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
        self.dispatcher.trained(progress)

    def _clear(self) -> None:
        self._ticks = self._fresh = self._delay = 0
        self._returns: list[float] = []


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else NONE
