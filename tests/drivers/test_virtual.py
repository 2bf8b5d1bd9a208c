import dataclasses
import signal
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from slow_policies import BrokenBuild

import hocket
from hocket.core.commands import Outcome
from hocket.drivers.engine import Engine
from hocket.errors import ActionError, ConfigurationError, PolicyError
from hocket.testing import replay


def virtual(latency_s, **options):
    return hocket.Virtual(hz=1, latency=hocket.Constant(latency_s), **options)


class Shown(gym.Env):
    """Yields its own tick, and keeps the actions it got."""

    observation_space = gym.spaces.Box(0, 10_000, (1,), np.int64)
    action_space = gym.spaces.Discrete(10_000)

    def __init__(self, episode_ticks=None):
        self.episode_ticks = episode_ticks
        self.tick = self.began = 0
        self.actions = []
        self.buffer = np.zeros(1, np.int64)

    def reset(self, *, seed=None, options=None):
        self.began = self.tick
        self.buffer[0] = 1000 + self.tick if self.tick else 0
        return self.buffer, {}

    def step(self, action):
        self.tick += 1
        self.actions.append(action)
        self.buffer[0] = self.tick
        return self.buffer, np.float32(1.0), np.bool_(self.tick - self.began == self.episode_ticks), np.bool_(False), {}


def test_the_table_of_the_design():
    """Inference of up to a tick has delay 1; one of 2.4 ticks is executed in tick 3 with delay 3 (docs/concepts.md)."""
    for latency_s, executed in [(1.0, [1, 2, 3, 4]), (0.3, [1, 2, 3, 4])]:
        record = hocket.run(Shown(), lambda o: int(o[0]) + 1, hocket.Unstaggered(1), virtual(latency_s), ticks=4).record
        assert record.actions == executed
    result = hocket.run(
        Shown(), lambda o: int(o[0]) + 100, hocket.Unstaggered(1), virtual(2.4), ticks=9, default=hocket.Fixed(0)
    )
    ticks = result.metrics().ticks
    # Observation 0 → tick 3. Free at 2.4, the worker takes observation 2 → 4.8, tick 5; observation 4 → 7.2, tick 8.
    assert result.record.actions == [0, 0, 100, 0, 102, 0, 0, 104, 0]
    assert ticks.delay_ticks.tolist() == [0, 0, 3, 0, 3, 0, 0, 4, 0]


def test_two_staggered_workers_fill_every_tick_of_a_two_tick_policy():
    result = hocket.run(Shown(), lambda o: int(o[0]) + 100, hocket.TickDispatch(2), virtual(2.0), ticks=8)
    assert result.record.actions == [0, *range(100, 107)]


def test_one_seed_one_trace(null_run):
    def rows(seed, law):
        clock = hocket.Virtual(hz=60, latency=law)
        return null_run(hocket.TickDispatch(6, quantile="auto"), clock, 600, seed=seed).record.trace.rows.tobytes()

    law = hocket.PerWorker(hocket.LogNormal(0.08, 0.3), (1.0, 1.3))
    assert rows(3, law) == rows(3, law)
    assert rows(3, law) != rows(4, law)


def test_an_answer_is_not_shown_before_its_inference_ended():
    seen = []

    class Watching(hocket.Default):
        def bind(self, space, rng):
            return lambda observation, last: seen.append(int(observation[0])) or 0

    result = hocket.run(
        Shown(), lambda o: int(o[0]) + 100, hocket.Unstaggered(3), virtual(5.5), ticks=20, default=Watching()
    )
    ticks, inferences = result.metrics().ticks, result.metrics().inferences
    for tick, inference, action in zip(ticks.tick, ticks.inference, result.record.actions, strict=True):
        if inference >= 0:
            assert inferences.finished_ns[inference] <= tick * 10**9
            assert action == 100 + inferences.observation[inference]
    assert seen[:5] == [0, 1, 2, 3, 4]  # a default sees the newest observation, that of the tick before


def test_an_episode_that_ends_resets_within_its_tick():
    env = Shown(episode_ticks=4)
    given = []
    result = hocket.run(
        env, lambda o: given.append(int(o[0])) or int(o[0]), hocket.Unstaggered(2), virtual(1.5), ticks=10
    )
    record = result.record
    assert record.terminated.tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert {k: v.tolist() for k, v in record.final_observations.items()} == {4: [4], 8: [8]}
    assert 1004 in given and 4 not in given  # observation 4 is the next episode's first one
    ticks, inferences = result.metrics().ticks, result.metrics().inferences
    fresh = ticks.fresh
    observation = inferences.observation[ticks.inference[fresh]]
    for tick, seen in zip(ticks.tick[fresh], observation, strict=True):
        assert (tick - 1) // 4 == seen // 4  # no action crosses from one episode to the next
    assert result.summary().outcomes["discarded"] >= 2
    assert result.summary().episodes == 2 and result.summary().return_mean == 4.0
    replay(record.trace, validate=True)


