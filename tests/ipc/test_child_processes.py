import multiprocessing
import os

import pytest

from hocket.errors import ConfigurationError
from hocket.ipc.child_processes import begin_as_child, preload

CONTEXT = multiprocessing.get_context("spawn")


def begin_and_tell(nice, connection):
    before = os.nice(0)
    begin_as_child(nice)
    connection.send((os.nice(0) - before, os.sched_getscheduler(0)))


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the system has no such thing as idle processes")
@pytest.mark.parametrize(("nice", "policy"), [(10, "SCHED_OTHER"), (19, "SCHED_IDLE")])
def test_who_stands_back_furthest_runs_when_nobody_else_would(nice, policy):
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=begin_and_tell, args=(nice, there))
    process.start()
    stood_back, scheduled = here.recv()
    process.join()
    assert scheduled == getattr(os, policy)
    assert stood_back == min(nice, 19 - os.nice(0))


@pytest.mark.parametrize("name", ["hocket.ipc.nowhere", "hocket.nowhere.child_processes", "nowhere"])
def test_a_module_that_is_not_there_cannot_be_preloaded(name):
    with pytest.raises(ConfigurationError, match=f"preload names '{name}', which is no module here"):
        preload(("math", name))
