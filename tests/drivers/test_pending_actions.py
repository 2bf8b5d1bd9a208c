"""Pending actions in the input of policies: by hand, against the trace, and alike under both drivers."""

import os
import time
from collections import Counter
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.drivers.engine import RUNNING
from hocket.drivers.pending_actions import PendingTracker
from hocket.envs.induced_delay import InducedDelay
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.policies.base import FunctionPolicy
from hocket.spaces.codec import ActionCodec

UNKNOWN = 3  # of three actions
HZ = 50


def pending(default, rows=3, space=None):
    space = space or spaces.Discrete(3)
    return PendingTracker(rows, ActionCodec(space), default.bind(space, np.random.default_rng(0)))


def starts(book, *aims):
    """One inference each on (observation, target), numbered from 0."""
    for inference, (observation, target) in enumerate(aims):
        book.started(c.StartInference(inference, inference, observation, target))


def answer(action):
    return np.array([action])


# -- by hand -------------------------------------------------------------------------------------------------


def test_known_if_the_aimed_inference_has_finished():
    book = pending(hocket.Fixed(2))
    starts(book, (0, 3), (1, 4))
    pending_actions = book.pending_actions(2, 6, 2, {0: answer(1), 1: RUNNING})
    assert pending_actions.dtype == np.int64
    # Tick 3: inference 0's. Tick 4: not yet known. Tick 5: nothing is aimed at it, so the default.
    assert pending_actions.tolist() == [1, UNKNOWN, 2]


@pytest.mark.parametrize(
    ("default", "last", "expected"),
    [
        (hocket.Fixed(2), None, [2, 2, 2]),
        (hocket.Fixed(2), 1, [2, 2, 2]),
        (hocket.RepeatLast(), None, [0, 0, 0]),
        (hocket.RepeatLast(2), None, [2, 2, 2]),
        (hocket.RepeatLast(2), 1, [1, 1, 1]),
        (hocket.RandomDefault(), 1, [UNKNOWN] * 3),
        (hocket.Fallback(lambda observation: 0), 1, [UNKNOWN] * 3),
    ],
)
def test_ticks_without_a_target(default, last, expected):
    assert pending(default).pending_actions(0, 4, last, {}).tolist() == expected


@pytest.mark.parametrize(
    ("default", "known", "running"),
    [
        (hocket.Fixed(1), [1, 2, 1], [1, UNKNOWN, 1]),
        (hocket.RepeatLast(), [0, 2, 2], [0, UNKNOWN, UNKNOWN]),
        (hocket.RandomDefault(), [UNKNOWN, 2, UNKNOWN], [UNKNOWN] * 3),
    ],
)
def test_the_default_after_a_decision(default, known, running):
    book = pending(default)
    starts(book, (3, 7))
    assert book.pending_actions(5, 9, 0, {0: answer(2)}).tolist() == known
    assert book.pending_actions(5, 9, 0, {0: RUNNING}).tolist() == running


def test_a_queued_observation_gets_the_actions_executed_since():
    book = pending(hocket.RepeatLast())
    starts(book, (1, 7))
    for tick, action in ((4, 0), (5, 2)):
        book.executed(tick, action)
    assert book.pending_actions(3, 8, 2, {0: RUNNING}).tolist() == [0, 2, 2]
    assert book.pending_actions(4, 9, 2, {0: RUNNING}).tolist() == [2, 2, UNKNOWN]


def test_executed_actions_are_known_under_any_targets():
    book = pending(hocket.RandomDefault())
    starts(book, (1, 4))
    book.executed(4, 1)  # the inference was late
    assert book.pending_actions(3, 8, 1, {0: RUNNING}).tolist() == [1, UNKNOWN, UNKNOWN]


