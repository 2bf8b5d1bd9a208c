import gc
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np
import pytest
from slow_policies import Niceness, Sleeping

import hocket
from hocket.errors import ConfigurationError
from hocket.testing import replay

HZ = 50
TICK_S = 1 / HZ
threads = hocket.Threads()
realtime = pytest.mark.realtime


class Laden(gym.Env):
    """An environment whose step sometimes takes long. Records the times of its steps."""

    observation_space = gym.spaces.Box(0, 10_000, (1,), np.int64)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, ticks_of_work):
        self.ticks_of_work = ticks_of_work
        self.steps = 0
        self.stepped_ns = []
        self.actions = []

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.int64), {}

    def step(self, action):
        self.stepped_ns.append(time.monotonic_ns())
        self.actions.append(action)
        self.steps += 1
        time.sleep(self.ticks_of_work(self.steps) * TICK_S)
        return np.full(1, self.steps), 1.0, False, False, {}


def play(env, rule, clock, ticks, policy=None, **options):
    began = time.monotonic()
    result = hocket.run(env, policy or Sleeping(0.01), rule, clock, ticks=ticks, **options)
    return result, time.monotonic() - began


def seldom(step):
    return 3.2 if step in (10, 25) else 0


@pytest.mark.alone
@realtime
def test_catch_up_runs_every_tick(nothing_left):
    passed = []
    clock = hocket.Realtime(hz=HZ, executor=threads, on_overrun=passed.append)
    result, _ = play(Laden(seldom), hocket.TickDispatch(2), clock, 40)
    assert result.record.ticks.tolist() == list(range(1, 41))
    assert result.summary().missed == 0
    assert passed[0] == 3 and passed[:3] == sorted(passed[:3], reverse=True)
    assert result.record.wall_s >= 40 * TICK_S
    replay(result.record.trace, validate=True)


@pytest.mark.alone
@realtime
def test_skip_counts_what_it_missed(nothing_left):
    passed = []
    clock = hocket.Realtime(hz=HZ, executor=threads, overrun=hocket.Overrun.SKIP, on_overrun=passed.append)
    env = Laden(seldom)
    result, _ = play(env, hocket.TickDispatch(2), clock, 40, default=hocket.Fixed(2))
    ticks = result.record.ticks.tolist()
    # A busy machine may miss more than the two long steps do.
    assert sum(p >= 3 for p in passed) >= 2 and sum(p - 1 for p in passed) == result.summary().missed >= 4
    after = ticks.index(10) + 1  # the tick after the long one: 13
    assert ticks[after] >= 13
    assert env.actions[after : after + 5].count(1) >= 2
    assert result.record.wall_s == pytest.approx(40 * TICK_S, rel=0.25)
    replay(result.record.trace, validate=True)


@pytest.mark.alone
@realtime
@pytest.mark.parametrize("overrun", hocket.Overrun)
def test_an_environment_that_is_always_too_slow(overrun, nothing_left):
    clock = hocket.Realtime(hz=HZ, executor=threads, overrun=overrun)
    skips = overrun is hocket.Overrun.SKIP
    fault = "ticks were missed" if skips else "s behind"
    with pytest.warns(RuntimeWarning, match=rf"does not hold 50 Hz: .* {fault}; try a lower hz"):
        result, _ = play(Laden(lambda step: 2.5 if skips else 1.5), hocket.TickDispatch(2), clock, 60 if skips else 40)
    assert len(result.metrics().inferences.worker) >= 15
    if skips:
        assert result.record.wall_s == pytest.approx(60 * TICK_S, rel=0.25)
        assert result.summary().missed >= 8
    else:
        assert result.record.wall_s >= 40 * 1.5 * TICK_S
        assert result.summary().coverage >= 0.5
    replay(result.record.trace, validate=True)


@pytest.mark.alone
@realtime
def test_skip_acts_if_steps_are_slightly_longer_than_a_tick(nothing_left):
    clock = hocket.Realtime(hz=HZ, executor=threads, overrun=hocket.Overrun.SKIP)
    result, _ = play(Laden(lambda step: 1.025), hocket.TickDispatch(4), clock, 96, Sleeping(0.03))
    assert result.summary().coverage >= 0.7  # of all ticks, missed ones included; 0 if every overrun gave the default
    replay(result.record.trace, validate=True)


@realtime
def test_a_rate_that_no_loop_holds_is_warned_of(nothing_left):
    clock = hocket.Realtime(hz=1_000_000, executor=threads)
    with pytest.warns(RuntimeWarning, match=r"does not hold 1e\+06 Hz: .*; try a lower hz"):
        play(Laden(lambda step: 0), hocket.TickDispatch(1), clock, 300)


