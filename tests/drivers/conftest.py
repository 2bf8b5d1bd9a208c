import gc
import threading

import numpy as np
import pytest
from processes_left import eventually, named_memory, workers_of_ours

import hocket
from hocket.drivers.engine import Engine
from hocket.envs.null import NullEnv


@pytest.fixture
def nothing_left():
    """After the test no worker lives, no thread of ours runs, and nothing named is mapped."""
    threads = set(threading.enumerate())
    memory = named_memory()
    yield
    assert eventually(lambda: not workers_of_ours(), 3.0), workers_of_ours()
    gc.collect()  # an exception that was caught keeps its frames, and what they hold, in a cycle
    assert named_memory() <= memory

    def ours():
        # A thread that hangs cannot be killed; the tests give theirs 2 s.
        return [t for t in threading.enumerate() if t not in threads and t.name.startswith("hocket")]

    assert eventually(lambda: not ours(), 4.0), ours()


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