def test_from_the_target_on_nothing_is_known():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 3))
    assert book.pending_actions(0, 1, 1, {}).tolist() == [UNKNOWN] * 3
    assert book.pending_actions(0, 3, 1, {0: answer(2)}).tolist() == [1, 1, UNKNOWN]
    assert book.pending_actions(0, -1, 1, {0: answer(2)}).tolist() == [1, 1, 2]  # it aims at no tick


def test_failed_and_discarded_inferences_have_no_target():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 2))
    book.ended(2)
    assert book.pending_actions(0, 4, 1, {}).tolist() == [1, 1, 1]


def test_an_inference_that_aims_at_no_tick_may_come_at_any():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 2), (0, -1))
    assert book.pending_actions(0, 4, 1, {0: answer(0), 1: RUNNING}).tolist() == [UNKNOWN, 0, UNKNOWN]
    book.ended(-1)
    assert book.pending_actions(0, 4, 1, {0: answer(0)}).tolist() == [1, 0, 1]


def test_a_late_inference_may_come_at_any_tick():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 2))
    book.executed(1, 1)
    book.executed(2, 1)
    assert book.pending_actions(2, 6, 1, {0: RUNNING}).tolist() == [UNKNOWN] * 3
    book.ended(2)
    assert book.pending_actions(2, 6, 1, {}).tolist() == [1] * 3


def test_the_first_answer_of_a_hedge_counts():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 2), (0, 2))
    assert book.pending_actions(1, 5, 1, {0: RUNNING, 1: RUNNING}).tolist() == [UNKNOWN, 1, 1]
    assert book.pending_actions(1, 5, 1, {0: answer(2), 1: RUNNING}).tolist() == [2, 1, 1]
    assert book.pending_actions(1, 5, 1, {0: RUNNING, 1: answer(2)}).tolist() == [2, 1, 1]
    book.ended(2)  # the loser
    assert book.pending_actions(1, 5, 1, {0: answer(2)}).tolist() == [2, 1, 1]


def test_of_two_observations_with_the_same_target_the_newer_counts():
    book = pending(hocket.Fixed(1))
    starts(book, (0, 4), (1, 4))
    assert book.pending_actions(2, 6, 1, {0: answer(0), 1: answer(2)}).tolist() == [1, 2, 1]
    assert book.pending_actions(2, 6, 1, {0: answer(0), 1: RUNNING}).tolist() == [1, UNKNOWN, 1]
    book.ended(4)  # the newer, which has failed
    assert book.pending_actions(2, 6, 1, {0: answer(0)}).tolist() == [1, 0, 1]


def test_actions_that_do_not_count_from_0():
    book = pending(hocket.Fixed(3), space=spaces.Discrete(3, start=1))
    starts(book, (0, 2), (0, 3))
    assert book.pending_actions(0, 4, None, {0: answer(1), 1: RUNNING}).tolist() == [2, 0, UNKNOWN]


def test_unneeded_actions_are_forgotten():
    book = pending(hocket.Fixed(1))
    for tick in range(1, 1000):
        starts(book, (tick, tick + 3))
        book.executed(tick, 1)
        book.forget(tick)
        book.ended(tick + 3)
    assert len(book._executed) <= 4 and len(book._aimed) <= 4


@pytest.mark.parametrize(
    "clock",
    [
        hocket.Virtual(hz=HZ, latency=hocket.Constant(0.01)),
        pytest.param(hocket.Realtime(hz=HZ), marks=pytest.mark.realtime),
    ],
)
def test_chunks_are_refused(clock):
    policy = FunctionPolicy(lambda *inputs: 1, chunk_length=3, pending=2)
    with pytest.raises(ConfigurationError, match=r"pending=2 with chunk_length=3"):
        hocket.run(NullEnv((1,)), policy, hocket.TickDispatch(2), clock, ticks=2)


# -- against the trace ---------------------------------------------------------------------------------------


class Endless(gym.Env):
    """Observes the tick; episodes of ``length`` ticks."""

    action_space = spaces.Discrete(3)
    observation_space = spaces.Box(0, 2**31, (1,), np.int64)

    def __init__(self, length=None):
        self.length, self.tick = length, 0

    def _seen(self):
        return np.array([self.tick])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        self.tick += 1
        return self._seen(), 0.0, False, self.length is not None and self.tick % self.length == 0, {}