def test_answers_of_discarded_inferences_are_not_kept(null_run, engines):
    null_run(hocket.Unstaggered(3), virtual(2.5), 300, episode_ticks=4)
    (engine,) = engines
    assert engine._answers == {} and len(engine._observations) + len(engine._spare) <= 4


def test_a_policy_may_keep_and_change_its_observation():
    kept = []

    def policy(observation):
        kept.append(observation)
        observation += 5000
        return 0

    hocket.run(Shown(), policy, hocket.Unstaggered(1), virtual(1.0), ticks=5, default=hocket.Fixed(0))
    assert [int(o[0]) for o in kept] == [5000, 5001, 5002, 5003, 5004, 5005]


@pytest.mark.parametrize(
    ("order", "delay", "interval"),
    [(hocket.Learn.AFTER_INFERENCE, 2, 4), (hocket.Learn.BEFORE_INFERENCE, 4, 4)],  # Remark 1, τ_θ = 1.5, τ_L = 2.2
)
def test_sequential_learning(null_run, order, delay, interval):
    learned = []
    clock = virtual(1.5, learning=hocket.Constant(2.2))
    result = null_run(hocket.Sequential(order), clock, 41, learn=lambda: learned.append(1))
    metrics = result.metrics(after_tick=8)
    assert set(metrics.delays) == {delay} and set(metrics.intervals) == {interval}
    assert abs(len(learned) - 40 / interval) <= 1
    replay(result.record.trace, validate=True)


def test_learning_that_fails_is_recorded_and_survived(null_run):
    def learn():
        raise RuntimeError("diverged")

    result = null_run(hocket.Sequential(hocket.Learn.AFTER_INFERENCE), virtual(0.5), 20, learn=learn)
    assert result.summary().coverage > 0.9
    assert "diverged" in result.record.learning_errors[-1] and result.record.errors == []


def test_failed_learning_is_no_failed_inference():
    """Each failed step of learning is followed by a failed inference: two failures a round, one of them counts."""

    def policy(observation):
        raise RuntimeError("no network")

    def learn():
        raise RuntimeError("diverged")

    clock = dataclasses.replace(virtual(0.5), failures=hocket.FailureLimits(outage_s=0, rounds=4))
    rule = hocket.Sequential(hocket.Learn.BEFORE_INFERENCE)
    with pytest.raises(hocket.PolicyError, match="4 inferences failed in a row") as info:
        hocket.run(Shown(), policy, rule, clock, ticks=40, learn=learn)
    errors = info.value.result.record.errors
    assert len(errors) == 4 and all("no network" in error for error in errors)
    learning = info.value.result.record.learning_errors
    assert len(learning) >= 3 and all("diverged" in error for error in learning)


def test_single_failures_are_counted_and_survived():
    def policy(observation):
        if observation[0] % 5 == 4:
            raise RuntimeError("now and then")
        return 1

    result = hocket.run(Shown(), policy, hocket.TickDispatch(2), virtual(1.0), ticks=50)
    failed = result.summary().outcomes["failed"]
    assert failed == 10
    assert result.summary().coverage == pytest.approx(0.8, abs=0.05)
    assert len(result.record.errors) == 10 and "now and then" in result.record.errors[0]
    replay(result.record.trace, validate=True)


def test_repeated_failures_end_the_run_with_the_policys_traceback():
    calls = []

    def policy(observation):
        calls.append(1)
        raise RuntimeError("the policy's own words")

    limits = hocket.FailureLimits(outage_s=2, rounds=3)
    with pytest.raises(PolicyError, match="the policy's own words") as caught:
        hocket.run(Shown(), policy, hocket.Unstaggered(1), virtual(0.5, failures=limits), ticks=50)
    assert "in policy" in str(caught.value) and len(calls) == 3


def test_an_action_outside_the_space_is_a_failure():
    with pytest.raises(PolicyError, match="ActionError"):
        hocket.run(Shown(), lambda o: -1, hocket.Unstaggered(1), virtual(0.5), ticks=50)
    with pytest.raises(ActionError):
        hocket.run(
            Shown(), lambda o: 1, hocket.Unstaggered(1), virtual(1.5), ticks=5, default=hocket.Fallback(lambda o: -1)
        )


