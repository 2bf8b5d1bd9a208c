"""Pending actions in the input of policies: by hand, against the trace, and alike under both drivers."""

import os
import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from settled_ticks import check_pending_actions

import hocket
from hocket.core.claims import ANY_TICK, ENDLESS, Claim
from hocket.drivers.engine import RUNNING
from hocket.drivers.pending_actions import PendingTracker
from hocket.envs.induced_delay import InducedDelay
from hocket.policies.base import FunctionPolicy
from hocket.spaces.codec import ActionCodec

UNKNOWN = 3  # of three actions
HZ = 50


def pending(default, rows=3, space=None):
    space = space or spaces.Discrete(3)
    return PendingTracker(rows, ActionCodec(space), default.bind(space, np.random.default_rng(0)))


def answer(action):
    return np.array([action])


def told(book, observation, target, last, answers, *aims):
    """The pending actions of an inference, beside one on each of ``aims``, (observation, target), numbered from 0.

    Those that are not in ``answers`` have ended.
    """
    claims = []
    for inference, (of, aim) in enumerate(aims):
        if inference in answers:
            first, last_tick = (aim, aim) if aim >= 0 else (ANY_TICK, ENDLESS)
            answered = len(answers[inference]) > 0
            claims.append(Claim(inference, of, answered, first, first, last_tick, aim, int(answered)))
    return book.pending_actions(observation, target, last, answers, claims).tolist()


# -- by hand -------------------------------------------------------------------------------------------------


def test_known_if_the_aimed_inference_has_finished():
    book = pending(hocket.Fixed(2))
    assert book.pending_actions(2, 6, 2, {}, []).dtype == np.int64
    # Tick 3: inference 0's. Tick 4: not yet known. Tick 5: nothing is aimed at it, so the default.
    assert told(book, 2, 6, 2, {0: answer(1), 1: RUNNING}, (0, 3), (1, 4)) == [1, UNKNOWN, 2]


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
    assert told(pending(default), 0, 4, last, {}) == expected


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
    assert told(book, 5, 9, 0, {0: answer(2)}, (3, 7)) == known
    assert told(book, 5, 9, 0, {0: RUNNING}, (3, 7)) == running


def test_a_queued_observation_gets_the_actions_executed_since():
    book = pending(hocket.RepeatLast())
    for tick, action in ((4, 0), (5, 2)):
        book.executed(tick, action)
    assert told(book, 3, 8, 2, {0: RUNNING}, (1, 7)) == [0, 2, 2]
    assert told(book, 4, 9, 2, {0: RUNNING}, (1, 7)) == [2, 2, UNKNOWN]


def test_a_missed_tick_executed_nothing():
    book = pending(hocket.Fixed(1))
    book.executed(4, 0)
    book.executed(6, 2)
    assert told(book, 3, 9, 2, {}) == [0, UNKNOWN, 2]


def test_from_the_target_on_nothing_is_known():
    book = pending(hocket.Fixed(1))
    assert told(book, 0, 1, 1, {}, (0, 3)) == [UNKNOWN] * 3
    assert told(book, 0, 3, 1, {0: answer(2)}, (0, 3)) == [1, 1, UNKNOWN]
    assert told(book, 0, -1, 1, {0: answer(2)}, (0, 3)) == [1, 1, 2]  # it aims at no tick


def test_failed_and_discarded_inferences_have_no_target():
    assert told(pending(hocket.Fixed(1)), 0, 4, 1, {}, (0, 2)) == [1, 1, 1]


def test_an_inference_that_aims_at_no_tick_may_come_at_any():
    book = pending(hocket.Fixed(1))
    # Once observation 0 has acted, another answer to it carries no news.
    assert told(book, 0, 4, 1, {0: answer(0), 1: RUNNING}, (0, 2), (0, -1)) == [UNKNOWN, 0, 1]
    assert told(book, 0, 4, 1, {0: answer(0)}, (0, 2), (0, -1)) == [1, 0, 1]
    # It is newer than the one that has finished, so it may make that void.
    assert told(book, 1, 4, 1, {0: answer(0), 1: RUNNING}, (0, 2), (1, -1)) == [UNKNOWN] * 3


def test_the_first_answer_of_a_hedge_counts():
    book, aims = pending(hocket.Fixed(1)), ((0, 2), (0, 2))
    assert told(book, 1, 5, 1, {0: RUNNING, 1: RUNNING}, *aims) == [UNKNOWN, 1, 1]
    assert told(book, 1, 5, 1, {0: answer(2), 1: RUNNING}, *aims) == [2, 1, 1]
    assert told(book, 1, 5, 1, {0: RUNNING, 1: answer(2)}, *aims) == [2, 1, 1]
    assert told(book, 1, 5, 1, {0: answer(2)}, *aims) == [2, 1, 1]  # the loser has ended


def test_of_two_observations_with_the_same_target_the_newer_counts():
    book, aims = pending(hocket.Fixed(1)), ((0, 4), (1, 4))
    assert told(book, 2, 6, 1, {0: answer(0), 1: answer(2)}, *aims) == [1, 2, 1]
    assert told(book, 2, 6, 1, {0: answer(0), 1: RUNNING}, *aims) == [1, UNKNOWN, 1]
    assert told(book, 2, 6, 1, {0: answer(0)}, *aims) == [1, 0, 1]  # the newer has failed


def test_a_newer_answer_that_acts_first_makes_an_older_one_void():
    book = pending(hocket.Fixed(1))
    assert told(book, 1, 5, 1, {0: answer(0), 1: answer(2)}, (0, 3), (1, 2)) == [2, 1, 1]


def test_actions_that_do_not_count_from_0():
    book = pending(hocket.Fixed(3), space=spaces.Discrete(3, start=1))
    assert told(book, 0, 4, None, {0: answer(1), 1: RUNNING}, (0, 2), (1, 3)) == [2, 0, UNKNOWN]


def test_unneeded_actions_are_forgotten():
    book = pending(hocket.Fixed(1))
    for tick in range(1, 1000):
        book.executed(tick, 1)
        book.forget(tick)
    assert len(book._executed) <= 4


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
        ticks=500,
        default=default,
        seed=5,
    )
    rows = [(seen, [None if code == UNKNOWN else code for code in codes], [action]) for seen, codes, action in calls]
    beta = 1 if isinstance(default, hocket.Fixed) else None
    chooses = rule == RULES["least regret"]
    exact = not chooses and rule != RULES["max time"]
    kinds = check_pending_actions(result, rows, lambda last: beta, exact=exact, chooses=chooses)
    if isinstance(rule, hocket.TickDispatch) and rule.hold and exact:
        assert min(kinds["unfinished"], kinds["answer"]) > 200
        assert kinds["overtaken"] < 20


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
