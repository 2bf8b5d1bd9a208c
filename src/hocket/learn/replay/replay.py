"""Replay for learning while acting: each frame once, as bytes, in memory that learner processes share.

The environment ticks at a fixed rate and every tick yields one frame; a transition runs from one decision to the next
and refers to frames by their ticks. Stacks of frames and n-step returns are put together when sampled, never across an
episode's end or a stretch that was discarded.

This module must not know networks, losses, or policies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from hocket.errors import ConfigurationError, HocketError
from hocket.ipc.shared_memory import SharedArrays, fence
from hocket.learn.replay.assembly import Assembly, Batch
from hocket.learn.replay.priorities import Priorities
from hocket.learn.replay.ring import (
    LARGEST_AGE,
    LOST,
    NEWEST,
    OLDEST,
    Inputs,
    RingWriter,
    copy_rings,
    paste_rings,
    ring_parts,
)
from hocket.spaces.codec import PendingActions

ATTEMPTS = 1000


class Replay:
    """Frames and transitions of one tick loop, for any number of learners.

    The process that makes it is the writer: only it adds. Given to a child process as an argument, it attaches there
    for reading. The writer takes no lock that a learner can hold; a learner that is overtaken draws again.

    Args:
        capacity: transitions kept at most. Frames may run out first: see ``frames``.
        frame_shape: of one tick's frame.
        frame_dtype: of one tick's frame.
        stack: frames in a state, at tick rate; None gives the newest one without an axis for it.
        n_step: consecutive transitions that one sample spans; fewer at an episode's end and at the newest transition.
        pending: how many pending actions a policy is told.
        action_size: elements of an action of a Box; 0 for Discrete actions, which are numbers.
        present: give samples also the observations that were newest when the actions were executed
            (`Batch.present`): without delay they are the states themselves.
        newest: True if a policy's head is given the newest observation, and the delay of its features: transitions
            then refer to four frames.
        frames: frames kept; about frames ÷ (ticks between decisions) transitions are. By default enough for
            ``capacity`` transitions one tick apart.
        alpha: exponent of proportional priorities, in [0, 1]; None keeps none.
        epsilon: added to every error before it becomes a priority.

    Raises:
        ConfigurationError: if a number is out of its range.
    """

    def __init__(
        self,
        capacity: int,
        frame_shape: Sequence[int],
        frame_dtype: DTypeLike = np.uint8,
        *,
        stack: int | None = None,
        n_step: int = 1,
        pending: int = 0,
        newest: bool = False,
        present: bool = False,
        action_size: int = 0,
        frames: int | None = None,
        alpha: float | None = None,
        epsilon: float = 1e-6,
    ) -> None:
        _at_least("capacity", capacity, 1, "100_000")
        _at_least("n_step", n_step, 1, "1 or 3")
        _at_least("pending", pending, 0, "0, or the delay in ticks − 1")
        _at_least("action_size", action_size, 0, "0, or the number of elements of an action")
        if stack is not None:
            _at_least("stack", stack, 1, "4")
            if stack > LARGEST_AGE + 1:
                raise ConfigurationError(f"stack={stack} is too long; at most {LARGEST_AGE + 1} is allowed; try 4")
        frames = capacity + capacity // 64 + 256 if frames is None else frames
        _at_least("frames", frames, (stack or 1) + 2, "capacity × ticks between decisions")
        if alpha is not None and not 0 <= alpha <= 1:
            raise ConfigurationError(f"alpha={alpha!r} must be in [0, 1], or None for no priorities; try 0.5")
        if not 0 < epsilon < math.inf:
            raise ConfigurationError(f"epsilon={epsilon!r} must be above 0 and finite; try 1e-6")
        shape, dtype = tuple(int(n) for n in frame_shape), np.dtype(frame_dtype)
        if dtype.kind not in "biuf" or any(n < 1 for n in shape):
            raise ConfigurationError(
                f"frames of {dtype} {shape} cannot be stored; numbers or booleans with lengths from 1 are allowed; try "
                "uint8 (84, 84)"
            )
        options = {"capacity": capacity, "frames": frames, "frame_shape": shape, "frame_dtype": dtype.str}
        options |= {"stack": stack, "n_step": n_step, "pending": pending, "newest": newest, "present": present}
        options |= {"action_size": action_size, "alpha": alpha, "epsilon": epsilon}
        parts = ring_parts(capacity, frames, shape, dtype, pending, newest, present, action_size)
        if alpha is not None:
            parts |= Priorities.parts(capacity)
        self._map(options, SharedArrays(parts))
        self._writer: RingWriter | None = RingWriter(self._arrays, (stack or 1) - 1)

    def _map(self, options: dict[str, Any], arrays: SharedArrays) -> None:
        self._options, self._arrays = options, arrays
        self._counters = arrays["counters"]
        self._assembly = Assembly(arrays, options["stack"], options["n_step"])
        self._priorities: Priorities | None = None
        if options["alpha"] is not None:
            self._priorities = Priorities(arrays, options["capacity"], options["alpha"], options["epsilon"])

    def __reduce__(self) -> tuple[Any, ...]:
        return attached, (self._options, self._arrays)

    def __len__(self) -> int:
        """Transitions that can be sampled."""
        oldest = int(self._counters[OLDEST])
        return max(0, int(self._counters[NEWEST]) - oldest)

    @property
    def lost(self) -> int:
        """Transitions that were not kept because their first frame was already gone."""
        return int(self._counters[LOST])

    @property
    def bytes_per_transition(self) -> float:
        """All the memory that is mapped, over the capacity."""
        return self._arrays.nbytes / float(self._options["capacity"])

    def add_frame(self, tick: int, frame: Any, *, first: bool = False) -> None:
        """Keep the frame of ``tick``. The final one of an episode and the first of the next may share a tick.

        Args:
            tick: later than the one before, unless ``first``. Missing ticks are no part of a stack.
            frame: of the replay's shape and dtype; copied.
            first: an episode begins here, or continues after ticks that were discarded: nothing is stacked or summed
                across. The very first frame needs no dispatcher.

        Raises:
            ConfigurationError: if the frame does not fit or the tick is not later.
        """
        self._as_writer().add_frame(tick, frame, first)

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
        delay_ticks: int = 0,
        next_delay_ticks: int = 0,
        present_tick: int | None = None,
        next_present_tick: int | None = None,
    ) -> None:
        """Keep a transition of the current episode; its frames have been added, the next episode's first has not.

        Args:
            tick: of the observation that the decision was computed from.
            action: what was decided: a number counted from 0, or an array of a Box's elements.
            reward: Σ γ^i·r over the ticks up to the next decision or the episode's end.
            discount: γ^ticks, or 0 if the episode terminated.
            next_tick: of the observation that the next decision was computed from, or of the final one.
            pending: pending actions that the policy was told beside the observation; None for zeros.
            newest_tick: of the newest observation that the decision's head was given, with ``newest`` only; None is
                ``tick``.
            delay_ticks: the delay that the head was told; 0 if it had no features. ``tick`` is that of the episode's
                first observation then.
            present_tick: of the newest observation when ``action`` was executed, with ``present`` only; None is
                ``tick``.
            next_pending, next_newest_tick, next_delay_ticks, next_present_tick: likewise for the next decision. At an
                episode's end the present observation is the final one.

        Raises:
            ConfigurationError: if an argument does not fit.
        """
        inputs = Inputs(pending, newest_tick, delay_ticks, present_tick)
        next_inputs = Inputs(next_pending, next_newest_tick, next_delay_ticks, next_present_tick)
        self._as_writer().add_transition(tick, action, reward, discount, next_tick, inputs, next_inputs)

    def sample(self, size: int, rng: np.random.Generator, *, beta: float | None = None) -> Batch:
        """``size`` transitions, with replacement: uniformly, or by priority if ``beta`` is given.

        Args:
            size: of the batch.
            rng: the learner's own generator.
            beta: how far the weights (N·P)^−β, over the batch's largest, undo the priorities; in [0, 1].

        Raises:
            ConfigurationError: if the replay is empty or has no priorities, or ``beta`` is out of range.
        """
        _at_least("size", size, 1, "32")
        if beta is not None and (self._priorities is None or not 0 <= beta <= 1):
            raise ConfigurationError(
                f"beta={beta!r} with alpha={self._options['alpha']!r}: a beta in [0, 1] of a replay that has an alpha "
                "is allowed; try Replay(alpha=0.5) and beta=0.4"
            )
        if not len(self):
            raise ConfigurationError("an empty replay cannot be sampled; from 1 transition on it can; try a warm-up")
        indices, weights = np.empty(size, np.int64), np.empty(size)
        fields: dict[str, NDArray[Any]] = {}
        todo = np.arange(size)
        for _ in range(ATTEMPTS):
            drawn, weights[todo] = self._draw(len(todo), rng, beta)
            indices[todo] = drawn
            copied = self._assembly.copy(drawn)
            fence()
            stale = drawn < self._counters[OLDEST]
            if len(todo) == size:
                fields = copied
            else:
                for name, some in copied.items():
                    fields[name][todo] = some
            todo = todo[stale]
            if not len(todo):
                weights /= weights.max()
                return Batch(**fields, weights=weights.astype(np.float32), indices=indices)
        raise HocketError(
            f"{len(todo)} of {size} transitions were overwritten while they were copied, {ATTEMPTS} times in a row; "
            f"a ring that outlives a copy is allowed; try a capacity above {self._options['capacity']}"
        )

    def update_priorities(self, indices: ArrayLike, errors: ArrayLike) -> None:
        """Make (\\|error\\| + ε)^α the priorities of ``indices``; those overwritten since are passed over.

        Raises:
            ConfigurationError: without ``alpha``, or if an error is not finite.
        """
        if self._priorities is None:
            raise ConfigurationError("alpha=None keeps no priorities; a number in [0, 1] is allowed; try alpha=0.5")
        self._priorities.update(indices, errors)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that is live, as arrays for `numpy.savez`; any process may take it while the writer writes on.

        Taken by the writer it is exact: after `restore` both replays answer alike. It copies the frames.
        """
        copied = copy_rings(self._arrays)
        copied["options"] = np.array(repr(self._options))
        if self._priorities is not None:
            first, newest, *_ = copied["counters"].tolist()
            oldest = min(int(self._counters[OLDEST]), newest)
            copied["priorities"], copied["largest_priority"] = self._priorities.read(oldest, newest)
            copied["records"] = copied["records"][oldest - first :]
            copied["counters"][OLDEST] = oldest
        return copied

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Take over a snapshot, into a new replay that was made with the same arguments.

        Raises:
            ConfigurationError: if the snapshot is another replay's, or this one is not new.
        """
        writer = self._as_writer()
        theirs, ours = str(snapshot["options"]) if "options" in snapshot else "nothing of the kind", repr(self._options)
        if theirs != ours:
            raise ConfigurationError(
                f"a snapshot of a replay with {theirs} does not fit one with {ours}; equal ones are allowed; try the "
                "options that the checkpoint was written with"
            )
        if self._counters.any():
            raise ConfigurationError(f"a replay of {len(self)} transitions cannot be restored into; try a new one")
        writer.resume(first_frame=paste_rings(self._arrays, snapshot))
        if self._priorities is not None:
            oldest = int(self._counters[OLDEST])
            self._priorities.restore(oldest, snapshot["priorities"], snapshot["largest_priority"])

    def close(self) -> None:
        """Let go of the descriptor; the memory goes with the last process that maps it."""
        self._arrays.close()

    def _as_writer(self) -> RingWriter:
        if self._writer is None:
            raise ConfigurationError(
                "this process attached to the replay and may only read; only the process that made it adds to it; try "
                "sending transitions there"
            )
        return self._writer

    def _draw(
        self, count: int, rng: np.random.Generator, beta: float | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        newest = int(self._counters[NEWEST])
        fence()
        oldest = int(self._counters[OLDEST])
        if beta is not None and self._priorities is not None:
            return self._priorities.sample(count, rng, oldest, newest, beta=beta)
        # The writer may have retired all that was there a moment ago; what it retired is drawn and found stale.
        return rng.integers(min(oldest, newest - 1), newest, count), np.ones(count)


def attached(options: dict[str, Any], arrays: SharedArrays, *, writes: bool = False) -> Replay:
    """A replay in ``arrays`` that are there, for reading, or as their one writer; ``options`` as `Replay` has them."""
    replay = Replay.__new__(Replay)
    replay._map(options, arrays)
    replay._writer = RingWriter(arrays, (options["stack"] or 1) - 1) if writes else None
    return replay


def _at_least(name: str, value: int, least: int, example: str) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{name}={value!r} must be a whole number from {least}; try {example}")