@dataclass
class Live:
    observation: int
    target: int
    action: int
    finished: bool = False


def check_against_the_trace(result, calls, default, *, binding):
    """``calls`` are the policy's, in order: (observation, pending_actions, answer).

    ``binding``: true if the rule executes answers at their targets. Counts the kinds of pending_actions.
    """
    steps = list(result.record.trace.steps())
    executed_by = {x.tick: x.inference for _, commands in steps for x in commands if type(x) is c.Execute}
    actions = dict(zip(result.record.ticks, result.record.actions, strict=True))
    ends = {tick for tick, over in zip(result.record.ticks, result.record.truncated, strict=True) if over}
    live: dict[int, Live] = {}
    started, kinds, now = 0, Counter(), 0
    for event, commands in steps:
        if type(event) is e.DeadlineReached:
            now = event.tick
        elif type(event) is e.InferenceFinished and event.inference in live:
            live[event.inference].finished = True
        for command in commands:
            if type(command) is c.EndInference:
                live.pop(command.inference)
            if type(command) is not c.StartInference:
                continue
            observation, pending_actions, action = calls[started]
            assert (started, observation) == (command.inference, command.observation)
            at_any_tick = any(i.target <= now for i in live.values())  # late, or aiming at none
            for row, code in enumerate(pending_actions):
                tick = observation + 1 + row
                if command.target >= 0 and tick >= command.target:
                    assert code == UNKNOWN
                    kinds["beyond"] += 1
                    continue
                if tick <= now:
                    assert code == actions[tick]
                    kinds["executed"] += 1
                    continue
                aimed = {k: i for k, i in live.items() if i.target == tick}
                newest = max((i.observation for i in aimed.values()), default=-1)
                finished = {k: i for k, i in aimed.items() if i.finished and i.observation == newest}
                if aimed and not finished:
                    assert code == UNKNOWN, "the inference aimed at it was unfinished"
                    kinds["unfinished"] += 1
                elif not aimed and (default is None or at_any_tick):
                    assert code == UNKNOWN, "it could not be known"
                    kinds["unforeseeable"] += 1
                else:
                    (known,) = {i.action for i in finished.values()} or {default}
                    assert code == known
                    kinds["decided" if aimed else "default"] += 1
                    if tick not in actions or any(observation < end <= tick for end in ends):
                        continue  # an episode's end discards what was committed
                    by = executed_by.get(tick)
                    if by in finished or (by is None and not aimed):
                        assert actions[tick] == code
                    elif by is not None:
                        kinds["overtaken"] += 1
                        assert not binding or calls[by][0] > newest
                        late = by in live and not live[by].finished and live[by].target < tick
                        assert not binding or aimed or by >= started or late, "it was foreseeable"
                    else:
                        kinds["dropped"] += 1  # something newer ran before
                        ran = [executed_by[t] for t in range(now + 1, tick) if t in executed_by]
                        assert not binding or any(calls[k][0] > newest for k in ran)
            live[started] = Live(observation, command.target, action)
            started += 1
    assert started == len(calls)
    return kinds


RULES = {
    "tick dispatch": hocket.TickDispatch(4),
    "held": hocket.TickDispatch(4, min_delay_ticks=4),
    "too few workers": hocket.TickDispatch(2, min_delay_ticks=4),
    "released": hocket.TickDispatch(4, hold=False),
    "hedged": hocket.TickDispatch(8, hedge=True),
    "least regret": hocket.TickDispatch(5, quantile="auto"),
    "sequential": hocket.Sequential(),
    "max time": hocket.MaxTime(3),
}


