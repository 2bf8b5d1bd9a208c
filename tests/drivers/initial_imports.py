"""The modules that a new child of the fork server has imported. Imports nothing heavy itself."""

import multiprocessing
import sys
from multiprocessing import forkserver


def stop_fork_server():
    """Stop the fork server; the next process starts another, with the preloads known by then."""
    forkserver._forkserver._stop()


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
