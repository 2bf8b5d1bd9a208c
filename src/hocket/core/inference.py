"""One inference on its way from an observation to its end."""

from __future__ import annotations

from hocket.core.commands import Outcome


class Inference:
    """What the scheduler knows about one inference; ``outcome`` is None while it lives."""

    __slots__ = (
        "base_tick",
        "finished_ns",
        "id",
        "length",
        "observation",
        "outcome",
        "started_ns",
        "target",
        "usable_tick",
        "worker",
    )

    def __init__(self, id: int, worker: int, observation: int, target: int, started_ns: int) -> None:
        self.id = id
        self.worker = worker
        self.observation = observation
        self.target = target
        """The tick it aims at, or -1."""
        self.started_ns = started_ns
        self.finished_ns = -1
        self.length = 1
        self.usable_tick = -1
        """The first tick whose deadline it made."""
        self.base_tick = -1
        """The tick that its step 0 belongs to, once it plays."""
        self.outcome: Outcome | None = None

    @property
    def elapsed_ns(self) -> int:
        """How long it took; meaningful once finished."""
        return self.finished_ns - self.started_ns

    def __repr__(self) -> str:
        return f"<inference {self.id} of observation {self.observation} on worker {self.worker}>"
