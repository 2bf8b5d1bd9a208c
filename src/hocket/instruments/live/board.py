"""What the tick loop writes and the page's server reads, in shared memory: rings of numbers, mostly.

One process writes, and waits for nobody: a ring overwrites its oldest rows, whoever is still reading them. A reader
looks at the ring's head again once it has copied, and leaves out what may have been overwritten meanwhile. Times are in
seconds of the run's own clock, from tick 0 on. What is unknown is NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.instruments.live.lateness import BINS
from hocket.ipc.shared_memory import SharedArrays, fence


def _numbers(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, "<f8") for name in names])


TICK = _numbers("tick", "lateness_s", "delay_ticks", "inference", "reward", "ended")
INFERENCE = _numbers(
    "number", "worker", "observation", "target", "started_s", "finished_s", "executed_tick", "ended_s", "outcome"
)
TRAINING = _numbers("tick", "updates", "updates_per_s", "loss", "staleness", "epsilon")
EVALUATION = _numbers("tick", "mean_return")
TOTALS = _numbers(
    *("tick", "elapsed", "ticks", "fresh", "delay_ticks", "episodes", "returns", "reward", "episode_reward"),
    *("executed", "superseded", "dropped", "duplicate", "discarded", "failed"),
)
PICTURE = _numbers("tick", "rendered", "kind", "itemsize", "dimensions", "shape0", "shape1", "shape2", "shape3")

RINGS = {"ticks": (32_768, TICK), "inferences": (65_536, INFERENCE), "trainings": (4096, TRAINING)}
RINGS |= {"evaluations": (1024, EVALUATION)}
PICTURES = 3
PICTURE_BYTES = 1 << 22
ABOUT_BYTES = 4096
IDLE, STARTING, RUNNING, ENDED = range(4)


class Ring:
    """The newest rows of a table that one process appends to."""

    def __init__(self, rows: NDArray[Any], head: NDArray[np.int64]) -> None:
        self._rows, self._head, self._size = rows, head, len(rows)

    @property
    def head(self) -> int:
        """How many rows there have been."""
        return int(self._head[0])

    def append(self, row: tuple[float, ...]) -> None:
        """The writer's: one row more."""
        count = self.head
        self._rows[count % self._size] = row
        fence()
        self._head[0] = count + 1

    def read(self, since: int) -> tuple[int, NDArray[Any]]:
        """A copy of the rows from number ``since`` on that are still there, and the number of the next one."""
        head = self.head
        fence()
        first = max(since, head - self._size)
        rows = self._rows[np.arange(first, head) % self._size]
        fence()
        whole = self.head + 1 - self._size  # the one before may be in the middle of being overwritten
        return head, rows[max(0, whole - first) :]


class Pictures:
    """The newest pictures, as the bytes of arrays."""

    def __init__(self, facts: NDArray[Any], content: NDArray[np.uint8], head: NDArray[np.int64]) -> None:
        self._facts, self._content, self._head = facts, content, head

    @property
    def head(self) -> int:
        """How many there have been."""
        return int(self._head[0])

    def append(self, array: NDArray[Any], *, tick: int, rendered: bool) -> None:
        """The writer's: one more, of at most four dimensions and `PICTURE_BYTES`."""
        count, shape = self.head, (*array.shape, 0, 0, 0, 0)[:4]
        slot = count % PICTURES
        kind = _native(array.dtype.kind, array.dtype.itemsize)
        self._facts[slot] = (tick, rendered, ord(kind.kind), kind.itemsize, array.ndim, *shape)
        np.copyto(self._content[slot, : array.nbytes].view(kind).reshape(array.shape), array)
        fence()
        self._head[0] = count + 1

    def newest(self) -> tuple[int, bool, NDArray[Any]] | None:
        """Its tick, whether it was rendered, and a copy; None if there is none, or it is just being overwritten."""
        head = self.head
        if not head:
            return None
        fence()
        slot = (head - 1) % PICTURES
        facts = self._facts[slot].copy()
        kind = _native(chr(int(facts["kind"])), int(facts["itemsize"]))
        shape = tuple(int(facts[f"shape{axis}"]) for axis in range(int(facts["dimensions"])))
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        array = self._content[slot, :size].copy().view(kind).reshape(shape)
        fence()
        if self.head - head >= PICTURES - 1:
            return None
        return int(facts["tick"]), bool(facts["rendered"]), array


def _native(kind: str, itemsize: int) -> np.dtype[Any]:
    return np.dtype(f"{kind}{itemsize}")


