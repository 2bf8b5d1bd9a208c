"""How the tick loop stands with the operating system: before whatever else wants its processor.

A thread of the ordinary scheduler that wakes up may have to let the one that runs have its turn first, for
milliseconds, whatever their nice values. One of ``SCHED_FIFO`` runs at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from hocket.errors import ConfigurationError

HIGHEST = 99


def check_priority(priority: int) -> None:
    """Refuse a real-time priority that the system does not know."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= HIGHEST:
        raise ConfigurationError(
            f"priority={priority!r} must be an integer in 1 to {HIGHEST}, or 0 for an ordinary thread; try 1"
        )


@contextlib.contextmanager
def realtime_priority(priority: int) -> Iterator[int]:
    """Give this thread ``SCHED_FIFO`` at ``priority``, 1 to 99, if the system lets it; what it starts does not get it.

    `hocket.run` does so by itself (`Realtime.priority`); this is for loops that somebody else owns, such as
    ``with hocket.StaggeredAgent(...) as agent, hocket.realtime_priority(1): ...``.

    Yields the real-time priority that the thread has: 0 if it is an ordinary one (0 was asked for, the user may not, or
    the system has no such thing). One that it had already is left as it is.

    Raises:
        ConfigurationError: if no system knows such a priority.
    """
    check_priority(priority)
    if not priority or not hasattr(os, "sched_setscheduler"):
        yield 0
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    if parameters.sched_priority:
        yield parameters.sched_priority
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        yield 0
        return
    try:
        yield priority
    finally:
        try:
            os.sched_setscheduler(0, before, parameters)
        except PermissionError:  # only the privileged may take back that children begin as ordinary ones
            os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)
