"""Pending actions of chunks, the committed prefix: by hand, against the trace, and alike under both drivers."""

import itertools
import json
import os
import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from settled_ticks import check_pending_actions

import hocket
from hocket.core import commands as c
from hocket.latency.laws import LatencyModel
from hocket.policies.base import Alignment, FunctionPolicy

HZ = 50
BOX = spaces.Box(-1000, 1000, (2,), np.float32)


class Ticking(gym.Env):
    """Observes the tick of the run; takes any of ``action_space``; episodes of ``episode_ticks``."""

    observation_space = spaces.Box(0, 2**31, (1,), np.int64)

    def __init__(self, action_space, episode_ticks=None):
        self.action_space, self.episode_ticks, self.tick = action_space, episode_ticks, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.array([self.tick]), {}

    def step(self, action):
        self.tick += 1
        ended = self.episode_ticks is not None and self.tick % self.episode_ticks == 0
        return np.array([self.tick]), 0.0, False, ended, {}


class Planning:
    """Answers with chunks whose actions name their observation and step; keeps what it was told."""

    def __init__(self, space, lengths, failing=()):
        self.box, self.lengths, self.failing, self.calls = isinstance(space, spaces.Box), lengths, failing, []

    def __call__(self, observation, pending, delay):
        tick, number = int(observation[0]), len(self.calls)
        steps = range(self.lengths[number % len(self.lengths)])
        if self.box:
            actions = [(float(tick), float(step)) for step in steps]
            rows = [(float(row[0]), float(row[1])) if row[2] else None for row in pending]
        else:
            actions = [(tick * 7 + step * 3) % 50 for step in steps]
            rows = [None if code == 50 else int(code) for code in pending]
        self.calls.append((tick, rows, actions, int(delay[0])))
        if number in self.failing:
            raise RuntimeError("no answer")
        return np.array(actions)


def told(rule, lasts_ticks, *, length=8, rows=6, ticks=30, space=BOX, alignment=Alignment.OBSERVATION):
    """By observation: the pending actions and the expected delay, and the actions that were executed."""
    policy = Planning(space, [length])
    result = hocket.run(
        Ticking(space),
        FunctionPolicy(policy, chunk_length=length, pending=rows, alignment=alignment, delay_told=True),
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant(lasts_ticks / HZ)),
        ticks=ticks,
        default=hocket.Fixed(np.array([-1.0, -1.0])),
    )
    return {tick: (rows, delay) for tick, rows, _, delay in policy.calls}, result


BETA = (-1.0, -1.0)


def test_one_worker_knows_what_plays_until_its_target():
    seen, _ = told(hocket.TickDispatch(1), 3.5)
    assert seen[0] == ([BETA] * 6, 0)  # no inference time is known yet, so it aims at no tick
    # The worker is free at 3.5. Observation 0 plays from its step 3 on, which is for tick 4; the target is tick 7.
    assert seen[3] == ([(0.0, 3.0), (0.0, 4.0), (0.0, 5.0)] + [None] * 3, 4)
    assert seen[7] == ([(3.0, 4.0), (3.0, 5.0), (3.0, 6.0)] + [None] * 3, 4)


def test_what_other_workers_have_not_answered_is_unknown():
    seen, _ = told(hocket.TickDispatch(2), 3.5)
    assert seen[1] == ([None] * 6, 0)  # observation 0's answer may come at any tick
    # Tick 6 is observation 1's; from tick 7 on observation 3 decides, which is still being answered.
    assert seen[5] == ([(1.0, 4.0)] + [None] * 5, 4)


def test_held_answers_are_known():
    # Quick inferences, held to a delay of four ticks: everything up to the target is settled.
    seen, _ = told(hocket.TickDispatch(4, min_delay_ticks=4), 0.5)
    assert seen[10] == ([(7.0, 3.0), (8.0, 3.0), (9.0, 3.0)] + [None] * 3, 4)


def test_a_rule_without_targets_shows_the_whole_rest():
    seen, _ = told(hocket.OneInFlight(), 2.5)
    assert seen[2] == ([(0.0, float(step)) for step in range(2, 8)], 0)  # ticks 3 to 8 of the chunk from observation 0
    assert seen[7] == ([(4.0, float(step)) for step in range(3, 8)] + [BETA], 0)


def test_chunks_aligned_to_their_release():
    seen, _ = told(hocket.TickDispatch(1), 3.5, alignment=Alignment.RELEASE)
    assert seen[3] == ([(0.0, 0.0), (0.0, 1.0), (0.0, 2.0)] + [None] * 3, 4)  # step 0 is for tick 4
    assert seen[7] == ([(3.0, 1.0), (3.0, 2.0), (3.0, 3.0)] + [None] * 3, 4)  # it was for tick 7, the target