@realtime
@pytest.mark.parametrize("executor", [threads, hocket.Processes()], ids=["threads", "processes"])
@pytest.mark.parametrize(
    "rule",
    [
        hocket.MaxTime(3),  # with its timers
        hocket.TickDispatch(5, hedge=True),
        hocket.TickDispatch(3, quantile="auto"),
        hocket.TickDispatch("auto", max_workers=4),
    ],
    ids=["timers", "hedges", "least regret", "auto workers"],
)
def test_traces_replay(rule, executor, null_run, nothing_left, tmp_path):
    result = null_run(rule, hocket.Realtime(hz=HZ, executor=executor), 50, Sleeping(0.035), episode_ticks=35)
    replay(result.record.trace, validate=True)
    result.save(tmp_path)
    from hocket.core.trace import Trace

    assert replay(Trace.load(tmp_path / "trace.bin")) == replay(result.record.trace)


@pytest.mark.alone
@realtime
def test_learning_continues_beside_the_loop(null_run, nothing_left):
    learned = []

    def learn():
        learned.append(1)
        time.sleep(2.2 * TICK_S)
        if len(learned) == 2:
            raise RuntimeError("diverged")

    clock = hocket.Realtime(hz=HZ, executor=threads)
    result = null_run(hocket.Sequential(hocket.Learn.AFTER_INFERENCE), clock, 61, Sleeping(1.5 * TICK_S), learn=learn)
    assert result.metrics(8).intervals.mean() == pytest.approx(4, abs=0.6)
    assert 11 <= len(learned) <= 17
    assert "diverged" in result.record.learning_errors[0] and result.record.errors == []
    replay(result.record.trace, validate=True)


@realtime
def test_lateness_is_that_of_the_call_of_step(nothing_left):
    env = Laden(lambda step: 0)
    result, _ = play(env, hocket.TickDispatch(2), hocket.Realtime(hz=HZ, executor=threads), 40)
    cadence = result.record.trace.cadence
    late = [ns - cadence.deadline_ns(k) for k, ns in enumerate(env.stepped_ns, 1)]
    assert min(late) >= 0
    difference = np.array(late) - np.array(result.record.lateness_ns)
    assert np.median(difference) < 1_000_000 and difference.min() >= 0


@realtime
def test_the_garbage_collector_is_as_before(null_run, nothing_left):
    assert gc.isenabled() and gc.get_freeze_count() == 0
    null_run(hocket.Unstaggered(1), hocket.Realtime(hz=HZ, executor=threads), 5)
    assert gc.isenabled() and gc.get_freeze_count() == 0


@realtime
@pytest.mark.parametrize("executor", [hocket.Threads(nice=7), hocket.Processes(nice=7)])
def test_workers_have_a_lower_priority(executor, nothing_left):
    class Wide(Laden):
        action_space = gym.spaces.Discrete(20)

    env = Wide(lambda step: 0)
    play(env, hocket.Unstaggered(1), hocket.Realtime(hz=HZ, executor=executor), 10, Niceness(), default=hocket.Fixed(0))
    assert set(env.actions) - {0} == {Niceness()(None) + 7}


@realtime
def test_memory_does_not_grow(null_run, nothing_left, engines):
    clock = hocket.Realtime(hz=1000, executor=threads)
    null_run(hocket.TickDispatch(4), clock, 1500, Sleeping(0.003), episode_ticks=10)
    (engine,) = engines
    assert engine._answers == {}
    assert len(engine._observations) + len(engine._spare) <= 10


@realtime
def test_torch_is_not_needed():
    code = """
import sys, hocket
from hocket.envs.null import NullEnv
sys.modules["torch"] = None
for executor in ("threads", "processes"):
    clock = hocket.Realtime(hz=50, executor=executor)
    hocket.run(NullEnv(), lambda observation: 1, hocket.TickDispatch(2), clock, ticks=10)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "options",
    [
        {"hz": 0},
        {"hz": -1},
        {"executor": "fibres"},
        {"spin_s": -1},
        {"spin_s": float("nan")},
        {"failures": 5},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigurationError):
        hocket.Realtime(**{"hz": 60, **options})


@realtime
def test_instruments_get_the_start_of_workers_before_the_first_is_built(null_run):
    order = []

    class Building(hocket.PolicyFactory):
        def build(self):
            order.append("built")
            return lambda observation: 1

    class Starting(hocket.Instrument):
        def on_starting(self, run):
            order.append(f"starting {run.rule.initial_workers} of {run.name} at {run.hz}")

        def on_start(self, run):
            order.append("started")

    clock = hocket.Realtime(hz=100, executor="threads")
    null_run(hocket.TickDispatch(3), clock, 5, Building(), instruments=[Starting()])
    assert order == ["starting 3 of NullEnv at 100", "built", "built", "built", "started"]
