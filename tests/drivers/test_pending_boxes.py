"""Pending actions of a Box: rows of elements and a mask, alike under both drivers and in `hocket.InducedDelay`."""

import json
import os

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.core.claims import Claim
from hocket.drivers.engine import RUNNING
from hocket.drivers.pending_actions import PendingTracker
from hocket.envs.induced_delay import InducedDelay
from hocket.policies.base import FunctionPolicy
from hocket.spaces.codec import ActionCodec

HZ = 25
ACTIONS = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 8.0], np.float32))
UNKNOWN = [0.0, 0.0, 0.0]


class Ticking(gym.Env):
    """Observes the tick of the run; two-element actions; episodes of ``length`` ticks."""

    action_space = ACTIONS
    observation_space = spaces.Box(-1, 2**20, (1,), np.float32)

    def __init__(self, length=None, observation_space=None):
        self.length, self.tick = length, 0
        self.observation_space = observation_space or self.observation_space

    def _seen(self):
        return np.full(self.observation_space.shape, self.tick, self.observation_space.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        self.tick += 1
        return self._seen(), 0.0, False, self.length is not None and self.tick % self.length == 0, {}


def act(tick, pending_actions):
    """An action that depends on all inputs, in eighths: exact in 32 bits."""
    number = int(tick) + int(np.asarray(pending_actions, np.float64).sum() * 8)
    return np.array([number % 17 / 8, number % 5], np.float32)


def test_rows_have_the_action_and_a_mask():
    default = hocket.Fixed(np.array([0.5, 4.0]))
    book = PendingTracker(3, ActionCodec(ACTIONS), default.bind(ACTIONS, np.random.default_rng(0)))
    claims = [Claim(0, 0, True, 3, 3, 3, 3, 1), Claim(1, 1, False, 4, 4, 4)]
    answers = {0: np.array([[1.5, 2.0]], np.float32), 1: RUNNING}
    rows = book.pending_actions(2, 6, None, answers, claims)
    assert rows.dtype == np.float32
    # Tick 3: inference 0's action. Tick 4: not yet known. Tick 5: nothing is aimed at it, so the default.
    assert rows.tolist() == [[1.5, 2.0, 1.0], UNKNOWN, [0.5, 4.0, 1.0]]
    book.executed(3, np.array([-1.0, 1.0], np.float32))  # the default, or something newer, has acted
    rows = book.pending_actions(2, 5, None, answers, claims[1:])
    assert rows.tolist() == [[-1.0, 1.0, 1.0], UNKNOWN, UNKNOWN]


def test_actions_of_more_than_one_axis_are_flattened():
    space = spaces.Box(-1, 1, (2, 2))
    codec = ActionCodec(space)
    rows = codec.unknown_actions(2)
    assert rows.shape == (2, 5) and not rows.any()
    codec.note_known(rows, 1, np.array([[0.25, 0.5], [0.75, 1.0]]))
    assert rows.tolist() == [[0.0] * 5, [0.25, 0.5, 0.75, 1.0, 1.0]]


class Writing:
    """Appends its inputs to a file, from any process, and acts on all of them."""

    def __init__(self, path):
        self.path = str(path)

    def __call__(self, observation, pending_actions):
        assert pending_actions.dtype == np.float32
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (json.dumps([float(observation[0]), pending_actions.tolist()]) + "\n").encode())
        os.close(file)
        return act(observation[0], pending_actions)

    def seen(self):
        with open(self.path) as file:
            return sorted(map(json.loads, file))


class Listening:
    def __init__(self):
        self.moments = []

    def began(self, observation):
        pass

    def ticked(self, moment):
        told, final = (seen.tolist() for seen in (moment.pending_actions, moment.final_pending_actions))
        self.moments.append((moment.tick, moment.decided_on, moment.action.tolist(), told, final))


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads(), hocket.Processes()], ids=["threads", "processes"])
@pytest.mark.parametrize("late", [False, True], ids=["one stage", "two stages"])
def test_both_drivers_show_a_policy_the_same(executor, late, tmp_path, nothing_left):
    ticks, rule = 30, hocket.TickDispatch(4, min_delay_ticks=4)

    def run(clock, name):
        policy, listener = Writing(tmp_path / name), Listening()
        factory = FunctionPolicy(policy, pending=3)
        if late:
            factory = hocket.TwoStage(lambda observation: observation.copy(), policy, pending=3, head_s=0.25 / HZ)
        default = hocket.Fixed(np.array([0.5, 1.0]))
        hocket.run(Ticking(length=12), factory, rule, clock, ticks=ticks, default=default, listener=listener)
        return policy.seen(), listener.moments

    seen, moments = run(hocket.Virtual(hz=HZ, latency=hocket.Constant(0.001)), "virtual")
    for attempt in range(3):  # the machine may have stood still for longer than half a tick
        live_seen, live_moments = run(hocket.Realtime(hz=HZ, executor=executor), f"realtime {attempt}")
        if live_moments == moments and live_seen[: ticks - 4] == seen[: ticks - 4]:
            break
    assert live_moments == moments
    assert live_seen[: ticks - 4] == seen[: ticks - 4]  # the newest may not have got to a worker when the run ended
    middle = [rows for observation, rows in seen if 5 <= observation < 9]
    assert middle and all(row[-1] == 1 for rows in middle for row in rows)
    assert [final for *_, final in moments if final] == [final for tick, *_, final in moments if tick in (12, 24)] != []


