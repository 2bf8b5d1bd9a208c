"""Two stages under both drivers: the inputs and times of heads, and the outcome of late ones."""

import os
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from test_pending_actions import Endless, Listening

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.trace import Trace
from hocket.errors import PolicyError
from hocket.policies.base import PolicyFactory, Stages
from hocket.testing import replay

UNKNOWN = 3  # of three actions
HZ = 50
KINDS = {"threads": hocket.Threads, "processes": hocket.Processes}
both = pytest.mark.parametrize("executor", KINDS.values(), ids=KINDS.keys())


def virtual(ticks, head_s=0.0005, hz=HZ):
    return hocket.Virtual(hz=hz, latency=hocket.Constant(ticks / hz), head=hocket.Constant(head_s))


@dataclass
class Trunk:
    seconds: float = 0.0

    def __call__(self, observation):
        time.sleep(self.seconds)
        return int(observation.flat[0])


@dataclass
class Head:
    """Appends its inputs to a file, from any process, and acts on all of them but the newest observation."""

    path: str
    seconds: float = 0.0

    def __call__(self, features, pending_actions, newest):
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (" ".join(map(str, [features, int(newest.flat[0]), *pending_actions.tolist()])) + "\n").encode())
        os.close(file)
        time.sleep(self.seconds)
        return int(features + pending_actions @ [1, 2, 3]) % 3

    def seen(self):
        with open(self.path) as file:
            return sorted([int(word) for word in line.split()] for line in file)


# -- every rule, in virtual time -----------------------------------------------------------------------------

# A trunk of 2.6 ticks and a head of 1 ms: 2.65 ticks, so that D = 3.
RULES = {
    "held": (hocket.TickDispatch(3), 1.0, {3}),
    "released": (hocket.TickDispatch(3, hold=False), 1.0, {3}),
    "held for longer": (hocket.TickDispatch(5, min_delay_ticks=5), 1.0, {5}),
    # Observations queue until a worker is free, at most for the two ticks that they can spare.
    "queued": (hocket.TickDispatch(3, min_delay_ticks=5), 1.0, {5}),
    "too few": (hocket.TickDispatch(2), 2 / 3, {3}),
    "a spare worker": (hocket.TickDispatch(5), 1.0, {3}),
    "hedged": (hocket.TickDispatch(8, hedge=True), 1.0, {3}),
    "auto workers": (hocket.TickDispatch("auto"), 1.0, {3}),
    "least regret": (hocket.TickDispatch(3, quantile="auto"), 1.0, {3}),
    "least regret, hedged": (hocket.TickDispatch(7, quantile="auto"), 1.0, {3}),
    "max time": (hocket.MaxTime(3), 1.0, {3}),
    "expected time": (hocket.ExpectedTime(3), 1.0, {3}),
    "sequential": (hocket.Sequential(), 1 / 3, {3}),
    "learning": (hocket.Sequential(hocket.Learn.AFTER_INFERENCE), 1 / 3, {3}),
    # Freed just before tick k + 3 it takes observation k + 2, which it cannot act on before k + 6.
    "one free worker": (hocket.Unstaggered(1), 1 / 3, {4}),
}


@pytest.mark.parametrize(("rule", "coverage", "delays"), RULES.values(), ids=RULES.keys())
def test_every_rule_binds(rule, coverage, delays):
    policy = hocket.TwoStage(
        Trunk(), lambda features, pending_actions: int(features + pending_actions @ [1, 2]) % 3, pending=2
    )
    kept = Kept()
    learn = (lambda: None) if rule == hocket.Sequential(hocket.Learn.AFTER_INFERENCE) else None
    result = hocket.run(Endless(), policy, rule, virtual(2.6), ticks=360, listener=kept, learn=learn)
    metrics = result.metrics(after_tick=60)
    assert metrics.coverage == pytest.approx(coverage, abs=0.02)
    assert set(metrics.delays.tolist()) <= delays
    assert metrics.missed_binds == 0 < metrics.binds
    replay(result.record.trace, validate=True)
    # Under every rule the actions executed since the observation are known.
    actions = dict(zip(result.record.ticks, result.record.actions, strict=True))
    decisions = [m for m in kept.moments if m.decided_on >= 0 and m.tick > 60]
    for m in decisions:
        known = min(2, m.tick - m.decided_on - 1)
        assert list(m.pending_actions[:known]) == [actions[m.decided_on + 1 + row] for row in range(known)]
    assert decisions


