"""The replay of a recorded trace."""

from __future__ import annotations

from hocket.core.commands import Command
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace
from hocket.errors import TraceError


def replay(trace: Trace, *, validate: bool = False) -> list[Command]:
    """Feed the events of ``trace`` to a fresh scheduler; return its commands, which are the recorded ones.

    Args:
        trace: of a virtual or a realtime run; ``Trace.load`` reads a saved one.
        validate: also check every invariant after every event (slow).

    Raises:
        TraceError: at the first event whose commands differ from the recorded ones.
    """
    scheduler = Scheduler(trace.rule, trace.cadence, trace.head_ns, trace.horizon_ticks)
    replayed: list[Command] = []
    for number, (event, recorded) in enumerate(trace.steps()):
        commands = scheduler.handle(event)
        if commands != recorded:
            raise TraceError(f"event {number}, {event}, led to {commands}; recorded were {recorded}")
        if validate:
            scheduler.validate()
        replayed += commands
    return replayed