@pytest.mark.parametrize("default", [hocket.Fixed([0.5, 1.0]), hocket.RepeatLast(), hocket.RandomDefault()], ids=repr)
@pytest.mark.parametrize("inference_ticks", [1, 2, 4])
def test_induced_delay_shows_the_same(inference_ticks, default):
    delay, ticks = 4, 200
    seen = {}

    def policy(observation, pending_actions):
        seen[int(observation[0])] = pending_actions.tolist()
        return act(observation[0], pending_actions)

    hocket.run(
        Ticking(),
        FunctionPolicy(policy, pending=delay - 1),
        hocket.TickDispatch(delay, min_delay_ticks=delay),
        hocket.Virtual(hz=HZ, latency=hocket.Constant((inference_ticks - 0.5) / HZ)),
        ticks=ticks,
        default=default,
    )
    options = {"delay_ticks": delay, "inference_ticks": inference_ticks, "pending_actions": True}
    env = InducedDelay(Ticking(), default=default, **options)
    observation = env.reset(seed=0)[0]
    for tick in range(ticks - 1):
        assert observation in env.observation_space and observation.dtype == np.float32
        assert observation[1:].reshape(3, 3).tolist() == seen[tick]
        observation = env.step(act(tick, seen[tick]))[0]
    masks = {row[-1] for rows in seen.values() for row in rows}
    foreseeable = not isinstance(default, hocket.RandomDefault)  # at an episode's beginning the default is to come
    assert (1.0 in masks) == (foreseeable or inference_ticks < delay)
    assert (0.0 in masks) == (not foreseeable or inference_ticks > 1)


def test_a_head_that_sees_the_newest_observation_is_told_the_same():
    delay, ticks = 3, 60
    seen = {}

    def head(features, pending_actions, newest, told):
        tick = int(newest[0])
        late = [-1.0] if features is None else features.tolist()
        seen[tick] = [*late, *pending_actions.ravel().tolist(), float(told[0] > 0), *newest.tolist()]
        return act(tick, pending_actions)

    policy = hocket.TwoStage(
        lambda observation: observation.copy(), head, pending=delay - 1, newest=True, delay_told=True, head_s=0.001
    )
    hocket.run(
        Ticking(length=20),
        policy,
        hocket.TickDispatch(delay),
        hocket.Virtual(hz=HZ, latency=hocket.Constant((delay - 0.5) / HZ)),
        ticks=ticks,
    )
    env = InducedDelay(Ticking(length=20), delay_ticks=delay, pending_actions=True, newest=True)
    assert env.observation_space.shape == (1 + 2 * 3 + 1 + 1,)
    observation, ready = env.reset(seed=0)[0], set()
    for tick in range(ticks - 1):
        told = seen[tick]
        ready.add(told[-2])
        assert observation in env.observation_space
        assert (
            observation[told[-2] == 0 :].tolist() == told[told[-2] == 0 :]
        )  # the first one fills a missing one's place
        observation, _, _, truncated, _ = env.step(act(tick, np.array(told[1:-2])))
        if truncated:
            observation = env.reset()[0]
    assert ready == {0.0, 1.0}


def test_integers_and_pictures_are_joined_by_rows_of_their_own():
    for space in (spaces.Box(0, 255, (4,), np.uint8), spaces.Box(0, 1, (2, 2), np.float32)):
        env = InducedDelay(Ticking(observation_space=space), delay_ticks=2, pending_actions=True)
        rows = env.observation_space["pending"]
        assert (rows.low.tolist(), rows.high.tolist()) == ([[-2.0, 0.0, 0.0]], [[2.0, 8.0, 1.0]])
        observation = env.reset()[0]
        assert observation in env.observation_space and observation["pending"].tolist() == [[0.0, 0.0, 1.0]]
        assert env.step(np.array([-1.5, 3.0], np.float32))[0]["pending"].tolist() == [[-1.5, 3.0, 1.0]]


def test_a_network_gets_rows():
    torch = pytest.importorskip("torch")

    class Rows(torch.nn.Module):
        def forward(self, observation, pending):
            assert (observation.shape, pending.shape, pending.dtype) == ((1, 1), (1, 2, 3), torch.float32)
            return pending[:, -1, :2]

    policy = hocket.TorchPolicy(Rows, pending=2, decide=hocket.policies.continuous)
    rule, clock = hocket.TickDispatch(3, min_delay_ticks=3), hocket.Virtual(hz=HZ, latency=hocket.Constant(0.001))
    result = hocket.run(Ticking(), policy, rule, clock, ticks=20, default=hocket.Fixed([0.5, 1.0]))
    assert [action.tolist() for action in result.record.actions[2:]] == [[0.5, 1.0]] * 18
