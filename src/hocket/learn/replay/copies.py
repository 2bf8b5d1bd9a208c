"""A replay of several copies of an environment that play in one process, in lockstep.

Each copy has rings of its own, so that no stack of frames and no transition spans two of them; all lie in the same
arrays, so that a batch of all copies is drawn and copied in one go. Every transition is as likely as any other.

One process writes and samples: no reader can be overtaken. Priorities are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from hocket.errors import ConfigurationError
from hocket.ipc.shared_memory import SharedArrays
from hocket.learn.replay.assembly import Assembly, Batch
from hocket.learn.replay.ring import NEWEST, OLDEST, Inputs, RingWriter, copy_rings, paste_rings, ring_parts
from hocket.spaces.codec import PendingActions

ROOM = 256
"""Frames that a copy keeps beyond those of its transitions."""


class CopyReplay:
    """The part of one copy, for its `hocket.learn.replay.collector.Collector`.

    Args:
        arrays: of `ring_parts`, the copy's own.
        reach: as of `RingWriter`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], reach: int) -> None:
        self.arrays = arrays
        self._writer = RingWriter(arrays, reach)

    def __len__(self) -> int:
        """Transitions that can be sampled."""
        counters = self.arrays["counters"]
        return int(counters[NEWEST] - counters[OLDEST])

    def add_frame(self, tick: int, frame: Any, *, first: bool = False) -> None:
        """See `hocket.learn.replay.replay.Replay.add_frame`."""
        self._writer.add_frame(tick, frame, first)

    def add_transition(
        self,
        tick: int,
        action: Any,
        *,
        reward: float,
        discount: float,
        next_tick: int,
        pending: PendingActions | None = None,
        next_pending: PendingActions | None = None,
        newest_tick: int | None = None,
        next_newest_tick: int | None = None,
        delay: int = 0,
        next_delay: int = 0,
        present_tick: int | None = None,
        next_present_tick: int | None = None,
    ) -> None:
        """See `hocket.learn.replay.replay.Replay.add_transition`."""
        inputs = Inputs(pending, newest_tick, delay, present_tick)
        next_inputs = Inputs(next_pending, next_newest_tick, next_delay, next_present_tick)
        self._writer.add_transition(tick, action, reward, discount, next_tick, inputs, next_inputs)

    def restore(self, copied: Mapping[str, ArrayLike]) -> None:
        """Take over what `copy_rings` gave, into new rings."""
        self._writer.resume(first_frame=paste_rings(self.arrays, copied))


