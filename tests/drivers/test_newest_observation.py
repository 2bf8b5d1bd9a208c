"""Heads that see the newest observation: by hand, against the trace, alone at the start of episodes, and alike under
both drivers and `InducedDelay`."""

import os
import time
from dataclasses import dataclass, replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from test_pending_actions import Endless

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.envs.induced_delay import InducedDelay
from hocket.errors import ConfigurationError, PolicyError

HZ = 50
UNKNOWN = 3
NONE = -1


def virtual(ticks, hz=HZ):
    return hocket.Virtual(hz=hz, latency=hocket.Constant(ticks / hz))


class Told:
    """A two-stage policy of three actions that keeps what its heads were told: the tick of the features' observation or
    None, the pending actions, the newest observation's tick, and the delay."""

    def __init__(self, pending=2, **options):
        self.heads = []
        self.policy = hocket.TwoStage(
            lambda observation: int(observation.flat[0]), self.head, pending=pending, newest=True, delay_told=True,
            **options,
        )  # fmt: skip

    def head(self, features, *told):
        *pending, newest, delay = told
        codes = pending[0].tolist() if pending else []
        self.heads.append((features, codes, int(newest.flat[0]), delay.tolist()))
        return (int(newest.flat[0]) + sum(codes)) % 3


class Kept:
    def __init__(self):
        self.moments = []

    def began(self, observation):
        pass

    def ticked(self, moment):
        self.moments.append(moment)


def play(rule, clock, *, ticks, told=None, length=None, truncates=True, **options):
    told, kept = told or Told(), Kept()
    env = Ending(length, truncates=truncates) if length else Endless()
    result = hocket.run(env, told.policy, rule, clock, ticks=ticks, listener=kept, **options)
    return result, told.heads, kept.moments


class Ending(Endless):
    """Ends after ``length`` ticks; observes the tick of the run, as `Endless` does."""

    def __init__(self, length, *, truncates):
        super().__init__(length)
        self.truncates = truncates

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        ended = terminated or truncated
        return observation, reward, ended and not self.truncates, ended and self.truncates, info


# -- by hand -------------------------------------------------------------------------------------------------


def test_a_constant_delay_by_hand():
    """A trunk of 2.6 ticks and D = 3: alone in ticks 1 and 2, then on observation k − 3 with k − 1 the newest."""
    result, heads, moments = play(hocket.TickDispatch(3), virtual(2.6), ticks=6)
    # Actions: (0 + 6) % 3 = 0, (1 + 6) % 3 = 1, (2 + 0 + 1) % 3 = 0, (3 + 1 + 0) % 3 = 1, (4 + 0 + 1) % 3 = 2, ...
    assert result.record.actions == [0, 1, 0, 1, 2, 2]
    assert heads == [
        (None, [UNKNOWN, UNKNOWN], 0, [0]),
        (None, [UNKNOWN, UNKNOWN], 1, [0]),
        (0, [0, 1], 2, [3]),
        (1, [1, 0], 3, [3]),
        (2, [0, 1], 4, [3]),
        (3, [1, 2], 5, [3]),
    ]
    assert [(m.decided_on, m.newest, m.pending_actions.tolist()) for m in moments] == [
        (NONE, 0, [UNKNOWN, UNKNOWN]),
        (NONE, 1, [UNKNOWN, UNKNOWN]),
        (0, 2, [0, 1]),
        (1, 3, [1, 0]),
        (2, 4, [0, 1]),
        (3, 5, [1, 2]),
    ]
    assert [m.inference for m in moments] == [NONE, NONE, 0, 1, 2, 3]
    assert result.summary().coverage == pytest.approx(4 / 6)  # a head alone is no inference's action


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_the_end_of_an_episode_leads_to_what_the_next_head_would_have_been_told(length):
    """The head that a longer run calls one tick later gets the same."""
    rule = hocket.TickDispatch(3, min_delay_ticks=3)  # which knows at what tick its first inferences aim
    _, endless, _ = play(rule, virtual(2.6), ticks=12)
    _, _, moments = play(rule, virtual(2.6), ticks=length, length=length)
    features, codes, newest, _ = endless[length]
    last = moments[-1]
    assert last.truncated
    assert (last.final_decided_on, last.final_newest) == (NONE if features is None else features, newest)
    assert last.final_pending_actions.tolist() == codes
    assert all(m.final_decided_on is None and m.final_newest == NONE for m in moments[:-1])