class Kept:
    def __init__(self):
        self.moments = []

    def began(self, observation):
        pass

    def ticked(self, moment):
        self.moments.append(moment)


def test_every_code_is_known_with_as_many_workers_as_ticks_of_delay():
    seen = []

    def head(features, pending_actions):
        seen.append(pending_actions.tolist())
        return features % 3

    policy = hocket.TwoStage(Trunk(), head, pending=2)
    result = hocket.run(Endless(), policy, hocket.TickDispatch(3), virtual(2.6), ticks=200)
    metrics = result.metrics(after_tick=3)
    assert metrics.coverage == 1 and set(metrics.delays.tolist()) == {3}
    assert UNKNOWN not in {code for pending_actions in seen for code in pending_actions}
    assert len(seen) == 198  # none but the two ticks at the start, where the default acts, is without one
    # In one stage the same policy has no known pending actions.
    seen.clear()
    one = hocket.FunctionPolicy(
        lambda observation, pending_actions: head(int(observation[0]), pending_actions), pending=2
    )
    hocket.run(Endless(), one, hocket.TickDispatch(3), virtual(2.6), ticks=200)
    assert all(pending_actions == [UNKNOWN, UNKNOWN] for pending_actions in seen[5:])


def test_heads_that_take_longer_than_they_are_given_miss_their_binds():
    policy = hocket.TwoStage(Trunk(), lambda features: 1, head_s=0.001)
    result = hocket.run(Endless(), policy, hocket.TickDispatch(4), virtual(2.6, head_s=0.0011), ticks=50)
    metrics = result.metrics()
    assert metrics.coverage == 0
    assert 40 < metrics.missed_binds == metrics.outcomes["dropped"]
    assert f"binds       {metrics.binds}, {metrics.missed_binds} missed" in str(result.summary())
    in_time = hocket.run(Endless(), policy, hocket.TickDispatch(4), virtual(2.6, head_s=0.001), ticks=50)
    assert in_time.summary().missed_binds == 0 and in_time.summary().binds > 40
    one_stage = hocket.run(Endless(), lambda observation: 1, hocket.TickDispatch(4), virtual(2.6), ticks=50)
    assert one_stage.summary().binds == 0 and "binds" not in str(one_stage.summary())


def test_occasionally_late_heads():
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05), head=hocket.HeavyTail(0.0008, 0.1, 5.0))
    policy = hocket.TwoStage(Trunk(), lambda features: 1)
    metrics = hocket.run(Endless(), policy, hocket.TickDispatch(4), clock, ticks=1000).metrics(after_tick=10)
    assert 60 < metrics.missed_binds < 140
    assert metrics.coverage == pytest.approx(1 - metrics.missed_binds / 1000, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("head_s", [0.001, 0.03], ids=["short", "longer than a tick"])
@pytest.mark.parametrize(
    "rule",
    [hocket.TickDispatch(5), hocket.TickDispatch(8, quantile="auto"), hocket.MaxTime(5), hocket.Unstaggered(3)],
    ids=lambda rule: type(rule).__name__ + str(rule.workers),
)
def test_a_head_gets_the_actions_executed_before_its_call_and_no_others(rule, head_s):
    calls = []

    def head(features, pending_actions, newest):
        calls.append((features, pending_actions.tolist(), int(newest[0])))
        return int(features + pending_actions @ [1, 2, 3, 4]) % 3

    result = hocket.run(
        Endless(length=150),
        hocket.TwoStage(Trunk(), head, pending=4, head_s=head_s, newest=True),
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.LogNormal(2.2 / HZ, 0.5), head=hocket.Constant(head_s / 2)),
        ticks=900,
        default=hocket.RandomDefault(),
        seed=5,
    )
    actions = dict(zip(result.record.ticks, result.record.actions, strict=True))
    observations, finished, kinds = {}, set(), Counter()
    now, bound = 0, iter(calls)
    for event, commands in result.record.trace.steps():
        if isinstance(event, e.DeadlineReached):
            now = event.tick
        if isinstance(event, e.InferenceFinished):
            finished.add(event.inference)
        for command in commands:
            if isinstance(command, c.StartInference):
                observations[command.inference] = command.observation
            if not isinstance(command, c.BindHead):
                continue
            features, pending_actions, newest = next(bound)
            assert features == observations[command.inference] and newest == now
            for row, code in enumerate(pending_actions):
                tick = features + 1 + row
                if tick <= now and tick < command.tick:
                    assert code == actions[tick]
                    kinds["executed"] += 1
                elif tick >= command.tick:
                    assert code == UNKNOWN
                    kinds["beyond"] += 1
                else:  # only where heads are given more than a tick
                    assert head_s > 1 / HZ
                    kinds["between"] += 1
    assert next(bound, None) is None
    assert kinds["executed"] > 900 and bool(kinds["between"]) == (head_s > 1 / HZ)
    replay(result.record.trace, validate=True)