class ReplayOfCopies:
    """The frames and transitions of all copies.

    Args:
        copies: how many.
        capacity: transitions kept at most, of all copies together, rounded up to a multiple of ``copies``.
        frame_shape, frame_dtype, stack, pending, newest, present, action_size: as of
            `hocket.learn.replay.replay.Replay`.

    Attributes:
        parts: of each copy.
    """

    def __init__(
        self,
        copies: int,
        capacity: int,
        frame_shape: Sequence[int],
        frame_dtype: DTypeLike,
        *,
        stack: int | None = None,
        pending: int = 0,
        newest: bool = False,
        present: bool = False,
        action_size: int = 0,
    ) -> None:
        each = -(-capacity // copies)
        frames, shape, dtype = each + each // 64 + ROOM, tuple(frame_shape), np.dtype(frame_dtype)
        parts = ring_parts(each * copies, frames * copies, shape, dtype, pending, newest, present, action_size)
        self._shared = SharedArrays({**parts, "counters": ((copies, *parts["counters"][0]), np.dtype(np.int64))})
        self._options = repr((copies, capacity, shape, dtype.str, stack, pending, newest, present, action_size))
        counters = self._shared["counters"]
        self._oldest, self._newest = counters[:, OLDEST], counters[:, NEWEST]
        self.parts = [
            CopyReplay(
                {
                    "counters": counters[copy],
                    "records": self._shared["records"][copy * each : (copy + 1) * each],
                    **{
                        name: self._shared[name][copy * frames : (copy + 1) * frames]
                        for name in ("frames", "ages", "ticks")
                    },
                },
                (stack or 1) - 1,
            )
            for copy in range(copies)
        ]
        self._assembly = _AssemblyOfCopies({name: self._shared[name] for name in parts}, stack, each, frames)

    def __len__(self) -> int:
        """Transitions that can be sampled."""
        return int((self._newest - self._oldest).sum())

    def sample(self, size: int, rng: np.random.Generator, *, beta: float | None = None) -> Batch:
        """``size`` transitions of all copies, uniformly and with replacement.

        Raises:
            ConfigurationError: if there is none, or ``beta`` asks for priorities.
        """
        if beta is not None:
            raise ConfigurationError(f"beta={beta!r}: a replay of copies keeps no priorities; None is allowed")
        behind = (self._newest - self._oldest).cumsum()
        if not behind[-1]:
            raise ConfigurationError("an empty replay cannot be sampled; from 1 transition on it can; try a warm-up")
        drawn = rng.integers(behind[-1], size=size)
        copies = behind.searchsorted(drawn, side="right")
        # The newest transition of a copy is the last one before ``behind``.
        numbers = self._newest[copies] + drawn - behind[copies]
        fields = self._assembly.copy_of(copies, numbers)
        return Batch(**fields, weights=np.ones(size, np.float32), indices=drawn)

    def update_priorities(self, indices: ArrayLike, errors: ArrayLike) -> None:
        """There are none.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("a replay of copies keeps no priorities; try alpha=None, or envs=1")

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that is live, as arrays for `numpy.savez`."""
        copied = {
            f"{copy}.{name}": array
            for copy, part in enumerate(self.parts)
            for name, array in copy_rings(part.arrays).items()
        }
        return {**copied, "options": np.array(self._options)}

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Take over a snapshot, into a new replay that was made with the same arguments.

        Raises:
            ConfigurationError: if the snapshot is another replay's, or this one is not new.
        """
        theirs = str(snapshot["options"]) if "options" in snapshot else "nothing of the kind"
        if theirs != self._options:
            raise ConfigurationError(
                f"a snapshot of a replay with {theirs} does not fit one with {self._options}; equal ones are allowed; "
                "try the options that the checkpoint was written with"
            )
        if self._newest.any():
            raise ConfigurationError(f"a replay of {len(self)} transitions cannot be restored into; try a new one")
        for copy, part in enumerate(self.parts):
            names = [name for name in snapshot if name.startswith(f"{copy}.")]
            part.restore({name.partition(".")[2]: snapshot[name] for name in names})

    def close(self) -> None:
        """Let go of the descriptor."""
        self._shared.close()


class _AssemblyOfCopies(Assembly):
    """Copies transitions out of the rings of several copies.

    Args:
        arrays: of all copies.
        stack: as of `Assembly`.
        each, frames: the length of one copy's rings.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], stack: int | None, each: int, frames: int) -> None:
        super().__init__(arrays, stack, 1)
        self._each, self._frames_each = each, frames
        self._pictures, self._before = arrays["frames"], arrays["ages"]
        self._reach = None if stack is None else np.arange(stack - 1, -1, -1)
        self._first_slots: NDArray[np.int64] = np.empty(0, np.int64)

    def copy_of(self, copies: NDArray[np.int64], numbers: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """As `Assembly.copy`, of the transitions ``numbers`` of ``copies``."""
        self._first_slots = copies * self._frames_each
        return self.copy(copies * self._each + numbers % self._each)

    def _observations(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        # The frames of each transition come one group after the other.
        first = np.tile(self._first_slots, len(numbers) // len(self._first_slots))
        if self._reach is not None:
            ages = self._before.take(first + numbers % self._frames_each)
            numbers = numbers[:, None] - np.minimum(self._reach, ages[:, None])
            first = first[:, None]
        return self._pictures.take(first + numbers % self._frames_each, axis=0)
