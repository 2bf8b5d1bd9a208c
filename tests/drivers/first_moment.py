"""What a child of the fork server has imported at its first moment. Imports nothing heavy itself."""

import multiprocessing
import sys
from multiprocessing import forkserver


def stop_fork_server():
    """The next process starts another, with what is to be preloaded by then."""
    forkserver._forkserver._stop()


def imported_in_a_child():
    """The modules of a process that the fork server starts now."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(there,))
    process.start()
    modules = here.recv()
    process.join()
    return modules


def _tell(connection):
    connection.send(set(sys.modules))
