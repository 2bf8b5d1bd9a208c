"""The shared memory between the tick loop, which writes, and the page's server, which reads: rings of numbers.

The single writer never waits: a ring overwrites its oldest rows even during a read. A reader checks the ring's head
again after its copy, and leaves out rows that may have been overwritten. Times are in seconds of the run's own clock,
from tick 0 on. Unknown values are NaN.
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


TICK = _numbers("tick", "lateness_s", "delay_ticks", "inference", "reward", "ended", "jump")
INFERENCE = _numbers(
    "number", "worker", "observation", "target", "started_s", "finished_s", "executed_tick", "ended_s", "outcome"
)
TRAINING = _numbers("tick", "updates", "updates_per_s", "loss", "staleness", "epsilon")
EVALUATION = _numbers("tick", "mean_return")
TOTALS = _numbers(
    *("tick", "elapsed", "ticks", "fresh", "delay_ticks", "episodes", "returns", "reward", "episode_reward"),
    *("executed", "superseded", "dropped", "duplicate", "discarded", "failed", "cancelled"),
)
PICTURE = _numbers("tick", "rendered", "kind", "itemsize", "dimensions", "shape0", "shape1", "shape2", "shape3")

RINGS = {"ticks": (32_768, TICK), "inferences": (65_536, INFERENCE), "trainings": (4096, TRAINING)}
RINGS |= {"evaluations": (1024, EVALUATION)}
PICTURES = 3
PICTURE_BYTES = 1 << 22
ABOUT_BYTES = 4096
IDLE, STARTING, RUNNING, ENDED = range(4)


class Ring:
    """The newest rows of a table with a single writer."""

    def __init__(self, rows: NDArray[Any], head: NDArray[np.int64]) -> None:
        self._rows, self._head, self._size = rows, head, len(rows)

    @property
    def head(self) -> int:
        """Number of rows appended so far."""
        return int(self._head[0])

    def append(self, row: tuple[float, ...]) -> None:
        """Append a row (writer only)."""
        count = self.head
        self._rows[count % self._size] = row
        fence()
        self._head[0] = count + 1

    def read(self, since: int) -> tuple[int, NDArray[Any]]:
        """Copy the rows from number ``since`` on that are still there; return the next row's number and the copy."""
        head = self.head
        fence()
        first = max(since, head - self._size)
        rows = self._rows[np.arange(first, head) % self._size]
        fence()
        whole = self.head + 1 - self._size  # the row before may be being overwritten
        return head, rows[max(0, whole - first) :]


class Pictures:
    """The newest pictures, as the bytes of arrays."""

    def __init__(self, facts: NDArray[Any], content: NDArray[np.uint8], head: NDArray[np.int64]) -> None:
        self._facts, self._content, self._head = facts, content, head

    @property
    def head(self) -> int:
        """Number of pictures appended so far."""
        return int(self._head[0])

    def append(self, array: NDArray[Any], *, tick: int, rendered: bool) -> None:
        """Append a picture of at most four dimensions and `PICTURE_BYTES` (writer only)."""
        count, shape = self.head, (*array.shape, 0, 0, 0, 0)[:4]
        slot = count % PICTURES
        kind = _native(array.dtype.kind, array.dtype.itemsize)
        self._facts[slot] = (tick, rendered, ord(kind.kind), kind.itemsize, array.ndim, *shape)
        np.copyto(self._content[slot, : array.nbytes].view(kind).reshape(array.shape), array)
        fence()
        self._head[0] = count + 1

    def newest(self) -> tuple[int, bool, NDArray[Any]] | None:
        """Return its tick, True if it was rendered, and a copy; None if there is none or it is being overwritten."""
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
    """The whole shared memory. A pickled copy in a child process shares the same memory.

    Attributes:
        rings: by name, as in `RINGS`.
        pictures: the newest ones.
        totals: of the run so far, a row of `TOTALS`.
        lateness: histogram of the ticks' lateness; see `hocket.instruments.live.lateness`.
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
        """Close the memory's file descriptor."""
        self._arrays.close()

    # -- called by the writer --------------------------------------------------------------------------------

    def begin(self, about: Mapping[str, Any], phase: int = RUNNING) -> None:
        """Mark all rows so far as an earlier run's; ``phase`` is `STARTING` while workers start."""
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
        """Set the time of the run's tick 0, on its own clock."""
        self._state["epoch_ns"] = epoch_ns

    def end(self) -> None:
        """Mark the run as ended."""
        self._state["phase"] = ENDED

    def dismiss(self) -> None:
        """Ask the server to show the rest and to end."""
        self._state["dismissed"] = 1

    @property
    def watched_ns(self) -> int:
        """Time of the last request by a viewer, on the monotonic clock."""
        return int(self._state["watched_ns"])

    @property
    def ready(self) -> bool:
        """True if the server is up."""
        return bool(self._state["ready"])

    # -- called by the reader --------------------------------------------------------------------------------

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
        """The time set by `set_epoch`; -1 before tick 1."""
        return int(self._state["epoch_ns"])

    @property
    def realtime(self) -> bool:
        """True if the run's clock is the monotonic clock."""
        return bool(self._state["realtime"])

    @property
    def dismissed(self) -> bool:
        """True after `dismiss`."""
        return bool(self._state["dismissed"])

    def about(self) -> dict[str, Any]:
        """Return the facts given to `begin`."""
        text = self._arrays["about"][: int(self._state["about_bytes"])].tobytes()
        known: dict[str, Any] = json.loads(text) if text else {}
        return known

    def first(self, ring: str) -> int:
        """Return the number of the run's first row in ``ring``."""
        return int(self._arrays[ring + ".first"][0])

    def look(self, now_ns: int) -> None:
        """Record that a viewer is watching at ``now_ns``."""
        self._state["watched_ns"] = now_ns

    def welcome(self) -> None:
        """Mark the server as up."""
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
