"""Scheduling rules: small strategy objects on the core. Each docstring states its guarantee."""

from hocket.core.rules.base import Rule, Schedule, Start
from hocket.core.rules.baselines import Learn, OneInFlight, Sequential, Unstaggered
from hocket.core.rules.staggered import ExpectedTime, MaxTime
from hocket.core.rules.tick_dispatch import TickDispatch

__all__ = [
    "ExpectedTime",
    "Learn",
    "MaxTime",
    "OneInFlight",
    "Rule",
    "Schedule",
    "Sequential",
    "Start",
    "TickDispatch",
    "Unstaggered",
]
