"""Learners in virtual time, beside the tick loop of a virtual run.

An update starts at one time and lands at a later one. Its gradient is of the weights and the replay as they are when it
starts; it changes the weights when it lands, so every inference sees what had landed when it started, and every
gradient is exactly as stale as it would be.
"""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from torch import nn

from hocket.errors import ConfigurationError, DivergenceError
from hocket.hooks.record import Listener, Moment
from hocket.latency.laws import Constant, LatencyModel
from hocket.learn.learners.options import InLoop, Learners, ParallelBatch, RoundRobin
from hocket.learn.learners.split_update import Gradient, Updates
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.collectors import Collectors


class UpdateLog:
    """A row an update, in the order in which they landed.

    Attributes:
        learners: whose it was.
        losses: before the step.
        stalenesses: how many others landed between its start and its landing.
        started_ns, landed_ns: when.
    """

    def __init__(self) -> None:
        self.learners = array("l")
        self.losses = array("d")
        self.stalenesses = array("l")
        self.started_ns = array("q")
        self.landed_ns = array("q")

    def __len__(self) -> int:
        return len(self.losses)


class VirtualLearners:
    """Learns from the ticks of a run, or of several copies; `hocket.hooks.record.Background` of the same run.

    An update that is due while every learner is busy waits for the first one that is free. At one instant, landings
    come before inferences, and a tick's observation before the updates that start at it. Of several landings the
    learner of the lowest number comes first.

    Args:
        learners: how many there are, how they share the work, and when updates are due.
        updates: the weights that they share; for `ParallelBatch`, with a batch that is as many times larger.
        collector: that fills the replay which ``updates`` sample from; those of several copies count as one.
        durations: the law of what one learner takes for one update. An update of `ParallelBatch` takes as long as
            its slowest learner. `InLoop` does not ask: its clock says how long.
        seed: of the durations.

    Attributes:
        log: of the updates that have landed.
        error: the reason why learning has stopped, or None. Updates under way still land.
    """

    def __init__(
        self,
        learners: Learners,
        *,
        updates: Updates,
        collector: Collector | Collectors,
        durations: LatencyModel,
        seed: np.random.SeedSequence,
    ) -> None:
        self._in_loop = isinstance(learners, InLoop)
        self._update_every = None if isinstance(learners, InLoop) else learners.update_every_ticks
        self._warm_up = learners.warm_up_ticks
        if not self._in_loop and self._update_every is None and durations == Constant(0.0):
            raise ConfigurationError(
                "update_every_ticks=None with updates that take no time would never end; a number of ticks is allowed, "
                "or updates that take time; try update_every_ticks=4 or "
                "hocket.Virtual(..., learning=hocket.Constant(0.01))"
            )
        self.collector = collector
        self.log = UpdateLog()
        self.error: str | None = None
        self._updates = updates
        self._workers = learners.learners if isinstance(learners, ParallelBatch) else 1
        self._idle = list(range(learners.learners if isinstance(learners, RoundRobin) else 1))
        self._under_way: list[tuple[int, int, int, int, Gradient]] = []  # landing, learner, start, version then
        self._duration = durations.checked_sampler(np.random.default_rng(seed))
        self._due: float = 0
        self._now_ns = 0

    @property
    def version(self) -> int:
        """Of the weights: how many updates have landed."""
        return self._updates.landed

    def reader(self, parts: Sequence[str] = ()) -> VirtualLearners:
        """See `hocket.learn.acting.Weights`."""
        return self

    def refresh(self, network: nn.Module) -> int:
        """See `hocket.learn.acting.WeightReader`: ``network`` is the one that learns, and up to date."""
        return self.version

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`, of one environment."""
        assert not isinstance(self.collector, Collectors)
        self.collector.began(observation)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`, of one environment: keep what happened, and start what is due."""
        assert not isinstance(self.collector, Collectors)
        self.collector.ticked(moment)
        self.collected()

    def listeners(self) -> list[Listener]:
        """The listener of each environment: of copies each has its own."""
        collector = self.collector
        return [_OfCopy(self, each) for each in collector.each] if isinstance(collector, Collectors) else [self]

    def collected(self) -> None:
        """Start what is due after a tick that has been kept."""
        if self.collector.error is not None:
            self._stop(self.collector.error)
        if self._in_loop or not self._warm:
            return
        if self._update_every is None:
            self._due = math.inf
        elif self.collector.tick % self._update_every == 0:
            self._due += 1
        self._start_due(self._now_ns)
        self.advance(self._now_ns)

    def advance(self, now_ns: int) -> None:
        """See `hocket.hooks.record.Background`: land what lands by ``now_ns``, and start what is due by then."""
        under_way = self._under_way
        while under_way and under_way[0][0] <= now_ns:
            self._land()
        self._now_ns = now_ns

    def learn(self, now_ns: int, ended_ns: int) -> None:
        """See `hocket.hooks.record.Background`: the one update of `InLoop`."""
        self.advance(now_ns)
        if self._warm:
            self._start(0, now_ns, ended_ns)

    @property
    def _warm(self) -> bool:
        collector = self.collector
        return collector.tick >= self._warm_up and self.error is None and len(collector.replay) > 0

    def _start_due(self, now_ns: int) -> None:
        while self._due > 0 and self._idle and self.error is None:
            self._due -= 1
            learner = heappop(self._idle)
            took_ns = max(self._duration(number, now_ns) for number in range(learner, learner + self._workers))
            # As many as they can, in no time, would be endlessly many.
            self._start(learner, now_ns, now_ns + max(took_ns, int(self._update_every is None)))

    def _start(self, learner: int, now_ns: int, landing_ns: int) -> None:
        try:
            gradient = self._updates.gradient(self.collector.tick)
        except DivergenceError as error:
            self._stop(str(error))
            return
        heappush(self._under_way, (landing_ns, learner, now_ns, self.version, gradient))

    def _stop(self, why: str) -> None:
        if self.error is None:
            self.error = f"learning stopped at tick {self.collector.tick}, after {len(self.log)} updates: {why}"
            warnings.warn(self.error, RuntimeWarning, stacklevel=2)

    def _land(self) -> None:
        landed_ns, learner, started_ns, version, gradient = heappop(self._under_way)
        self.log.learners.append(learner)
        self.log.losses.append(gradient.result.loss)
        self.log.stalenesses.append(self.version - version)
        self.log.started_ns.append(started_ns)
        self.log.landed_ns.append(landed_ns)
        self._updates.land(gradient)
        if not self._in_loop:
            heappush(self._idle, learner)
            self._start_due(landed_ns)


class _OfCopy(Listener):
    """Keeps the ticks of one copy, and starts what is due."""

    def __init__(self, learners: VirtualLearners, collector: Collector) -> None:
        self._learners, self._collector = learners, collector

    def began(self, observation: Any) -> None:
        self._collector.began(observation)

    def ticked(self, moment: Moment) -> None:
        self._collector.ticked(moment)
        self._learners.collected()
