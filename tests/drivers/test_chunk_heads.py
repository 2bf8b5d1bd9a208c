"""Heads on chunks: what they are told, under both drivers and in the user's loop, and what is refused."""

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.core import commands as c
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies.base import Alignment, FunctionPolicy

HZ = 25
BOX = spaces.Box(-1000, 1000, (2,), np.float32)
BETA = [-1.0, -1.0]


class Ticking(gym.Env):
    """Observes the tick of the run."""

    action_space = BOX
    observation_space = spaces.Box(0, 2**31, (1,), np.int64)

    def __init__(self, episode_ticks=None):
        self.episode_ticks, self.tick = episode_ticks, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.array([self.tick]), {}

    def step(self, action):
        self.tick += 1
        ended = self.episode_ticks is not None and self.tick % self.episode_ticks == 0
        return np.array([self.tick]), 0.0, False, ended, {}


@dataclass
class Trunk:
    """Chunks of eight actions, which name their observation and step."""

    seconds: float = 0.0

    def __call__(self, observation):
        time.sleep(self.seconds)
        return np.array([[observation[0], step] for step in range(8)], np.float32)


class Head:
    """Adds half to the planned action, and keeps what it was told."""

    def __init__(self):
        self.calls = []

    def __call__(self, plan, pending, newest, delay):
        rows = [row[:2].tolist() if row[2] else None for row in pending]
        self.calls.append((plan.tolist(), rows, int(newest[0]), int(delay[0])))
        pending[:], newest[:] = 77, 77  # its to change
        plan += 0.5
        return plan[0]


def corrected(head, seconds=0.0, alignment=Alignment.OBSERVATION):
    trunk = FunctionPolicy(Trunk(seconds), chunk_length=8, alignment=alignment)
    return hocket.TwoStage(trunk, head, pending=3, newest=True, delay_told=True)


def play(policy, *, rule=None, clock=None, ticks=20, episode_ticks=None, **options):
    rule = rule or hocket.TickDispatch(1)
    clock = clock or hocket.Virtual(hz=HZ, latency=hocket.Constant(3.5 / HZ))
    default = hocket.Fixed(np.array(BETA))
    return hocket.run(Ticking(episode_ticks), policy, rule, clock, ticks=ticks, default=default, **options)


def actions(result):
    return [action.tolist() for action in result.record.actions]


def plan(observation, *steps):
    return [[float(observation), float(step)] for step in steps]


def test_each_step_is_corrected_when_its_tick_is_due():
    head = Head()
    result = play(corrected(head), ticks=8)
    # Observation 0 is answered at 3.5 ticks: its step 3 is the first to act, at tick 4. Observation 3's follows at 7.
    assert actions(result) == [BETA] * 3 + [[0.5, 3.5], [0.5, 4.5], [0.5, 5.5], [3.5, 3.5], [3.5, 4.5]]
    assert head.calls[:2] == [
        (plan(0, 3, 4, 5, 6, 7), [BETA] * 3, 3, 4),
        (plan(0, 4, 5, 6, 7), [BETA] * 3, 4, 5),  # of the four ticks since, the first three
    ]
    assert head.calls[3] == (plan(3, 3, 4, 5, 6, 7), [[0.5, 3.5], [0.5, 4.5], [0.5, 5.5]], 6, 4)


def test_chunks_aligned_to_their_release():
    head = Head()
    result = play(corrected(head, alignment=Alignment.RELEASE), ticks=6)
    assert actions(result)[3:5] == [[0.5, 0.5], [0.5, 1.5]]
    assert [call[0][0] for call in head.calls[:2]] == plan(0, 0, 1) and head.calls[0][3] == 4


def test_ticks_are_filled_as_without_a_head():
    head = Head()
    with_head = play(corrected(head), ticks=60, episode_ticks=17)
    without = play(FunctionPolicy(Trunk(), chunk_length=8), ticks=60, episode_ticks=17)
    assert list(with_head.record.trace.steps()) == list(without.record.trace.steps())
    executed = [x for _, commands in with_head.record.trace.steps() for x in commands if type(x) is c.Execute]
    assert len(executed) == len(head.calls) == round(with_head.summary().coverage * 60) > 40


def test_listeners_are_shown_what_the_head_was_told():
    head, moments = Head(), []

    class Listening:
        def began(self, observation):
            pass

        def ticked(self, moment):
            moments.append(moment)

    play(corrected(head), listener=Listening())
    fresh = [moment for moment in moments if moment.decided_on >= 0]
    told = [[row[:2].tolist() if row[2] else None for row in moment.pending_actions] for moment in fresh]
    assert [
        (rows, moment.newest, moment.tick - moment.decided_on) for rows, moment in zip(told, fresh, strict=True)
    ] == [call[1:] for call in head.calls]
    assert {moment.newest for moment in moments if moment.decided_on < 0} == {-1}


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads(), hocket.Processes()], ids=["threads", "processes"])
def test_both_drivers_tell_a_head_the_same(executor, nothing_left):
    def run(clock, seconds):
        head = Head()
        result = play(
            corrected(head, seconds), rule=hocket.TickDispatch(4, min_delay_ticks=4), clock=clock, episode_ticks=12
        )
        return head.calls, actions(result)

    virtual = run(hocket.Virtual(hz=HZ, latency=hocket.Constant(2.5 / HZ)), 0.0)
    for _ in range(3):  # the machine may have stood still for longer than half a tick
        realtime = run(hocket.Realtime(hz=HZ, executor=executor), 2.5 / HZ)
        if realtime == virtual:
            break
    assert realtime == virtual


