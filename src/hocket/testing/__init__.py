"""Conformance checks for your own rules, executors and latency laws, and the replay of traces."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.testing.replays import replay as replay
else:
    __all__, __getattr__, __dir__ = exports(__name__)
