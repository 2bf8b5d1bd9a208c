"""The checked parts of one run, which a clock plays; of one type under either clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from hocket.drivers.engine import EngineSetup
from hocket.hooks.record import Background, Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup(EngineSetup):
    """A run that has been checked, for `Realtime.run`, `Virtual.run` and `Virtual.begin`.

    It is good for one run: its default behaviour carries a random generator. `hocket.running.setup.CheckedRun.setup`
    makes one.

    Args:
        policy, rule, default, codec: see `EngineSetup`.
        env: stepped once a tick and not closed.
        seed: of the environment's first reset and of a virtual clock's latencies.
        learn: called when a `Sequential` rule that learns says so.
        listener: told of every tick; the run ends if it raises.
        background: changes the policy between the inferences of a run in virtual time, such as learners.
    """

    env: gym.Env[Any, Any]
    seed: int
    learn: Callable[[], None] | None = None
    listener: Listener | None = None
    background: Background | None = None
