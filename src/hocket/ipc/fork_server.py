"""Imported by the fork server alone: lets children that are not hocket's receive the signals that it has blocked.

Without that, ``terminate()`` would not end a process that a user's own program starts by the same fork server. hocket's
children unblock them in `hocket.ipc.child_processes.begin_as_child`, once they ignore them.
"""

from __future__ import annotations

import signal
from multiprocessing import current_process
from multiprocessing.util import register_after_fork

from hocket.ipc.child_processes import OWN
from hocket.ipc.signals import GROUP_SIGNALS


def unblock_for_others(_: object) -> None:
    """In a child, before its target is called: unblock `GROUP_SIGNALS` unless it is one of hocket's."""
    if not current_process().name.startswith(OWN):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)


register_after_fork(unblock_for_others, unblock_for_others)
