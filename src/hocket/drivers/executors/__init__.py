"""Executors of the realtime driver: they start inferences and report them finished, failed or lost."""

from hocket.drivers.executors.processes import Processes
from hocket.drivers.executors.threads import Threads

__all__ = ["Processes", "Threads"]
