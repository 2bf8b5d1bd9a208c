"""Conformance checks for your own rules, executors and latency laws, the replay of traces, and a stand-in server."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.testing.auditor import Auditor as Auditor
    from hocket.testing.chat_server import ChatServer as ChatServer
    from hocket.testing.executor_check import check_executor as check_executor
    from hocket.testing.latency_check import check_latency as check_latency
    from hocket.testing.replays import replay as replay
    from hocket.testing.rule_check import check_rule as check_rule
    from hocket.testing.simulation import Simulation as Simulation
    from hocket.testing.simulation import Troubles as Troubles
else:
    __all__, __getattr__, __dir__ = exports(__name__)
