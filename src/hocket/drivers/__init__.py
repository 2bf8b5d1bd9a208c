"""Run the scheduler in virtual time or on the wall clock, with workers as processes or threads."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.drivers.agent import StaggeredAgent as StaggeredAgent
    from hocket.drivers.engine import Decision as Decision
    from hocket.drivers.executors.base import Executor as Executor
    from hocket.drivers.executors.base import ExecutorKind as ExecutorKind
    from hocket.drivers.executors.base import RealtimeExecutor as RealtimeExecutor
    from hocket.drivers.executors.base import Report as Report
    from hocket.drivers.executors.base import WorkerJob as WorkerJob
    from hocket.drivers.executors.processes import Processes as Processes
    from hocket.drivers.executors.threads import Threads as Threads
    from hocket.drivers.handover import Blend as Blend
    from hocket.drivers.handover import Handover as Handover
    from hocket.drivers.handover import Switch as Switch
    from hocket.drivers.loop_thread import realtime_priority as realtime_priority
    from hocket.drivers.realtime import Overrun as Overrun
    from hocket.drivers.realtime import Realtime as Realtime
    from hocket.drivers.run_setup import RunSetup as RunSetup
    from hocket.drivers.virtual import Virtual as Virtual
    from hocket.drivers.virtual import VirtualRun as VirtualRun
else:
    __all__, __getattr__, __dir__ = exports(__name__)