@pytest.mark.slow
@pytest.mark.parametrize("default", [hocket.Fixed(1), hocket.RandomDefault()], ids=["fixed", "random"])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_no_code_depends_on_an_unfinished_inference(rule, default):
    calls = []

    def policy(observation, pending_actions):
        action = int(observation[0] * 7 + pending_actions @ [1, 2, 3, 4]) % 3
        calls.append((int(observation[0]), pending_actions.tolist(), action))
        return action

    result = hocket.run(
        Endless(length=150),
        FunctionPolicy(policy, pending=4),
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.LogNormal(2.2 / HZ, 0.5)),
        ticks=1500,
        default=default,
        seed=5,
    )
    # Without holding, and under the least regret, an answer may be executed at another tick than its target.
    binding = not isinstance(rule, hocket.TickDispatch) or (rule.hold and rule.quantile != "auto")
    beta = 1 if isinstance(default, hocket.Fixed) else None
    kinds = check_against_the_trace(result, calls, beta, binding=binding)
    print(dict(kinds))
    if isinstance(rule, hocket.TickDispatch) and binding:
        assert min(kinds["unfinished"], kinds["decided"]) > 1000
        assert kinds["overtaken"] + kinds["dropped"] < 20


# -- alike everywhere ----------------------------------------------------------------------------------------


@dataclass
class Noting:
    """Appends its inputs to a file, from any process, and acts on all of them."""

    path: str
    seconds: float = 0.0

    def __call__(self, observation, pending_actions):
        line = " ".join(map(str, [int(observation.flat[0]), *pending_actions.tolist()])) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        time.sleep(self.seconds)
        return int(observation.flat[0] + pending_actions @ [1, 2, 3]) % 3

    def seen(self):
        with open(self.path) as file:
            return sorted([int(word) for word in line.split()] for line in file)


class Listening:
    def __init__(self):
        self.moments = []

    def began(self, observation):
        pass

    def ticked(self, moment):
        told, final = (tuple(seen.tolist()) for seen in (moment.pending_actions, moment.final_pending_actions))
        self.moments.append((moment.tick, moment.decided_on, moment.action, told, final))


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.parametrize("executor", [hocket.Threads(), hocket.Processes()], ids=["threads", "processes"])
@pytest.mark.parametrize("lasts", [0.0, 2.5], ids=["instant", "2.5 ticks"])
def test_both_drivers_show_a_policy_the_same(executor, lasts, tmp_path, nothing_left):
    hz, ticks, rule = 25, 30, hocket.TickDispatch(4, min_delay_ticks=4)
    latency = hocket.Constant(lasts / hz if lasts else 0.001)

    def run(clock, seconds, name):
        policy, listener = Noting(str(tmp_path / name), seconds), Listening()
        hocket.run(
            Endless(length=12),
            FunctionPolicy(policy, pending=3),
            rule,
            clock,
            ticks=ticks,
            default=hocket.Fixed(2),
            listener=listener,
        )
        return policy.seen(), listener.moments

    seen, moments = run(hocket.Virtual(hz=hz, latency=latency), 0.0, "virtual")
    for attempt in range(3):  # the machine may have stood still for longer than half a tick
        clock = hocket.Realtime(hz=hz, executor=executor)
        live_seen, live_moments = run(clock, lasts / hz, f"realtime {attempt}")
        # The newest observations may not have got to a worker when the run ended.
        if live_moments == moments and live_seen[: ticks - 1] == seen[: ticks - 1]:
            break
    assert live_moments == moments
    assert live_seen[: ticks - 1] == seen[: ticks - 1]
    middle = [pending_actions for observation, *pending_actions in seen if 5 <= observation < 12]
    if lasts:  # only the oldest of the three has finished
        assert all(first < UNKNOWN and rest == [UNKNOWN] * 2 for first, *rest in middle)
    else:
        assert all(code < UNKNOWN for pending_actions in middle for code in pending_actions)


