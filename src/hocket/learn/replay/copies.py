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
from hocket.learn.replay.replay import Replay, attached
from hocket.learn.replay.ring import NEWEST, OLDEST, ring_parts

ROOM = 256
"""Frames that a copy keeps beyond those of its transitions."""
RINGS = ("records", "frames", "ages", "ticks")


class ReplayOfCopies:
    """The frames and transitions of all copies.

    Args:
        copies: how many.
        capacity: transitions kept at most, of all copies together, rounded up to a multiple of ``copies``.
        frame_shape, frame_dtype, stack, pending, newest, present, action_size: as of
            `hocket.learn.replay.replay.Replay`.

    Attributes:
        parts: the replay of each copy, for its `hocket.learn.replay.collector.Collector` to fill.
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
        shared = SharedArrays({**parts, "counters": ((copies, *parts["counters"][0]), np.dtype(np.int64))})
        options = {"capacity": each, "frames": frames, "frame_shape": shape, "frame_dtype": dtype.str, "stack": stack}
        options |= {"n_step": 1, "pending": pending, "newest": newest, "present": present}
        options |= {"action_size": action_size, "alpha": None, "epsilon": None}
        sizes = {name: each if name == "records" else frames for name in RINGS}
        self.parts: list[Replay] = []
        for copy in range(copies):
            rings = {name: slice(copy * size, (copy + 1) * size) for name, size in sizes.items()}
            self.parts.append(attached(options, shared.stretch({"counters": copy, **rings}), writes=True))
        self._shared, self._assembly = shared, Assembly(shared, stack, 1, copies=copies)
        self._oldest, self._newest = shared["counters"][:, OLDEST], shared["counters"][:, NEWEST]

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
        fields = self._assembly.copy(numbers, copies)
        return Batch(**fields, weights=np.ones(size, np.float32), indices=drawn)

    def update_priorities(self, indices: ArrayLike, errors: ArrayLike) -> None:
        """There are none.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("a replay of copies keeps no priorities; try alpha=None, or envs=1")

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that is live, as arrays for `numpy.savez`."""
        return {
            f"{copy}.{name}": array for copy, part in enumerate(self.parts) for name, array in part.snapshot().items()
        }

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Take over a snapshot, into a new replay that was made with the same arguments.

        Raises:
            ConfigurationError: if the snapshot is another replay's, or this one is not new.
        """
        for copy, part in enumerate(self.parts):
            own = f"{copy}."
            part.restore({name.removeprefix(own): array for name, array in snapshot.items() if name.startswith(own)})

    def close(self) -> None:
        """Let go of the descriptor."""
        self._shared.close()
