import numpy as np
import pytest

import hocket
from hocket.drivers.engine import Engine
from hocket.envs.null import NullEnv


@pytest.fixture
def null_run():
    """Run ``policy`` in an environment that counts its ticks."""

    def run(rule, clock, ticks, policy=lambda observation: 1, *, episode_ticks=None, shape=(1,), **options):
        env = NullEnv(shape, dtype=np.int64, episode_ticks=episode_ticks)
        return hocket.run(env, policy, rule, clock, ticks=ticks, **options)

    return run


@pytest.fixture
def engines(monkeypatch):
    """Every engine that the test has made."""
    made, usual = [], Engine.__init__

    def init(self, *args, **options):
        made.append(self)
        usual(self, *args, **options)

    monkeypatch.setattr(Engine, "__init__", init)
    return made