class LiveBoard:
    """All of it. Pickled for a child process, it is the same memory there.

    Attributes:
        rings: by name, as `RINGS`.
        pictures: the newest ones.
        totals: of the run so far, a row of `TOTALS`.
        lateness: how many ticks were how late; see `hocket.instruments.live.lateness`.
    """

    def __init__(self, arrays: SharedArrays | None = None) -> None:
        self._arrays = SharedArrays(_layout()) if arrays is None else arrays
        self.rings = {name: Ring(self._arrays[name], self._arrays[name + ".head"]) for name in RINGS}
        parts = (self._arrays[name] for name in ("pictures.facts", "pictures", "pictures.head"))
        self.pictures = Pictures(*parts)
        self.totals, self.lateness = self._arrays["totals"], self._arrays["lateness"]
        self._state = self._arrays["state"][0]

    def __reduce__(self) -> tuple[Any, ...]:
        return LiveBoard, (self._arrays,)

    def close(self) -> None:
        """Let go of the memory's file."""
        self._arrays.close()

    # -- the writer's ----------------------------------------------------------------------------------------

    def begin(self, about: Mapping[str, Any], phase: int = RUNNING) -> None:
        """Marks everything up to now as an earlier run's; ``phase`` is `STARTING` while workers start."""
        state, run = self._state, int(self._state["run"])
        state["run"] = -1
        fence()
        text = json.dumps(about).encode()[:ABOUT_BYTES]
        self._arrays["about"][: len(text)] = np.frombuffer(text, np.uint8)
        state["about_bytes"], state["epoch_ns"], state["phase"] = len(text), -1, phase
        state["realtime"] = about["realtime"]
        for name, ring in self.rings.items():
            self._arrays[name + ".first"][0] = ring.head
        self._arrays["pictures.first"][0] = self.pictures.head
        self.totals[:] = 0
        self.lateness[:] = 0
        fence()
        state["run"] = abs(run) + 1

    def set_epoch(self, epoch_ns: int) -> None:
        """The run's tick 0, on its own clock."""
        self._state["epoch_ns"] = epoch_ns

    def end(self) -> None:
        """The run is over."""
        self._state["phase"] = ENDED

    def dismiss(self) -> None:
        """The server is to show the rest and to end."""
        self._state["dismissed"] = 1

    @property
    def watched_ns(self) -> int:
        """When somebody looked last, on the monotonic clock."""
        return int(self._state["watched_ns"])

    @property
    def ready(self) -> bool:
        """Whether the server is up."""
        return bool(self._state["ready"])

    # -- the reader's ----------------------------------------------------------------------------------------

    @property
    def run(self) -> int:
        """The number of the run, from 1 on; 0 before the first, -1 while it changes."""
        return int(self._state["run"])

    @property
    def phase(self) -> int:
        """`IDLE`, `STARTING`, `RUNNING` or `ENDED`."""
        return int(self._state["phase"])

    @property
    def epoch_ns(self) -> int:
        """See `set_epoch`; -1 before tick 1."""
        return int(self._state["epoch_ns"])

    @property
    def realtime(self) -> bool:
        """Whether the run's clock is the monotonic one."""
        return bool(self._state["realtime"])

    @property
    def dismissed(self) -> bool:
        """See `dismiss`."""
        return bool(self._state["dismissed"])

    def about(self) -> dict[str, Any]:
        """What `begin` was told."""
        text = self._arrays["about"][: int(self._state["about_bytes"])].tobytes()
        known: dict[str, Any] = json.loads(text) if text else {}
        return known

    def first(self, ring: str) -> int:
        """The number of the run's first row in ``ring``."""
        return int(self._arrays[ring + ".first"][0])

    def look(self, now_ns: int) -> None:
        """Somebody looks."""
        self._state["watched_ns"] = now_ns

    def welcome(self) -> None:
        """The server is up."""
        self._state["ready"] = 1


STATE = np.dtype(
    [
        (name, "<i8")
        for name in ("run", "phase", "epoch_ns", "realtime", "about_bytes", "watched_ns", "ready", "dismissed")
    ]
)


def _layout() -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    parts: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "state": ((1,), STATE),
        "about": ((ABOUT_BYTES,), np.dtype(np.uint8)),
        "totals": ((1,), TOTALS),
        "lateness": ((BINS,), np.dtype(np.int64)),
        "pictures.facts": ((PICTURES,), PICTURE),
        "pictures": ((PICTURES, PICTURE_BYTES), np.dtype(np.uint8)),
    }
    for name, (size, kind) in RINGS.items():
        parts[name] = (size,), kind
    for name in (*RINGS, "pictures"):
        parts[name + ".head"] = parts[name + ".first"] = (1,), np.dtype(np.int64)
    return parts