@pytest.mark.parametrize("stage", ["trunk", "head"])
def test_occasional_errors_of_a_stage(stage):
    def sometimes(number):
        if number % 10 == 3:
            raise RuntimeError("the stage's own words")
        return number

    policy = hocket.TwoStage(
        lambda observation: sometimes(int(observation[0])) if stage == "trunk" else int(observation[0]),
        lambda features: (sometimes(features) if stage == "head" else features) % 3,
    )
    result = hocket.run(Endless(), policy, hocket.TickDispatch(4), virtual(2.6), ticks=100)
    assert result.summary().outcomes["failed"] in (9, 10)
    assert result.metrics(after_tick=10).coverage == pytest.approx(0.9, abs=0.02)
    assert "the stage's own words" in result.record.errors[0]
    replay(result.record.trace, validate=True)


def test_a_head_that_always_raises_ends_the_run():
    """Though every trunk succeeds."""
    with pytest.raises(PolicyError, match=r"97 inferences failed in a row within 1\.92 s"):
        hocket.run(Endless(), hocket.TwoStage(Trunk(), lambda x: 1 / 0), hocket.TickDispatch(4), virtual(2.6), ticks=99)


class Versioned(Stages):
    """The version of an answer is its observation's."""

    features = -1

    @property
    def version(self):
        return self.features


class VersionedPolicy(PolicyFactory):
    head_s = 0.01

    def build(self):
        def trunk(observation):
            object.__setattr__(stages, "features", int(observation[0]))
            return stages.features

        stages = Versioned(trunk, lambda features: features % 3)
        return stages


@pytest.mark.realtime
@pytest.mark.parametrize("clock", ["virtual", "threads", "processes"])
def test_versions_of_stages(clock, nothing_left):
    timing = virtual(1.5) if clock == "virtual" else hocket.Realtime(hz=HZ, executor=clock)
    rule = hocket.Sequential()  # so that in virtual time the trunk of another does not come between
    inferences = hocket.run(Endless(), VersionedPolicy(), rule, timing, ticks=30).metrics().inferences
    answered = inferences.finished_ns >= 0
    assert answered.sum() >= 10
    assert np.array_equal(inferences.version[answered], inferences.observation[answered])


# -- alike everywhere ----------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.realtime
@both
def test_heads_are_given_the_same_under_both_drivers(executor, tmp_path, nothing_left):
    """A trunk of 2.5 ticks, D = 4, and no more workers than that: three actions have been executed since."""
    hz, ticks, rule = 25, 34, hocket.TickDispatch(4, min_delay_ticks=4)

    def run(clock, seconds, name):
        head, listener = Head(str(tmp_path / name)), Listening()
        policy = hocket.TwoStage(Trunk(seconds), head, pending=3, head_s=0.012, newest=True)
        env = Endless(length=12)
        result = hocket.run(env, policy, rule, clock, ticks=ticks, default=hocket.Fixed(2), listener=listener)
        return result, head.seen(), listener.moments

    result, seen, moments = run(virtual(2.5, hz=hz), 0.0, "virtual")
    for attempt in range(3):  # the machine may have stood still for longer than a head is given
        clock = hocket.Realtime(hz=hz, executor=executor())
        live, live_seen, live_moments = run(clock, 2.5 / hz, f"realtime {attempt}")
        if live_moments == moments and live_seen == seen:
            break
    assert live_moments == moments
    assert live_seen == seen
    actions = dict(zip(result.record.ticks, result.record.actions, strict=True))
    for observation, newest, *pending_actions in seen:
        assert newest == observation + 3
        assert pending_actions == [actions[observation + row] for row in (1, 2, 3)]
    # Of the 12 observations of an episode the last 3 have no head.
    assert [observation for observation, *_ in seen] == [k for k in range(ticks - 3) if k % 12 < 9]
    live.save(tmp_path / "run")
    trace = Trace.load(tmp_path / "run" / "trace.bin")
    assert trace.head_ns == 12_000_000
    assert replay(trace, validate=True) == [command for _, led_to in live.record.trace.steps() for command in led_to]
    again = hocket.Empirical.from_file(tmp_path / "run" / "inferences.npz")
    assert np.median(again.durations_s) == pytest.approx(2.5 / hz, rel=0.2), "the trunk's, not the worker's"