def test_each_episode_begins_alone():
    # Episodes of 5 ticks: alone in ticks 1 and 2, 6 and 7, 11 and 12; observation 5 is the first of the second.
    _, heads, moments = play(hocket.TickDispatch(3), virtual(2.6), ticks=13, length=5)
    alone = [m.tick for m in moments if m.decided_on == NONE]
    assert alone == [1, 2, 6, 7, 11, 12]
    assert [m.newest for m in moments] == list(range(13))
    assert [delay for *_, [delay] in heads] == [0, 0, 3, 3, 3, 0, 0, 3, 3, 3, 0, 0, 3]
    assert [features for features, *_ in heads if features is not None] == [0, 1, 2, 5, 6, 7, 10]


def test_the_default_acts_between_the_actions_of_too_few_workers():
    """The head is alone only before the first inference of an episode has acted."""
    _, heads, moments = play(hocket.TickDispatch(1), virtual(2.6), ticks=12, default=hocket.Fixed(2))
    kinds = ["head" if m.decided_on >= 0 else "alone" if m.newest >= 0 else "default" for m in moments]
    assert kinds[:3] == ["alone", "alone", "head"]
    assert set(kinds[3:]) == {"head", "default"}
    assert all(m.action == 2 for m, kind in zip(moments, kinds, strict=True) if kind == "default")
    assert len(heads) == len(kinds) - kinds.count("default")


def test_what_cannot_be_known_at_the_end_is_not_made_up():
    """One worker in the classical loop: nothing is aimed at the tick after the episode's last one."""
    _, _, moments = play(hocket.Sequential(), virtual(2.6), ticks=4, length=4)
    assert (moments[-1].final_decided_on, moments[-1].final_newest) == (NONE, NONE)
    # Its features are there just before tick 6, the next one that it acts in.
    _, _, moments = play(hocket.Sequential(), virtual(1.6), ticks=5, length=5)
    assert [m.decided_on for m in moments] == [NONE, 0, NONE, 2, NONE]
    assert (moments[-1].final_decided_on, moments[-1].final_newest) == (NONE, NONE)


def test_without_pending_actions():
    _, heads, moments = play(hocket.TickDispatch(3), virtual(2.6), ticks=5, told=Told(pending=0))
    assert heads == [(None, [], 0, [0]), (None, [], 1, [0]), (0, [], 2, [3]), (1, [], 3, [3]), (2, [], 4, [3])]
    assert all(m.pending_actions.tolist() == [] for m in moments)


@pytest.mark.parametrize("head_s", [0.001, 0.03], ids=["short", "longer than a tick"])
@pytest.mark.parametrize("rule", [hocket.TickDispatch(5), hocket.TickDispatch(4, hold=False), hocket.Unstaggered(3)])
def test_varying_delays_against_the_trace(rule, head_s):
    """A head is told the newest observation that there is when it is called, and the delay of the next tick's."""
    told = Told(pending=4, head_s=head_s)
    clock = hocket.Virtual(hz=HZ, latency=hocket.LogNormal(2.2 / HZ, 0.5), head=hocket.Constant(head_s / 2))
    result, heads, moments = play(rule, clock, ticks=600, told=told, length=90, seed=5)
    observations, now, calls, bound = {}, 0, iter(heads), {}
    began, acted = 0, False
    for event, commands in result.record.trace.steps():
        if isinstance(event, e.Ticked):
            now = event.tick
            if event.episode_ended:
                began, acted = now, False
        for command in commands:
            if isinstance(command, c.StartInference):
                observations[command.inference] = command.observation
            elif isinstance(command, c.BindHead):
                features, _, newest, [delay] = next(calls)
                bound[command.inference] = newest
                assert features == observations[command.inference]
                assert (newest, delay) == (now, now + 1 - features)
            elif isinstance(command, c.Execute):
                acted = True
                assert moments[command.tick - 1].newest == bound[command.inference] < command.tick
            elif isinstance(command, c.ExecuteDefault):
                moment = moments[command.tick - 1]
                assert (moment.newest >= 0) == (not acted)
                if not acted:
                    assert next(calls) == (None, [UNKNOWN] * 4, now, [0]) and now == command.tick - 1 >= began
    assert next(calls, None) is None
    assert len({delay for *_, [delay] in heads}) > 3


