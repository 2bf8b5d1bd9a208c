"""The modules that a new child of the fork server has imported. Imports nothing heavy itself."""

import multiprocessing
import sys
from contextlib import contextmanager
from multiprocessing import forkserver


@contextmanager
def new_fork_server():
    """Inside, the first process starts another fork server, with the preloads known by then.

    The one before it is kept for later tests, with all that it has imported.
    """
    server = forkserver._forkserver
    before = dict(vars(server))
    server.__init__()
    try:
        yield
    finally:
        server._stop()
        vars(server).update(before)


def imported_in_a_child():
    """The modules of a newly forked process."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(there,))
    process.start()
    modules = here.recv()
    process.join()
    return modules


def _tell(connection):
    connection.send(set(sys.modules))