@pytest.mark.alone
@pytest.mark.realtime
@both
def test_waiting_is_not_hanging(executor, nothing_left):
    """Features that wait for 0.5 s under hang_s=0.2."""
    policy = hocket.TwoStage(Trunk(), lambda features: features % 3, head_s=0.01)
    clock = hocket.Realtime(hz=HZ, executor=executor(hang_s=0.2))
    result = hocket.run(Endless(), policy, hocket.TickDispatch(3, min_delay_ticks=25), clock, ticks=80)
    assert result.summary().outcomes["failed"] == 0
    assert result.summary().outcomes["executed"] >= 6
    replay(result.record.trace, validate=True)


@dataclass
class Troubled:
    """A head that hangs, dies or raises at every 25th observation."""

    kind: str

    def __call__(self, features):
        if features % 25 == 24:
            if self.kind == "raises":
                raise RuntimeError("the head's own words")
            if self.kind == "dies":
                os._exit(7)
            time.sleep(2.0)
        return features % 3


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize(
    ("kind", "executor"),
    [
        ("raises", "threads"),
        ("hangs", "threads"),
        ("raises", "processes"),
        ("hangs", "processes"),
        ("dies", "processes"),
    ],
)
def test_a_head_in_trouble_costs_one_inference(kind, executor, nothing_left):
    policy = hocket.TwoStage(Trunk(0.03), Troubled(kind), head_s=0.01)
    clock = hocket.Realtime(hz=HZ, executor=KINDS[executor](hang_s=0.3))
    result = hocket.run(Endless(), policy, hocket.TickDispatch(5), clock, ticks=80)
    assert 2 <= result.summary().outcomes["failed"] <= 3
    assert result.summary().steady_coverage >= 0.75
    words = {"raises": "the head's own words", "hangs": "hang_s=0.3", "dies": "exit code 7"}[kind]
    assert words in result.record.errors[0]
    replay(result.record.trace, validate=True)


@pytest.mark.realtime
@both
def test_slow_heads_are_missed_binds_in_realtime(executor, nothing_left):
    policy = hocket.TwoStage(Trunk(), lambda features: [time.sleep(0.012), 1][1], head_s=0.004)
    clock = hocket.Realtime(hz=HZ, executor=executor())
    metrics = hocket.run(Endless(), policy, hocket.TickDispatch(3), clock, ticks=40).metrics()
    assert metrics.missed_binds == metrics.outcomes["dropped"] >= 30
    assert metrics.coverage == 0


@pytest.mark.alone
@pytest.mark.realtime
@both
@pytest.mark.parametrize("calls", ["two calls a cycle", "one call a cycle"])
def test_an_agent_binds(executor, calls, nothing_left):
    space = Box(0, 10_000, (1,), np.int64)
    fresh, cycles, tick_s = 0, 60, 1 / HZ
    policy = hocket.TwoStage(Trunk(1.5 * tick_s), lambda features: features, head_s=0.006)
    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(4),
        hz=HZ,
        default=hocket.Fixed(0),
        observation_space=space,
        action_space=Discrete(10_000),
        executor=executor(),
    ) as agent:
        began = time.monotonic()
        if calls == "two calls a cycle":
            agent.observe(np.array([0]))
        for cycle in range(1, cycles):
            time.sleep(max(0.0, began + cycle * tick_s - time.monotonic()))
            action = agent.act() if calls == "two calls a cycle" else agent.act(np.array([agent.last.tick]))
            if agent.last.fresh:
                fresh += 1
                assert action == agent.last.tick - agent.last.delay_ticks
            if calls == "two calls a cycle":
                agent.observe(np.array([agent.last.tick]))
    assert fresh >= 40