# -- alike everywhere ----------------------------------------------------------------------------------------


@dataclass
class Trunk:
    seconds: float = 0.0

    def __call__(self, observation):
        time.sleep(self.seconds)
        return int(observation.flat[0])


@dataclass
class Head:
    """Appends its inputs to a file, from any process, and acts on all of them."""

    path: str

    def __call__(self, features, pending_actions, newest, delay):
        known = -1 if features is None else features
        words = [known, int(newest.flat[0]), int(delay[0]), *pending_actions.tolist()]
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (" ".join(map(str, words)) + "\n").encode())
        os.close(file)
        return int(known + 2 * newest.flat[0] + pending_actions @ [1, 2, 3]) % 3

    def seen(self):
        with open(self.path) as file:
            lines = [[int(word) for word in line.split()] for line in file]
        return sorted(lines, key=lambda words: words[1])


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads, hocket.Processes])
def test_heads_are_told_the_same_under_both_drivers(executor, tmp_path, nothing_left):
    """A trunk of 2.5 ticks, D = 4, and as many workers: alone for three ticks of each episode."""
    hz, ticks, rule = 25, 34, hocket.TickDispatch(4, min_delay_ticks=4)

    def run(clock, seconds, name):
        head, kept = Head(str(tmp_path / name)), Kept()
        options = {"pending": 3, "head_s": 0.012, "newest": True, "delay_told": True}
        policy = hocket.TwoStage(Trunk(seconds), head, **options)
        hocket.run(Endless(length=12), policy, rule, clock, ticks=ticks, listener=kept)
        moments = [
            (
                m.tick, m.decided_on, m.newest, m.action, tuple(m.pending_actions), m.terminated, m.truncated,
                m.final_decided_on, m.final_newest, tuple(m.final_pending_actions),
            )
            for m in kept.moments
        ]  # fmt: skip
        return head.seen(), moments

    seen, moments = run(virtual(2.5, hz=hz), 0.0, "virtual")
    for attempt in range(3):  # the machine may have stood still for longer than a head is given
        clock = hocket.Realtime(hz=hz, executor=executor())
        live_seen, live_moments = run(clock, 2.5 / hz, f"realtime {attempt}")
        if (live_seen, live_moments) == (seen, moments):
            break
    assert live_moments == moments
    assert live_seen == seen
    # Every tick has a head: the newest observation is the one before it.
    assert [newest for _, newest, *_ in seen] == list(range(ticks))
    assert [observation < 0 for observation, *_ in seen] == [k % 12 < 3 for k in range(ticks)]


@pytest.mark.parametrize("pending_actions", [False, True])
def test_induced_delay_shows_the_same(pending_actions):
    delay, ticks, unknown = 4, 400, 2
    rows = delay - 1 if pending_actions else 0

    def act(late, codes, newest):
        return int(abs(late).sum() * 1e4 + abs(newest).sum() * 1e3 + sum(codes)) % 2

    wrapper = InducedDelay(
        gym.make("CartPole-v1"), delay_ticks=delay, pending_actions=pending_actions, newest=True,
        default=hocket.RandomDefault(),
    )  # fmt: skip
    wrapped, observation = [], wrapper.reset(seed=3)[0]
    while len(wrapped) < ticks:
        late, newest, ready = observation[:4], observation[-4:], bool(observation[-5])
        codes = observation[4:-5].reshape(rows, unknown + 1).argmax(axis=1).tolist() if rows else []
        late = late if ready else np.zeros(4)
        wrapped.append((late.tolist(), codes, newest.tolist(), delay if ready else 0))
        observation, _, terminated, truncated, _ = wrapper.step(act(late, codes, newest))
        if terminated or truncated:
            observation, _ = wrapper.reset()

    seen = []

    def head(features, *told):
        *pending, newest, told_delay = told
        late = np.zeros(4) if features is None else features
        codes = pending[0].tolist() if pending else []
        seen.append((late.tolist(), codes, newest.tolist(), int(told_delay[0])))
        return act(late, codes, newest)

    hocket.run(
        gym.make("CartPole-v1"),
        hocket.TwoStage(lambda observation: observation.copy(), head, pending=rows, newest=True, delay_told=True),
        hocket.TickDispatch(delay, min_delay_ticks=delay),
        virtual(delay - 0.5),
        ticks=ticks,
        default=hocket.RandomDefault(),
        seed=3,
    )
    assert seen[:ticks] == wrapped
    assert {told_delay for *_, told_delay in seen} == {0, delay}


