"""The replay's memory: one ring of frames, one of transitions, one writer, and readers for which it never waits.

**Numbers.** Frames and transitions are numbered from 0 for ever; number i lies in slot i mod the ring's length. The
transitions ``oldest … newest − 1`` are *live*: so are all the frames that they, with their stacks, refer to.

**No torn reads.** The writer raises ``oldest`` past everything that needs a slot *before* it overwrites the slot, and
raises ``newest`` *after* a transition is complete. A reader copies whatever it wants and looks at ``oldest`` again:
what is still live was whole all the while, the rest it throws away. Neither side waits for the other.

This module knows one tick's frame and one transition at a time; sampling is in ``replay.py``.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError
from hocket.ipc.shared_memory import Part, fence
from hocket.spaces.codec import PendingActions

OLDEST, NEWEST, FRAMES, LOST, EPISODE_TICK = range(5)
LARGEST_AGE = int(np.iinfo(np.uint8).max)


class Arrays(Protocol):
    """Arrays by name."""

    def __getitem__(self, name: str, /) -> NDArray[Any]: ...


LONGEST_DELAY = int(np.iinfo(np.int16).max)


def record_dtype(pending: int, *, newest: bool, present: bool, action_size: int) -> np.dtype[Any]:
    """One transition: the numbers of its frames, and all else that belongs to it. Arguments as of `Replay`."""
    one: tuple[Any, ...] = (np.float32, (action_size,)) if action_size else (np.int32,)
    several: Any = (np.float32, (pending, action_size + 1)) if action_size else (np.int16, (pending,))
    numbers = ["state", "next_state"]
    numbers += ["newest", "next_newest"] if newest else []
    numbers += ["present", "next_present"] if present else []
    fields: list[tuple[Any, ...]] = [(name, np.int64) for name in numbers]
    fields += [("action", *one), ("reward", np.float32), ("discount", np.float32)]
    if newest:
        fields += [("delay_ticks", np.int16), ("next_delay_ticks", np.int16)]
    fields += [("pending", *several), ("next_pending", *several)]
    return np.dtype(fields, align=True)


class Inputs(NamedTuple):
    """The inputs of a decision beside its observation; zeros where the policy is not told."""

    pending: PendingActions | None = None
    """Pending actions."""
    newest_tick: int | None = None
    """The newest observation, by its tick."""
    delay_ticks: int = 0
    """The delay that the head was told; 0 without features."""
    present_tick: int | None = None
    """The newest observation when the action was executed, by its tick, whatever the policy was told."""


def ring_parts(
    capacity: int,
    frames: int,
    frame_shape: tuple[int, ...],
    frame_dtype: np.dtype[Any],
    pending: int,
    newest: bool,
    present: bool,
    action_size: int,
) -> dict[str, Part]:
    """The arrays of both rings. A frame's age counts the frames before it in its episode, up to LARGEST_AGE."""
    return {
        "counters": ((5,), np.dtype(np.int64)),
        "records": ((capacity,), record_dtype(pending, newest=newest, present=present, action_size=action_size)),
        "frames": ((frames, *frame_shape), frame_dtype),
        "ages": ((frames,), np.dtype(np.uint8)),
        "ticks": ((frames,), np.dtype(np.int64)),
    }


