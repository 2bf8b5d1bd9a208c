"""The checked parts of one run; both clocks take the same type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from hocket.drivers.engine import EngineSetup
from hocket.hooks.record import Background, Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup(EngineSetup):
    """A checked run, for `Realtime.run`, `Virtual.run` and `Virtual.begin`.

    Use it for one run only: its default behaviour carries a random generator. Made by
    `hocket.running.setup.CheckedRun.setup`.

    Args:
        policy, rule, default, codec: see `EngineSetup`.
        env: stepped once a tick and not closed.
        seed: of the environment's first reset and of a virtual clock's latencies.
        learn: called when a learning `Sequential` rule commands it.
        listener: called for every tick; the run ends if it raises.
        background: changes the policy between the inferences of a run in virtual time, such as learners.
    """

    env: gym.Env[Any, Any]
    seed: int
    learn: Callable[[], None] | None = None
    listener: Listener | None = None
    background: Background | None = None
