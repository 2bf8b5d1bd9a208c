"""Batches for learners: transitions by number, put together from the rings into plain arrays.

Frame stacks: the newest frames up to the observation's own, clipped at the episode's first one by repeating it.
n-step returns (Sutton & Barto, *Reinforcement Learning*, 2nd ed., §7.1) over consecutive transitions of one episode,
each step discounted by its own γ^ticks. This module only copies; whether the copy was whole is the replay's to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.ipc.shared_memory import fence
from hocket.learn.replay.ring import NEWEST, Arrays
from hocket.spaces.codec import PendingActions


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``size`` transitions, in plain arrays that belong to the caller.

    Attributes:
        states: ``(size, *frame_shape)``, or ``(size, stack, *frame_shape)`` with the oldest frame first.
        actions: int64 ``(size,)``; of a Box float32 ``(size, action_size)``.
        rewards: float32 ``(size,)``: the discounted sum over the transition's ticks (n-step: over all its steps).
        discounts: float32 ``(size,)``: what the value of ``next_states`` counts; 0 where the episode terminated.
        next_states: like ``states``.
        pending: int64 ``(size, pending)``: pending actions that the policy was told beside ``states``; of a Box
            float32 ``(size, pending, action_size + 1)``.
        next_pending: likewise for ``next_states``.
        newest: like ``states``: the newest observations that the policy's head was given; ``(size, 0)`` of a replay
            that keeps none.
        delays: int64 ``(size,)``: the delays that the head was told, 0 where it had no features.
        next_newest, next_delays: likewise for ``next_states``.
        present: like ``states``: the newest observations when the actions were executed, whatever the policy was told;
            ``(size, 0)`` of a replay that keeps none.
        next_present: likewise when the next decisions were executed.
        weights: float32 ``(size,)``: importance weights, the largest 1; all 1 under uniform sampling.
        indices: int64 ``(size,)``: for `Replay.update_priorities`.
        demonstrated: bool ``(size,)``: which rows are demonstrations; None without any
            (`hocket.learn.replay.mixed_replay`).
    """

    states: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    discounts: NDArray[np.float32]
    next_states: NDArray[Any]
    pending: PendingActions
    next_pending: PendingActions
    newest: NDArray[Any]
    next_newest: NDArray[Any]
    delays: NDArray[np.int64]
    next_delays: NDArray[np.int64]
    present: NDArray[Any]
    next_present: NDArray[Any]
    weights: NDArray[np.float32]
    indices: NDArray[np.int64]
    demonstrated: NDArray[np.bool_] | None = None


class Assembly:
    """Copies transitions out of the rings.

    Args:
        arrays: of `ring_parts`.
        stack: frames in a state; None for one without an axis of its own.
        n_step: transitions that one sample spans at most; 1 of several copies.
        copies: equal stretches that the rings are of, each a ring of its own.
    """

    def __init__(self, arrays: Arrays, stack: int | None, n_step: int, *, copies: int = 1) -> None:
        self._counters, self._records = arrays["counters"], arrays["records"]
        self._frames, self._ages = arrays["frames"], arrays["ages"]
        self._back = None if stack is None else np.arange(stack - 1, -1, -1)
        self._steps = np.arange(n_step)
        self._capacity, self._room = len(self._records) // copies, len(self._frames) // copies
        kinds = ("action", "pending", "next_pending")
        self._as_sampled = {
            kind: np.dtype(np.float32 if self._records.dtype[kind].base.kind == "f" else np.int64) for kind in kinds
        }
        names = self._records.dtype.names or ()
        self._newest, self._present = "newest" in names, "present" in names

    def copy(self, indices: NDArray[np.int64], copies: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
        """All of `Batch` but weights and indices. Rubbish, but no error, where the writer got in between.

        Args:
            indices: of the transitions.
            copies: the copy that each one is of, if there are several.
        """
        if len(self._steps) == 1:
            slots = indices % self._capacity
            first = last = self._records.take(slots if copies is None else slots + copies * self._capacity)
            rewards, discounts = first["reward"].copy(), first["discount"].copy()
        else:
            first, last, rewards, discounts = self._over_steps(indices)
        size = len(indices)
        numbers = {"states": first["state"], "next_states": last["next_state"]}
        if self._newest:
            numbers |= {"newest": first["newest"], "next_newest": last["next_newest"]}
        if self._present:
            numbers |= {"present": first["present"], "next_present": last["next_present"]}
        begins = 0 if copies is None else np.concatenate([copies * self._room] * len(numbers))
        observations = np.split(self._observations(np.concatenate(list(numbers.values())), begins), len(numbers))
        nothing = np.empty((size, 0), self._frames.dtype)
        delays = next_delays = np.zeros(size, np.int64)
        if self._newest:
            delays, next_delays = first["delay_ticks"].astype(np.int64), last["next_delay_ticks"].astype(np.int64)
        kinds = self._as_sampled
        return {
            **dict.fromkeys(("newest", "next_newest", "present", "next_present"), nothing),
            **dict(zip(numbers, observations, strict=True)),
            "delays": delays,
            "next_delays": next_delays,
            "actions": first["action"].astype(kinds["action"]),
            "rewards": rewards,
            "discounts": discounts,
            "pending": first["pending"].astype(kinds["pending"]),
            "next_pending": last["next_pending"].astype(kinds["next_pending"]),
        }

    def _over_steps(self, indices: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        newest = int(self._counters[NEWEST])
        fence()
        following = indices[:, None] + self._steps
        steps = self._records.take(following % self._capacity)
        # A step belongs to the sum if it starts where the one before ended: the final frame of an episode, and the last
        # one before a discarded stretch, start nothing.
        belongs = following < newest
        belongs[:, 1:] &= steps["state"][:, 1:] == steps["next_state"][:, :-1]
        belongs = np.logical_and.accumulate(belongs, axis=1)
        belongs[:, 0] = True
        products = np.where(belongs, steps["discount"], 1.0).cumprod(axis=1, dtype=np.float64)
        rewards = steps["reward"][:, 0] + (products[:, :-1] * np.where(belongs, steps["reward"], 0)[:, 1:]).sum(axis=1)
        last = steps[np.arange(len(indices)), belongs.sum(axis=1) - 1]
        return steps[:, 0], last, rewards.astype(np.float32), products[:, -1].astype(np.float32)

    def _observations(self, numbers: NDArray[np.int64], begins: NDArray[np.int64] | int) -> NDArray[Any]:
        """Those of the frames ``numbers`` of rings that begin at the slots ``begins``."""
        if self._back is not None:
            ages = self._ages.take(begins + numbers % self._room)
            numbers = numbers[:, None] - np.minimum(self._back, ages[:, None])
            begins = begins if isinstance(begins, int) else begins[:, None]
        return self._frames.take(begins + numbers % self._room, axis=0)
