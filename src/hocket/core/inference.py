"""One inference on its way from an observation to its end."""

from __future__ import annotations

from hocket.core.commands import Outcome
from hocket.core.lifecycle import InferenceState

_RUNNING = InferenceState.RUNNING  # quicker to read than an attribute of an enumeration


class Inference:
    """The scheduler's state of one inference; ``outcome`` is None until it ends."""

    __slots__ = (
        "base_tick",
        "bound_tick",
        "finished_ns",
        "id",
        "length",
        "observation",
        "outcome",
        "ready_ns",
        "started_ns",
        "state",
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
        """The number of its actions; while it runs with a horizon, the most that there may be."""
        self.usable_tick = -1
        """The first tick whose deadline it made."""
        self.base_tick = -1
        """The tick that its step 0 is for; without a horizon -1 until it plays."""
        self.ready_ns = -1
        """Of two stages: when its head would have ended if called at once, or -1 while the trunk runs."""
        self.bound_tick = -1
        """Of two stages: the tick that its head was called for, or -1."""
        self.state = _RUNNING
        self.outcome: Outcome | None = None

    def align(self, horizon_ticks: int) -> None:
        """Fix the ticks of its actions: those after its observation, at most ``horizon_ticks``."""
        self.length = horizon_ticks
        self.base_tick = self.observation + 1

    @property
    def last_tick(self) -> int:
        """The last tick that it has an action for; -1 if that depends on when it will play."""
        return self.base_tick + self.length - 1 if self.base_tick >= 0 else -1

    @property
    def usable_length(self) -> int:
        """Once finished and before it plays: the number of its actions whose ticks had not passed by then."""
        return self.length if self.base_tick < 0 else max(0, self.last_tick - self.usable_tick + 1)

    @property
    def elapsed_ns(self) -> int:
        """Inference time, once finished. Of two stages: the trunk's time and the time reserved for the head."""
        return (self.finished_ns if self.ready_ns < 0 else self.ready_ns) - self.started_ns

    @property
    def occupied_ns(self) -> int:
        """Time for which it kept its worker; longer than `elapsed_ns` where features waited for the head's moment."""
        return self.finished_ns - self.started_ns

    def __repr__(self) -> str:
        state = self.state.name.lower()
        return f"<inference {self.id} of observation {self.observation} on worker {self.worker}, {state}>"
