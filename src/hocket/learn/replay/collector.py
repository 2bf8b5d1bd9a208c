"""From ticks to what a learner samples: listens to a run and fills a replay, under either clock.

It knows no network and no learner.
"""

from __future__ import annotations

import math
from typing import Any

from hocket.hooks.record import Moment
from hocket.learn.replay.replay import Replay
from hocket.learn.replay.transitions import Decided, TransitionBuilder


class Collector:
    """A `hocket.hooks.record.Listener` that puts frames and transitions into ``replay``.

    Args:
        replay: new and empty, for the environment's frames and the policy's pending actions; this process writes to it.
        gamma: discount per tick.
        first_action: of the Discrete action space (its ``start``); the replay counts actions from 0.
        stacked: observations are stacks of frames, oldest first, and the replay keeps the newest one of each.
        first_tick: of the training, at which this run begins: 0, or where the one that it goes on from was left.

    Attributes:
        tick: the last one heard of, of the training.
        error: why nothing is kept any more: a reward that is no number; None as long as something is.
    """

    def __init__(
        self, replay: Replay, *, gamma: float, first_action: int = 0, stacked: bool = False, first_tick: int = 0
    ) -> None:
        self.replay = replay
        self.tick = first_tick
        self.error: str | None = None
        self._first_action = first_action
        self._first_tick = first_tick
        self._newest: Any = -1 if stacked else ...
        self._builder = TransitionBuilder(gamma)

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`."""
        self.replay.add_frame(self._first_tick, observation[self._newest], first=True)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`."""
        self.tick = tick = self._first_tick + moment.tick
        if self.error is not None:
            return
        if not math.isfinite(moment.reward):
            self.error = (
                f"tick {tick} paid a reward of {moment.reward}; only finite ones can be learned from; look at the "
                "environment's rewards"
            )
            return
        ended = moment.final_observation is not None
        decided = None
        if moment.decided_on >= 0:
            decided = Decided(
                tick=tick,
                observation=self._first_tick + moment.decided_on,
                action=moment.action - self._first_action,
                pending=moment.pending_actions,
            )
        closed = self._builder.tick(
            tick,
            moment.reward,
            decided=decided,
            terminated=moment.terminated,
            truncated=moment.truncated,
            final_pending=moment.final_pending_actions,
        )
        if ended:
            self.replay.add_frame(tick, moment.final_observation[self._newest])
        for transition in closed:
            self.replay.add_transition(
                transition.decided.observation,
                transition.decided.action,
                reward=transition.reward,
                discount=transition.discount,
                next_tick=transition.next_observation,
                pending=transition.decided.pending if len(transition.decided.pending) else None,
                next_pending=transition.next_pending if len(transition.next_pending) else None,
            )
        self.replay.add_frame(tick, moment.observation[self._newest], first=ended)
