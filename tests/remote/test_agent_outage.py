"""A loop whose server is killed and comes back: it never raises, calls the safe state in time, and recovers."""

from time import monotonic, sleep

import numpy as np
import pytest
from access import TOKEN
from gymnasium.spaces import Box

import hocket
from hocket.policies import OnStale
from hocket.remote import PolicyServer, WebSocketPolicy
from hocket.spaces import HoldThenStop

HZ, OLDER_THAN_S = 100, 0.1
SPACE = Box(-1, 1, (2,), np.float32)

pytestmark = pytest.mark.realtime


class Cycles:
    """The cycles of a robot's loop, up to a condition."""

    def __init__(self, agent):
        self.agent = agent
        self.before = 0  # the tick of the call of `act` before the last

    def until(self, condition):
        give_up = monotonic() + 30
        while not condition():
            assert monotonic() < give_up
            self.before = self.agent.last.tick
            self.action = self.agent.act(np.zeros(2, np.float32))
            sleep(1 / HZ)


def answer(observation):
    return np.full((8, 2), 0.5, np.float32)


def test_a_server_is_killed_and_comes_back():
    stale = []  # seconds since the last fresh action, the tick of the call before, the tick of this one
    errors = []
    server = PolicyServer(answer, port=0, token=TOKEN)
    server.open()
    try:
        policy = WebSocketPolicy(server.url, token=TOKEN, chunk_length=8, timeout_s=30, connect_s=10)
        with hocket.StaggeredAgent(
            policy,
            rule=hocket.TickDispatch(2),
            hz=HZ,
            default=HoldThenStop(hold_s=0.05, stop=[0, 0]),
            observation_space=SPACE,
            action_space=SPACE,
            failures=hocket.FailureLimits(outage_s=0.1, rounds=1),
            on_failure=errors.append,
            on_stale=OnStale(lambda idle_s: stale.append((idle_s, cycles.before, agent.last.tick)), OLDER_THAN_S),
        ) as agent:
            cycles = Cycles(agent)
            cycles.until(lambda: agent.counts().get("fresh", 0) > 20)
            assert cycles.action.tolist() == [0.5, 0.5]
            stale.clear()  # of a slow machine's first ticks
            server.close()
            cycles.until(lambda: stale and errors)
            idle_s, before, tick = stale[0]
            assert idle_s > OLDER_THAN_S >= idle_s - (tick - before) / HZ - 1e-9  # in the call before it was not stale
            assert cycles.action.tolist() == [0, 0]
            server = PolicyServer(answer, port=int(server.url.rsplit(":", 1)[1]), token=TOKEN)
            server.open()
            cycles.until(lambda: agent.last.fresh)
            assert cycles.action.tolist() == [0.5, 0.5]
            assert "UnreachableError" in str(errors[-1])
    finally:
        server.close()