# -- failures, and a loop that the user owns -----------------------------------------------------------------


def head_that_fails_alone(features, *told):
    return features + 1


def test_where_a_head_fails_alone_the_default_acts():
    """Inferences take 2.6 ticks: that on observation 0 acts at tick 3, before which the head would act alone."""
    policy = hocket.TwoStage(lambda o: 1, head_that_fails_alone, newest=True, delay_told=True)
    result = hocket.run(Endless(), policy, hocket.TickDispatch(3), virtual(2.6), ticks=9, default=hocket.Fixed(1))
    metrics = result.metrics()
    assert metrics.ticks.tick[~metrics.ticks.fresh].tolist() == [1, 2]
    assert result.record.actions == [1, 1, *[2] * 7]
    assert len(result.record.errors) == 2 and "TypeError" in result.record.errors[0]


def test_heads_that_fail_alone_end_the_run_beyond_the_limits():
    policy = hocket.TwoStage(lambda o: 1, head_that_fails_alone, newest=True, delay_told=True)
    limits = hocket.FailureLimits(outage_s=0, rounds=2)
    clock, errors = replace(virtual(2.6), failures=limits), []
    with pytest.raises(PolicyError, match=r"2 heads without features failed in a row[^$]*TypeError") as caught:
        hocket.run(Endless(), policy, hocket.TickDispatch(3), clock, ticks=9)
    assert len(caught.value.result.record.ticks) == 2
    hocket.run(Endless(), policy, hocket.TickDispatch(3), replace(clock, on_failure=errors.append), ticks=9)
    assert len(errors) == 1


def test_a_head_that_is_told_the_delay_must_see_the_newest_observation():
    with pytest.raises(ConfigurationError, match=r"delay_told=True lets a head act without features.*newest=True"):
        hocket.TwoStage(lambda o: o, lambda features, delay: 0, delay_told=True)


@pytest.mark.realtime
def test_an_agent_whose_head_fails_alone_acts_by_default(nothing_left):
    errors = []
    with hocket.StaggeredAgent(
        hocket.TwoStage(Trunk(0.05), head_that_fails_alone, newest=True, delay_told=True, head_s=0.01),
        rule=hocket.TickDispatch(4),
        hz=HZ,
        default=hocket.Fixed(2),
        observation_space=Box(0, 1000, (1,), np.float32),
        action_space=Discrete(3),
        executor="threads",
        failures=hocket.FailureLimits(outage_s=0, rounds=1),
        on_failure=errors.append,
    ) as agent:
        assert agent.act([0.0]) == 2
        time.sleep(1 / HZ)
        assert agent.act([1.0]) == 2
    assert "1 heads without features failed" in str(errors[0])


@pytest.mark.realtime
def test_an_agent_acts_by_its_head_alone_at_first(nothing_left):
    def head(features, newest, delay):
        return 1 if features is None else 2

    with hocket.StaggeredAgent(
        hocket.TwoStage(Trunk(0.05), head, newest=True, delay_told=True, head_s=0.01),
        rule=hocket.TickDispatch(4),
        hz=HZ,
        default=hocket.Fixed(0),
        observation_space=Box(0, 1000, (1,), np.float32),
        action_space=Discrete(3),
        executor="threads",
    ) as agent:
        actions, newest = [], []
        for tick in range(20):
            actions.append(agent.act([float(tick)]))
            newest.append(agent.last.newest)
            time.sleep(1 / HZ)
    assert actions[0] == 1 and newest[0] == 0
    assert 2 in actions
    first = actions.index(2)
    assert actions[:first] == [1] * first and 2 <= first <= 8
    assert 1 not in actions[first:]
