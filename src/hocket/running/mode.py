"""The mode of a run: which clock it has, and whether its policy is charged with its own inference times."""

from __future__ import annotations

from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.latency.laws import LatencyModel, Measured


def mode_of(clock: Virtual | Realtime, charge: LatencyModel | None = None) -> str:
    """Such as ``"true-size, realtime"``: *true-size* if the policy is charged with its own times, else *delay-only*.

    Args:
        clock: of the run.
        charge: on the wall clock, what its workers are charged with instead.
    """
    if isinstance(clock, Realtime):
        return "true-size, realtime" if charge is None else "delay-only, realtime"
    return "true-size, virtual" if isinstance(clock.latency, Measured) else "delay-only, virtual"
