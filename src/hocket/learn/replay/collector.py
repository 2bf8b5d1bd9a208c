"""From ticks to what a learner samples: listens to a run and fills a replay, under either clock.

It knows no network and no learner.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError
from hocket.hooks.record import Moment
from hocket.learn.replay.replay import Replay
from hocket.learn.replay.reward_scaling import UNSCALED, RewardScaling
from hocket.learn.replay.transitions import Decided, TransitionBuilder
from hocket.spaces.codec import PendingActions

LARGEST_REWARD = float(np.finfo(np.float32).max)


class StackCheck:
    """Refuses stacks of frames that a replay could not put together again from single frames.

    The replay keeps the newest frame of each stack. So the first stack of an episode must be its first frame repeated,
    and each next one the stack before it, shifted by one frame; else learning would see states that no policy saw.
    """

    def __init__(self) -> None:
        self._before: NDArray[Any] = np.empty(0)

    def first(self, stack: NDArray[Any]) -> None:
        """The stack that an episode begins with.

        Raises:
            ConfigurationError: if its frames differ.
        """
        if not (stack[1:] == stack[:-1]).all():
            raise ConfigurationError(
                f"frame_stack={len(stack)}, and the frames of an episode's first observation differ; the first frame "
                "repeated is allowed; try gymnasium.wrappers.FrameStackObservation(env, n) with its usual padding_type "
                "'reset', or leave frame_stack out: whole observations are kept then"
            )
        self._before = np.array(stack)

    def ticked(self, tick: int, moment: Moment) -> None:
        """The stacks of a tick.

        Raises:
            ConfigurationError: if the tick's own is not the one before it, shifted by one frame.
        """
        ended = moment.final_observation is not None
        stack = moment.final_observation if ended else moment.observation
        if not (stack[:-1] == self._before[1:]).all():
            raise ConfigurationError(
                f"frame_stack={len(stack)}, and the observation of tick {tick} is not the one before it, shifted by "
                "one frame; stacks of consecutive frames, oldest first along the first axis, are allowed; try "
                "gymnasium.wrappers.FrameStackObservation(env, n), or leave frame_stack out: whole observations are "
                "kept then"
            )
        if not ended:
            self._before[:] = stack
        elif moment.observation is not moment.final_observation:  # as at the end of demonstrations, with none after it
            self.first(moment.observation)


class Collector:
    """A `hocket.hooks.record.Listener` that puts frames and transitions into ``replay``.

    Args:
        replay: new and empty, for the environment's frames and the policy's pending actions; this process writes to it.
        gamma: discount per tick.
        first_action: of a Discrete action space (its ``start``); the replay counts actions from 0. 0 for a Box.
        stacked: observations are stacks of frames, oldest first, and the replay keeps the newest one of each.
        first_tick: of the training, at which this run begins: 0, or the tick of the checkpoint that it resumes.
        rewards: how a tick's reward is learned.
        n_step, unknown: as of `TransitionBuilder`, of a replay whose own ``n_step`` is 1.

    Attributes:
        tick: the last one, of the training.
        interval_ticks: between the last two decisions that were executed in one episode; 1 before there are two.
        error: the reason why no more ticks are kept, a reward that is no number of 32 bits; else None.

    Raises:
        ConfigurationError: from `began` and `ticked`, if ``stacked`` observations are not what `StackCheck` allows.
    """

    def __init__(
        self,
        replay: Replay,
        *,
        gamma: float,
        first_action: int = 0,
        stacked: bool = False,
        first_tick: int = 0,
        rewards: RewardScaling = UNSCALED,
        n_step: int = 1,
        unknown: int | None = None,
    ) -> None:
        self.replay = replay
        self._rewards = rewards
        self.tick = first_tick
        self.interval_ticks = 1
        self._last_decision: int | None = None
        self.error: str | None = None
        self._first_action = first_action
        self._first_tick = first_tick
        self._newest: Any = -1 if stacked else ...
        self._stacks = StackCheck() if stacked else None
        self._builder = TransitionBuilder(gamma, n_step=n_step, unknown=unknown)
        self._episode_tick = first_tick  # of the episode's first observation

    def began(self, observation: Any) -> None:
        """See `hocket.hooks.record.Listener`."""
        if self._stacks is not None:
            self._stacks.first(observation)
        self.replay.add_frame(self._first_tick, observation[self._newest], first=True)

    def ticked(self, moment: Moment) -> None:
        """See `hocket.hooks.record.Listener`."""
        present = self.tick
        self.tick = tick = self._first_tick + moment.tick
        self._measure_interval(moment)
        if self._stacks is not None:
            self._stacks.ticked(tick, moment)
        if self.error is not None:
            return
        reward = self._rewards(moment.reward)
        if not (abs(moment.reward) < math.inf and abs(reward) <= LARGEST_REWARD):
            self.error = (
                f"tick {tick} paid a reward of {moment.reward}; only finite ones can be learned from, in 32 bits; look "
                "at the environment's rewards"
            )
            return
        ended = moment.final_observation is not None
        decided = final = None
        if moment.decided_on >= 0 or moment.newest >= 0:
            action = moment.action - self._first_action
            decided = self._decided(tick, moment.decided_on, moment.newest, moment.pending_actions, action, present)
        if ended and moment.final_decided_on is not None:
            newest, told = moment.final_newest, moment.final_pending_actions
            final = self._decided(tick, moment.final_decided_on, newest, told, 0, tick)
        closed = self._builder.tick(
            tick,
            reward,
            decided=decided,
            terminated=moment.terminated,
            truncated=moment.truncated,
            final=final,
            final_pending=moment.final_pending_actions,
        )
        if ended:
            self.replay.add_frame(tick, moment.final_observation[self._newest])
        for transition in closed:
            decided = transition.decided
            self.replay.add_transition(
                decided.observation,
                decided.action,
                reward=transition.reward,
                discount=transition.discount,
                next_tick=transition.next_observation,
                pending=decided.pending if len(decided.pending) else None,
                next_pending=transition.next_pending if len(transition.next_pending) else None,
                newest_tick=decided.newest if decided.newest >= 0 else None,
                next_newest_tick=transition.next_newest if transition.next_newest >= 0 else None,
                delay=decided.delay,
                next_delay=transition.next_delay,
                present_tick=decided.present,
                next_present_tick=transition.next_present,
            )
        if ended:
            self._episode_tick = tick
        self.replay.add_frame(tick, moment.observation[self._newest], first=ended)

    def _measure_interval(self, moment: Moment) -> None:
        if moment.decided_on >= 0 or moment.newest >= 0:
            if self._last_decision is not None:
                self.interval_ticks = self.tick - self._last_decision
            self._last_decision = self.tick
        if moment.final_observation is not None:
            self._last_decision = None

    def _decided(
        self, tick: int, decided_on: int, newest: int, pending: PendingActions, action: Any, present: int
    ) -> Decided:
        """A decision of tick ``tick``, by the ticks of its run; without features if ``decided_on`` is -1."""
        observation = self._first_tick + decided_on if decided_on >= 0 else -1
        delay = 0
        if newest >= 0:
            newest += self._first_tick
            if decided_on < 0:
                observation = self._episode_tick
            else:
                delay = newest + 1 - observation
        return Decided(
            tick=tick,
            observation=observation,
            action=action,
            pending=pending,
            newest=newest,
            delay=delay,
            present=present,
        )