def test_a_policy_that_cannot_be_built_is_a_policy_error():
    with pytest.raises(PolicyError, match="cannot find the weights"):
        hocket.run(Shown(), BrokenBuild(), hocket.Unstaggered(1), virtual(0.5), ticks=5)


def test_an_interrupt_leaves_a_partial_result():
    class Impatient(Shown):
        def step(self, action):
            if self.tick == 7:
                raise KeyboardInterrupt
            return super().step(action)

    with pytest.raises(hocket.RunInterrupted) as caught:
        hocket.run(Impatient(), lambda o: 1, hocket.TickDispatch(2), virtual(1.5), ticks=50)
    result = caught.value.result
    assert result.summary().interrupted and result.record.ticks.tolist() == list(range(1, 8))
    assert -1 not in result.metrics().inferences.outcome
    replay(result.record.trace, validate=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_between_ticks(number):
    class Pressed(Shown):
        def step(self, action):
            if self.tick == 7:
                signal.raise_signal(number)
                signal.raise_signal(number)  # a second signal loses nothing
            return super().step(action)

    with pytest.raises(hocket.RunInterrupted) as caught:
        hocket.run(Pressed(), lambda o: 1, hocket.TickDispatch(2), virtual(1.5), ticks=50)
    assert caught.value.result.record.ticks.tolist() == list(range(1, 9))  # the eighth tick is complete
    assert caught.value.signal is number and number.name in str(caught.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def interrupted_at(line):
    """Interrupt a run at the given line of its scheduler's code, as a third signal may.

    Returns:
        The error, or the number of lines if there are fewer.
    """
    seen, counting = 0, False

    def tracer(frame, kind, argument):
        nonlocal seen, counting
        if frame.f_code in (Engine.deadline.__code__, Engine.end.__code__):
            counting = frame.f_code is Engine.deadline.__code__
        if Path(frame.f_code.co_filename).parent.name not in ("core", "rules") and frame.f_code is not FEED:
            return None
        if kind == "line" and counting:
            seen += 1
            if seen == line:
                raise KeyboardInterrupt
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        hocket.run(Shown(), lambda o: 1, hocket.MaxTime(3), virtual(2.5), ticks=8)
    except hocket.RunInterrupted as error:
        return error
    finally:
        sys.settrace(before)
    return seen


FEED = Engine.feed.__code__


@pytest.mark.slow
def test_an_interrupt_in_the_middle_of_an_event_leaves_a_whole_record():
    lines = interrupted_at(-1)
    assert lines > 500
    for line in range(1, lines, 17):
        result = interrupted_at(line).result
        assert -1 not in result.metrics().inferences.outcome
        replay(result.record.trace, validate=True)


def test_nothing_of_a_run_ends_twice_or_never(null_run):
    clock = hocket.Virtual(hz=50, latency=hocket.HeavyTail(0.05, 0.2, 4))
    result = null_run(hocket.TickDispatch(4, quantile="auto"), clock, 500, episode_ticks=70)
    outcome = result.metrics().inferences.outcome
    assert set(outcome.tolist()) <= set(map(int, Outcome))
    replay(result.record.trace, validate=True)


@pytest.mark.parametrize(
    "options",
    [
        {"hz": 0},
        {"hz": -60},
        {"hz": float("nan")},
        {"hz": "fast"},
        {"latency": 0.2},
        {"learning": None},
        {"failures": 5},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigurationError):
        hocket.Virtual(**{"hz": 60, "latency": hocket.Constant(0.1), **options})


@pytest.mark.parametrize("ticks", [0, -1, 1.5, True])
def test_bad_ticks_are_refused(null_run, ticks):
    with pytest.raises(ConfigurationError):
        null_run(hocket.Unstaggered(1), virtual(0.1), ticks)


def test_background_work_gets_the_time():
    """Before each policy call and each tick, in order of time; with begin and end of a sequential agent's learning."""
    told, called = [], []

    class Beside:
        def advance(self, now_ns):
            told.append(now_ns / 1e9)

        def learn(self, now_ns, ended_ns):
            told.append((now_ns / 1e9, ended_ns / 1e9))

    def policy(observation):
        called.append(told[-1])
        return 0

    clock = virtual(1.5, learning=hocket.Constant(0.7))
    rule = hocket.Sequential(hocket.Learn.AFTER_INFERENCE)
    hocket.run(Shown(), policy, rule, clock, ticks=5, background=Beside())
    # Observation 0 from 0 to 1.5, executed in tick 2; learning till 2.2, observation 3 till 4.5, executed in tick 5.
    assert told == [0, 1, (1.5, 2.2), 2, 3, 3, 4, (4.5, 5.2), 5]
    assert called == [0, 3]