class RingWriter:
    """The writer of a ring.

    Args:
        arrays: of `ring_parts`.
        reach: how many frames before its own a state may need (stack − 1).
    """

    def __init__(self, arrays: Arrays, reach: int) -> None:
        self._counters, self._records, self._frames = arrays["counters"], arrays["records"], arrays["frames"]
        self._ages, self._ticks, self._states = arrays["ages"], arrays["ticks"], self._records["state"]
        self._reach = reach
        self._frame_shape, self._frame_dtype = self._frames.shape[1:], self._frames.dtype
        self._capacity, self._room = len(self._records), len(self._frames)
        self._present = "present" in (self._records.dtype.names or ())
        self._action_shape = self._records.dtype["action"].shape
        self._keeps_newest = "newest" in (self._records.dtype.names or ())
        self._nothing_pending: PendingActions = np.zeros_like(self._records["pending"][0])
        self.resume(first_frame=0)

    def resume(self, *, first_frame: int) -> None:
        """Carry on from what the arrays hold: frames from ``first_frame`` on."""
        self._oldest, self._newest, self._frame_count, _, self._episode_tick = self._counters.tolist()
        self._oldest_state = self._state_of(self._oldest)
        self._newest_state = self._state_of(self._newest - 1) if self._oldest < self._newest else -1
        self._stretches: deque[tuple[int, int]] = deque()  # (tick, frame number) where one without a gap begins
        self._age, self._newest_tick = -1, 0
        numbers = np.arange(first_frame, self._frame_count)
        if len(numbers):
            starts = numbers[self._ages[numbers % self._room] == 0]
            numbers = numbers[numbers >= starts[-1]] if len(starts) else numbers
            ticks = self._ticks[numbers % self._room]
            for begin in (0, *(np.flatnonzero(np.diff(ticks) != 1) + 1).tolist()):
                self._stretches.append((int(ticks[begin]), int(numbers[begin])))
            self._age, self._newest_tick = int(self._ages[numbers[-1] % self._room]), int(ticks[-1])

    def add_frame(self, tick: int, frame: Any, first: bool) -> None:
        """See `Replay.add_frame`."""
        frame = np.asarray(frame)
        if frame.shape != self._frame_shape or frame.dtype != self._frame_dtype:
            raise ConfigurationError(
                f"a frame of {frame.dtype} {frame.shape} does not fit a replay of {self._frame_dtype} "
                f"{self._frame_shape} frames; equal shapes and dtypes are allowed; try the environment's own (of a "
                "stacked observation the newest frame alone: the replay stacks)"
            )
        number = self._frame_count
        if first or self._age < 0:
            age = 0
            self._stretches.clear()
            self._episode_tick = self._counters[EPISODE_TICK] = tick
        elif tick > self._newest_tick:
            age = min(self._age + 1, LARGEST_AGE)
        else:
            raise ConfigurationError(
                f"tick={tick} after tick {self._newest_tick} in one episode; later ticks are allowed; try first=True "
                "where an episode, or a stretch after discarded ticks, begins"
            )
        if age == 0 or tick != self._newest_tick + 1:
            self._stretches.append((tick, number))
            while len(self._stretches) > 1 and self._stretches[1][1] <= number - self._room:
                self._stretches.popleft()
        self._retire(self._oldest, number + 1 - self._room)
        slot = number % self._room
        self._frames[slot] = frame
        self._ages[slot] = age
        self._ticks[slot] = tick
        self._age, self._newest_tick, self._frame_count = age, tick, number + 1
        fence()
        self._counters[FRAMES] = number + 1

    def add_transition(
        self,
        tick: int,
        action: Any,
        reward: float,
        discount: float,
        next_tick: int,
        inputs: Inputs,
        next_inputs: Inputs,
    ) -> None:
        """See `Replay.add_transition`."""
        action = self._action(action)
        if not 0 <= discount <= 1 or not abs(reward) < float("inf"):
            raise ConfigurationError(
                f"reward={reward!r}, discount={discount!r}: a finite reward and a discount in [0, 1] are allowed; try "
                "0 for a terminated transition and γ^ticks for any other"
            )
        state, next_state = self._number_at(tick, "tick"), self._number_at(next_tick, "next_tick")
        first_pending = self._checked(inputs.pending, "pending")
        last_pending = self._checked(next_inputs.pending, "next_pending")
        newest = self._newest_number(inputs, state, "newest_tick")
        next_newest = self._newest_number(next_inputs, next_state, "next_newest_tick")
        if state - self._reach < self._frame_count - self._room:
            self._counters[LOST] += 1
            return
        if next_state < state or state < self._newest_state:
            raise ConfigurationError(
                f"a transition from tick={tick} to next_tick={next_tick} after one from frame {self._newest_state}: "
                "times that never go back are allowed; try adding transitions in the order of their decisions"
            )
        numbers: tuple[int, ...] = (state, next_state)
        if self._keeps_newest:
            numbers = (*numbers, newest, next_newest)
        if self._present:
            acting = self._later(inputs.present_tick, state, "present_tick")
            numbers = (*numbers, acting, self._later(next_inputs.present_tick, next_state, "next_present_tick"))
        if self._newest - self._oldest == self._capacity:
            self._retire(self._oldest + 1, self._frame_count - self._room)
        delays: tuple[int, ...] = ()
        if self._keeps_newest:
            delays = (min(inputs.delay_ticks, LONGEST_DELAY), min(next_inputs.delay_ticks, LONGEST_DELAY))
        record = (*numbers, action, reward, discount, *delays, first_pending, last_pending)
        self._records[self._newest % self._capacity] = record
        if self._oldest == self._newest:
            self._oldest_state = state
        self._newest_state = state
        self._newest += 1
        fence()
        self._counters[NEWEST] = self._newest

    def _action(self, action: Any) -> Any:
        """``action`` as a record keeps it."""
        if not self._action_shape:
            try:
                return operator.index(action)
            except TypeError:
                raise ConfigurationError(
                    f"action={action!r} is no whole number; Discrete actions are allowed; try "
                    "Replay(action_size=...) for those of a Box"
                ) from None
        array = np.ravel(action)
        if array.shape != self._action_shape or not np.isfinite(array).all():
            raise ConfigurationError(
                f"action={action!r} does not fit a replay of {self._action_shape[0]} elements an action; as many "
                "finite numbers are allowed; try an action of the environment's Box"
            )
        return array

    def _state_of(self, index: int) -> int:
        return int(self._states[index % self._capacity])

    def _number_at(self, tick: int, name: str) -> int:
        """The frame number of ``tick`` in the current episode, or below all that are stored if it is long gone."""
        if self._age >= 0 and self._episode_tick <= tick <= self._newest_tick:
            end = self._frame_count
            for begin_tick, begin in reversed(self._stretches):
                if begin_tick <= tick:
                    number = begin + tick - begin_tick
                    if number < end:
                        return number
                    break
                end = begin
            else:
                return self._stretches[0][1] - self._room
        have = f"{self._episode_tick}…{self._newest_tick}" if self._age >= 0 else "none yet"
        raise ConfigurationError(
            f"{name}={tick} has no frame in the current episode; its ticks so far ({have}) are allowed; try adding "
            "the frame first, and an episode's last transition before the next one's first frame"
        )

    def _later(self, tick: int | None, state: int, name: str) -> int:
        """The frame number of ``tick``, which is that of ``state`` or a later one; ``state`` if None."""
        if tick is None:
            return state
        number = self._number_at(tick, name)
        if number < state:
            raise ConfigurationError(
                f"{name}={tick} is older than its decision's own observation; a later or the same tick is allowed; try "
                "that of the tick before the action's"
            )
        return number

    def _newest_number(self, inputs: Inputs, state: int, name: str) -> int:
        """The frame number of the newest observation that a decision on frame ``state`` was given; -1 without any."""
        if not self._keeps_newest:
            if inputs.newest_tick is not None:
                raise ConfigurationError(
                    f"{name}={inputs.newest_tick} in a replay that keeps none; None is allowed; try Replay(newest=True)"
                )
            return -1
        if inputs.newest_tick is None:
            return state
        number = self._number_at(inputs.newest_tick, name)
        if number < state:
            raise ConfigurationError(
                f"{name}={inputs.newest_tick} is older than its decision's own observation; a later or the same tick "
                "is allowed; try that of the tick before the action's"
            )
        return number

    def _checked(self, pending: PendingActions | None, name: str) -> PendingActions:
        if pending is None:
            return self._nothing_pending
        if pending.shape != self._nothing_pending.shape:
            raise ConfigurationError(
                f"{name}={pending!r} has {len(pending)} pending actions; exactly {len(self._nothing_pending)} are "
                f"allowed, an array of shape {self._nothing_pending.shape}; try Replay(pending={len(pending)}) or "
                "padding"
            )
        return pending

    def _retire(self, oldest: int, first_frame: int) -> None:
        """Raise ``oldest`` at least this far, and past all that needs a frame before ``first_frame``."""
        if oldest == self._oldest and self._oldest_state - self._reach >= first_frame:
            return
        newest, reach = self._newest, self._reach
        while oldest < newest and self._state_of(oldest) - reach < first_frame:
            oldest += 1
        if oldest != self._oldest:
            self._oldest = oldest
            self._oldest_state = self._state_of(oldest)
            self._counters[OLDEST] = oldest
            fence()