@pytest.mark.realtime
def test_the_head_in_the_users_loop_sees_the_newest_observation():
    head, acted = Head(), []
    failing = iter([False, True])

    def at_times(plan, *told):
        action = head(plan, *told)
        return 1 / 0 if next(failing, False) else action

    policy = hocket.Charged(corrected(at_times), hocket.Constant(0.01))
    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(2),
        hz=50,
        default=hocket.Fixed(np.array(BETA)),
        observation_space=Ticking.observation_space,
        action_space=BOX,
        executor="threads",
    ) as agent:
        for number in range(500):
            action = agent.act(np.array([number]))
            if agent.last.fresh:
                acted.append((number, action.tolist(), agent.last))
            if len(acted) > 5:
                break
            time.sleep(0.02)
    assert len(acted) == len(head.calls) > 5
    assert agent.counts()["uncorrected"] == 1
    shifts = [0.5, 0.0, *[0.5] * len(acted)]
    for (number, action, last), (rest, _, newest, delay), shift in zip(acted, head.calls, shifts, strict=False):
        assert newest == number and last.newest < last.tick and delay == last.delay_ticks
        assert action == [rest[0][0] + shift, rest[0][1] + shift] and len(rest) == 8 - last.step


@pytest.mark.parametrize(
    ("answer", "says"),
    [(lambda plan: 1 / 0, "ZeroDivisionError"), (lambda plan: plan, "1 to 1 are allowed"), (lambda plan: [1], "shape")],
)
def test_a_head_that_always_fails_ends_the_run(answer, says):
    policy = hocket.TwoStage(FunctionPolicy(Trunk(), chunk_length=8), answer)
    with pytest.raises(PolicyError, match=rf"(?s)17 heads of chunks failed in a row.*{says}"):
        play(policy)
    limits = hocket.FailureLimits(outage_s=0.0, rounds=3)
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(3.5 / HZ), failures=limits)
    with pytest.raises(PolicyError, match=rf"(?s)3 heads of chunks failed in a row.*{says}") as caught:
        play(policy, clock=clock)
    assert caught.value.result.record.ticks[-1] == 6


def test_where_a_head_fails_the_planned_action_is_executed(tmp_path):
    def odd(plan):
        assert plan[0, 1] % 2, "an even step"
        return plan[0] + 0.5

    result = play(hocket.TwoStage(FunctionPolicy(Trunk(), chunk_length=8), odd), ticks=7)
    assert actions(result)[3:] == [[0.5, 3.5], [0.0, 4.0], [0.5, 5.5], [3.5, 3.5]]
    assert result.record.uncorrected == 1 and "an even step" in result.record.errors[-1]
    assert "failed in 1 tick" in str(result.summary())
    result.save(tmp_path / "run")
    assert hocket.load(tmp_path / "run").summary().uncorrected == 1


def act(*inputs):
    return 0


@pytest.mark.parametrize(
    ("trunk", "options", "says"),
    [
        (FunctionPolicy(act), {}, r"answers with single actions.*chunk_length=8"),
        (FunctionPolicy(act, chunk_length=2, pending=1), {}, "only the head can be"),
        (FunctionPolicy(act, chunk_length=2, delay_told=True), {}, "only the head can be"),
        (FunctionPolicy(act, chunk_length=2), {"head_s": 0.004}, r"head_s=0.004.*leave it out"),
        (hocket.TwoStage(FunctionPolicy(act, chunk_length=2), act), {}, "a head of its own"),
        (hocket.TwoStage(act, act), {}, "answers with single actions"),
        (3, {}, "trunk=3 is not callable"),
    ],
)
def test_refused_by_name(trunk, options, says):
    with pytest.raises(ConfigurationError, match=says):
        hocket.TwoStage(trunk, act, **options)


def test_a_factory_of_your_own_may_correct():
    class Mine(hocket.PolicyFactory):
        chunk_length, corrects = 8, True

        def build(self):
            return Trunk()

        def build_chunk_head(self):
            return lambda plan: plan[0] + 0.25

    assert actions(play(Mine()))[3:5] == [[0.25, 3.25], [0.25, 4.25]]

    class Headless(Mine):
        build_chunk_head = hocket.PolicyFactory.build_chunk_head

    with pytest.raises(PolicyError, match="Headless corrects chunks and builds no head"):
        play(Headless())

    class Single(Mine):
        chunk_length = 1

    with pytest.raises(ConfigurationError, match="corrects=True has no effect"):
        play(Single())
