"""For tests that run beside others: child processes and workers of one priority."""

import sys

import hocket


def keep_priorities():
    """Have workers, learners, savers and live pages keep the priority of their parent, in this process from now on.

    With the usual lower ones a test would wait for its updates, checkpoints or actions until all other tests wait too.
    """
    for executor in (hocket.Processes, hocket.Threads):
        executor.__init__.__kwdefaults__["nice"] = 0
    if learners := sys.modules.get("hocket.learn.learners.pool"):
        learners.LearnerProcesses.__init__.__kwdefaults__["nice"] = 0
    if saver := sys.modules.get("hocket.learn.checkpoints.saver"):
        saver.NICE = 0
    if live := sys.modules.get("hocket.instruments.live.live_page"):
        live.LivePage.__init__.__kwdefaults__["nice"] = 0