def copy_rings(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The live entries, oldest first, copied while the writer continues: ``counters, records, frames, ages, ticks``."""
    counters = arrays["counters"]
    newest = int(counters[NEWEST])
    fence()
    kept = counters.copy()
    room, count = len(arrays["frames"]), int(kept[FRAMES])
    oldest, begin = min(int(kept[OLDEST]), newest), max(0, count - room)
    records = _copy(arrays["records"], oldest, newest)
    frames = {name: _copy(arrays[name], begin, count) for name in ("frames", "ages", "ticks")}
    fence()
    still = min(int(counters[OLDEST]), newest)
    gone = max(0, int(counters[FRAMES]) - room - begin)
    kept[OLDEST], kept[NEWEST] = still, newest
    return {
        "counters": kept,
        "records": records[still - oldest :],
        **{name: values[gone:] for name, values in frames.items()},
    }


def paste_rings(arrays: Arrays, copied: Mapping[str, ArrayLike]) -> int:
    """Put what `copy_rings` gave into empty rings of the same size; the number of the first frame."""
    counters = np.asarray(copied["counters"])
    first_frame = int(counters[FRAMES]) - len(np.asarray(copied["frames"]))
    for name in ("frames", "ages", "ticks"):
        _paste(arrays[name], first_frame, np.asarray(copied[name]))
    _paste(arrays["records"], int(counters[OLDEST]), np.asarray(copied["records"]))
    fence()
    arrays["counters"][:] = counters
    return first_frame


def _copy(ring: NDArray[Any], begin: int, end: int) -> NDArray[Any]:
    """The numbers ``begin … end − 1``."""
    slot = begin % len(ring)
    return np.concatenate([ring[slot : slot + end - begin], ring[: max(0, slot + end - begin - len(ring))]])


def _paste(ring: NDArray[Any], begin: int, values: NDArray[Any]) -> None:
    slot = begin % len(ring)
    fitting = len(ring) - slot
    ring[slot : slot + len(values)] = values[:fitting]
    ring[: max(0, len(values) - fitting)] = values[fitting:]