@dataclass(frozen=True)
class Drawn(LatencyModel):
    """Inference times of a list, in ticks, over and over."""

    ticks: tuple[float, ...]

    def sampler(self, rng):
        durations_ns = itertools.cycle([round(ticks * 10**9 / HZ) for ticks in self.ticks])
        return lambda worker, now_ns: next(durations_ns)


RULES = [
    hocket.TickDispatch(1),
    hocket.TickDispatch(3),
    hocket.TickDispatch(3, min_delay_ticks=4),
    hocket.TickDispatch(3, hold=False),
    hocket.TickDispatch(4, hedge=True),
    hocket.Unstaggered(2),
    hocket.OneInFlight(),
    hocket.Sequential(),
    hocket.MaxTime(3),
]


@given(
    rule=st.sampled_from(RULES),
    lasts=st.lists(st.floats(0.05, 7.0), min_size=1, max_size=12),
    lengths=st.lists(st.integers(1, 10), min_size=1, max_size=4),
    failing=st.sets(st.integers(0, 20), max_size=3),
    space=st.sampled_from([BOX, spaces.Discrete(50)]),
    alignment=st.sampled_from(Alignment),
    beta=st.sampled_from(["fixed", "repeat", "random"]),
    episode_ticks=st.sampled_from([None, 13]),
)
def test_known_rows_are_executed_unless_something_newer_is(
    rule, lasts, lengths, failing, space, alignment, beta, episode_ticks
):
    first = (3.0, 4.0) if space is BOX else 3
    defaults = {
        "fixed": (hocket.Fixed(np.array(first)), lambda last: first),
        "repeat": (hocket.RepeatLast(np.array(first)), lambda last: last),
        "random": (hocket.RandomDefault(), lambda last: None),
    }
    default, foresee = defaults[beta]
    policy = Planning(space, lengths, failing)
    result = hocket.run(
        Ticking(space, episode_ticks),
        FunctionPolicy(policy, chunk_length=10, pending=6, alignment=alignment, delay_told=True),
        rule,
        hocket.Virtual(hz=HZ, latency=Drawn(tuple(lasts))),
        ticks=30,
        default=default,
    )
    record = result.record
    record.actions = [tuple(map(float, a)) if space is BOX else a for a in record.actions]
    calls = [(tick, rows, actions) for tick, rows, actions, _ in policy.calls]
    check_pending_actions(result, calls, foresee, initial=first, longest=10, exact=rule != RULES[-1])
    targets = [x.target for _, commands in record.trace.steps() for x in commands if type(x) is c.StartInference]
    assert [delay for *_, delay in policy.calls] == [
        max(0, target - seen) for target, (seen, *_) in zip(targets, calls, strict=True)
    ]


# -- alike under both drivers --------------------------------------------------------------------------------


@dataclass
class Writing:
    """Appends its inputs to a file, from any process, and answers with a chunk that depends on all of them."""

    path: str
    seconds: float = 0.0

    def __call__(self, observation, pending, delay):
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (json.dumps([int(observation[0]), int(delay[0]), pending.tolist()]) + "\n").encode())
        os.close(file)
        time.sleep(self.seconds)
        mark = int(pending.sum()) % 13
        return np.array([[observation[0], step + mark] for step in range(5)], np.float32)

    def seen(self):
        with open(self.path) as file:
            return sorted(map(json.loads, file))


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads(), hocket.Processes()], ids=["threads", "processes"])
def test_both_drivers_show_a_policy_the_same(executor, tmp_path, nothing_left):
    hz, ticks, lasts_s = 25, 30, 2.5 / 25

    def run(clock, name, seconds):
        policy = Writing(str(tmp_path / name), seconds)
        factory = FunctionPolicy(policy, chunk_length=5, pending=3, delay_told=True)
        rule, default = hocket.TickDispatch(4, min_delay_ticks=4), hocket.Fixed(np.array([-1.0, -1.0]))
        result = hocket.run(Ticking(BOX, 12), factory, rule, clock, ticks=ticks, default=default)
        return policy.seen(), [action.tolist() for action in result.record.actions]

    seen, actions = run(hocket.Virtual(hz=hz, latency=hocket.Constant(lasts_s)), "virtual", 0.0)
    known = len(seen) - 2
    for attempt in range(3):  # the machine may have stood still for longer than half a tick
        live_seen, live_actions = run(hocket.Realtime(hz=hz, executor=executor), f"realtime {attempt}", lasts_s)
        if live_actions == actions and live_seen[:known] == seen[:known]:
            break
    assert live_actions == actions
    assert live_seen[:known] == seen[:known]  # the newest may not have got to a worker when the run ended
    masks = [[row[-1] for row in rows] for observation, _, rows in seen if observation >= 5]
    assert [1.0, 0.0, 0.0] in masks