@pytest.mark.parametrize("head_s", [0.0, 0.25 / HZ], ids=["one stage", "two stages"])
def test_moments_keep_pending_actions_that_a_policy_overwrites(head_s):
    told, moments = {}, []

    def act(observation, pending_actions):
        told[observation] = pending_actions.tolist()
        pending_actions[:] = 77
        return observation % 3

    class KeepingMoments(Listening):
        def ticked(self, moment):
            moments.append(moment)

    policy = FunctionPolicy(lambda observation, pending_actions: act(int(observation[0]), pending_actions), pending=3)
    if head_s:
        policy = hocket.TwoStage(lambda observation: int(observation[0]), act, head_s=head_s, pending=3)
    hocket.run(
        Endless(),
        policy,
        hocket.TickDispatch(4, min_delay_ticks=4),
        hocket.Virtual(hz=HZ, latency=hocket.Constant(2.5 / HZ)),
        ticks=30,
        listener=KeepingMoments(),
    )
    fresh = [moment for moment in moments if moment.decided_on >= 0]
    assert len(fresh) > 20
    assert all(moment.pending_actions.tolist() == told[moment.decided_on] for moment in fresh)


@pytest.mark.parametrize("lasts", [1.0, 2.5, 4.0])
def test_the_final_observation_has_the_codes_it_would_have_had(lasts):
    def play(length):
        seen, listener = {}, Listening()

        def policy(observation, pending_actions):
            seen[int(observation[0])] = tuple(pending_actions.tolist())
            return int(observation[0] + pending_actions @ [1, 2, 3]) % 3

        hocket.run(
            Endless(length),
            FunctionPolicy(policy, pending=3),
            hocket.TickDispatch(4, min_delay_ticks=4),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(lasts / HZ)),
            ticks=20,
            default=hocket.Fixed(2),
            listener=listener,
        )
        return seen, {tick: final for tick, *_, final in listener.moments}

    for length in (2, 5, 13):
        _, finals = play(length)
        seen, none = play(None)
        assert finals[length] == seen[length] and len(finals[length]) == 3
        assert finals[length - 1] == () and set(none.values()) == {()}


@pytest.mark.parametrize("default", [hocket.Fixed(1), hocket.RepeatLast(), hocket.RandomDefault()], ids=repr)
@pytest.mark.parametrize("inference_ticks", [1, 2, 4])
def test_induced_delay_shows_the_same(inference_ticks, default):
    delay, ticks, unknown = 4, 400, 2

    def act(observation, pending):
        return int(np.abs(observation).sum() * 1e4 + pending @ np.arange(1, pending.size + 1)) % 2

    wrapper = InducedDelay(
        gym.make("CartPole-v1"),
        delay_ticks=delay,
        default=default,
        pending_actions=True,
        inference_ticks=inference_ticks,
    )
    wrapped = []
    observation, _ = wrapper.reset(seed=3)
    while len(wrapped) < ticks:
        plain, pending = observation[:4], observation[4:].reshape(delay - 1, unknown + 1)
        wrapped.append((plain.tolist(), pending.argmax(axis=1).tolist()))
        assert (pending.sum(axis=1) == 1).all()
        observation, _, terminated, truncated, _ = wrapper.step(act(plain, pending.argmax(axis=1)))
        if terminated or truncated:
            observation, _ = wrapper.reset()

    seen = []

    def policy(observation, pending_actions):
        seen.append((observation.tolist(), pending_actions.tolist()))
        return act(observation, pending_actions)

    hocket.run(
        gym.make("CartPole-v1"),
        FunctionPolicy(policy, pending=delay - 1),
        hocket.TickDispatch(delay, min_delay_ticks=delay),
        hocket.Virtual(hz=HZ, latency=hocket.Constant(inference_ticks / HZ)),
        ticks=ticks,
        default=default,
        seed=3,
    )
    assert seen[:ticks] == wrapped
    kinds = {code for _, pending_actions in seen for code in pending_actions}
    assert kinds >= ({0, 1} if inference_ticks == 1 else {unknown})
