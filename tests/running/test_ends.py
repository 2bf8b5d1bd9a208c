"""However a run ends, its record is in the error's ``result``."""

import dataclasses
import functools

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.testing import replay

VIRTUAL = hocket.Virtual(hz=200, latency=hocket.Constant(0.012))
REALTIME = pytest.param(hocket.Realtime(hz=200, executor="threads"), marks=pytest.mark.realtime)
both_clocks = pytest.mark.parametrize("clock", [VIRTUAL, REALTIME], ids=["virtual", "realtime"])


class Breaking(gym.Env):
    """Calls ``fault`` in step 30 and returns its result."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, fault=None):
        self.fault = fault
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 30 and self.fault is not None:
            return self.fault()
        return np.zeros(3, np.float32), 1.0, False, False, {}


class UnpluggedError(Exception):
    pass


def raising(error):
    def fault(*_):
        raise error

    return fault


def ended(kind, clock, tmp_path, *, env=None, policy=lambda observation: 1, **options):
    """The record of a run that an error of ``kind`` ended: whole ticks, a trace that replays, a folder that loads."""
    with pytest.raises(kind) as caught:
        hocket.run(
            env or Breaking(), policy, hocket.TickDispatch(3), clock, ticks=300, config={"note": "kept"}, **options
        )
    result = caught.value.result
    record = result.record
    assert result.config["env"] == "Breaking" and result.config["note"] == "kept"
    assert record.ticks.tolist() == list(range(1, len(record.ticks) + 1))
    assert len(record.actions) == len(record.rewards) == len(record.step_ns) == len(record.ticks)
    assert -1 not in result.metrics().inferences.outcome
    replay(record.trace, validate=True)
    assert record.wall_s > 0
    result.save(tmp_path)
    assert len(hocket.load(tmp_path).record.ticks) == len(record.ticks)
    return caught.value


@both_clocks
@pytest.mark.parametrize("kind", [UnpluggedError, OSError, hocket.HocketError, SystemExit])
def test_an_environment_that_raises(kind, clock, tmp_path):
    given = kind("the cable")
    error = ended(kind, clock, tmp_path, env=Breaking(raising(given)))
    assert error is given and "(29 ticks) is in .result" in error.__notes__[0]
    assert len(error.result.record.ticks) == 29 and not error.result.record.interrupted


def test_an_environment_that_raises_at_once(tmp_path):
    env = Breaking(raising(UnpluggedError))
    env.steps = 29
    error = ended(UnpluggedError, VIRTUAL, tmp_path, env=env)
    assert len(error.result.record.ticks) == 0 and error.result.record.failed
    loaded = hocket.load(tmp_path)
    assert len(loaded.metrics().ticks.tick) == 0 and loaded.record.failed


@both_clocks
def test_an_environment_that_gives_what_it_does_not_declare(clock, tmp_path):
    env = Breaking(lambda: (np.full(3, np.nan, np.float32), 1.0, False, False, {}))
    error = ended(hocket.EnvError, clock, tmp_path, env=env)
    assert len(error.result.record.ticks) == 29


@both_clocks
def test_a_keyboard_interrupt_in_a_step(clock, tmp_path):
    error = ended(hocket.RunInterrupted, clock, tmp_path, env=Breaking(raising(KeyboardInterrupt)))
    assert len(error.result.record.ticks) == 29 and error.result.record.interrupted


@both_clocks
def test_a_policy_that_begins_to_fail(clock, tmp_path):
    calls = []

    def policy(observation):
        calls.append(1)
        if len(calls) > 30:
            raise ValueError("no network today")
        return 1

    clock = dataclasses.replace(clock, failures=hocket.FailureLimits(outage_s=0.1))
    error = ended(hocket.PolicyError, clock, tmp_path, policy=policy)
    assert len(error.result.record.ticks) >= 5 and "no network today" in error.result.record.errors[-1]


@both_clocks
def test_a_listener_a_default_and_until_that_raise(clock, tmp_path):
    class Listener:
        def began(self, observation):
            pass

        def ticked(self, moment):
            if moment.tick == 30:
                raise UnpluggedError

    assert len(ended(UnpluggedError, clock, tmp_path, listener=Listener()).result.record.ticks) == 30

    calls = []

    def fallback(observation):
        calls.append(1)
        return 1 if len(calls) < 3 else raising(UnpluggedError)()

    never = hocket.Virtual(hz=200, latency=hocket.Constant(9.0))
    ticks = ended(UnpluggedError, never, tmp_path, default=hocket.Fallback(fallback)).result.record.ticks
    assert ticks.tolist() == [1, 2]

    def until(record):
        return len(record.ticks) == 30 and raising(UnpluggedError)()

    assert len(ended(UnpluggedError, clock, tmp_path, until=until).result.record.ticks) == 30


class Stopping(hocket.Instrument):
    """An interrupt that comes while the run ends."""

    def on_stop(self):
        raise KeyboardInterrupt


@both_clocks
def test_an_interrupt_of_the_end(clock, tmp_path):
    with pytest.raises(hocket.RunInterrupted) as caught:
        hocket.run(Breaking(), lambda o: 1, hocket.TickDispatch(3), clock, ticks=20, instruments=[Stopping()])
    assert len(caught.value.result.record.ticks) == 20 and caught.value.result.record.interrupted


@pytest.mark.realtime
def test_an_interrupt_while_workers_are_stopped(monkeypatch):
    from hocket.drivers.executors.threads import ThreadExecutor

    usual = ThreadExecutor.close

    def close(self):
        usual(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadExecutor, "close", close)
    clock = hocket.Realtime(hz=200, executor="threads")
    with pytest.raises(hocket.RunInterrupted) as caught:
        hocket.run(Breaking(), lambda o: 1, hocket.TickDispatch(3), clock, ticks=20)
    assert len(caught.value.result.record.ticks) == 20


def test_an_error_before_the_first_tick_has_no_result():
    with pytest.raises(hocket.ConfigurationError) as caught:
        hocket.run(Breaking(), lambda o: 1, hocket.TickDispatch(3), VIRTUAL, ticks=0)
    assert caught.value.result is None


# -- records of users' own classes --------------------------------------------------------------------------------


class Undecorated(hocket.Rule):
    """No dataclass, and a field that JSON cannot hold."""

    initial_workers = 2

    def __init__(self):
        self.every_ticks = np.int64(2)
        self.inner = hocket.TickDispatch(2)
        self.function = print

    def schedule(self, cadence):
        return self.inner.schedule(cadence)


class Speechless(hocket.Default):
    def __repr__(self):
        raise ValueError("no words")

    def bind(self, action_space, rng):
        return hocket.Fixed(1).bind(action_space, rng)

    def __call__(self, observation):
        return 1


@both_clocks
def test_a_rule_that_is_no_dataclass_is_recorded_by_its_fields(clock, tmp_path):
    result = hocket.run(Breaking(), lambda observation: 1, Undecorated(), clock, ticks=20)
    rule = {"name": "TickDispatch", **{name: result.config["rule"]["inner"][name] for name in ("workers", "quantile")}}
    assert result.config["rule"]["name"] == "Undecorated" and result.config["rule"]["every_ticks"] == 2
    assert rule == {"name": "TickDispatch", "workers": 2, "quantile": 0.95}
    result.save(tmp_path)
    replay(hocket.load(tmp_path, Undecorated()).record.trace, validate=True)


@both_clocks
def test_a_repr_that_raises_costs_no_run(clock, tmp_path):
    result = hocket.run(Breaking(), Speechless(), hocket.TickDispatch(2), clock, ticks=20, default=Speechless())
    assert result.config["default"] == "<Speechless>" and result.config["policy"] == "<Speechless>"
    result.save(tmp_path)
    assert hocket.load(tmp_path).config["default"] == "<Speechless>"


# -- checks of environments, under every policy ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["function", "torch"])
def test_nan_is_refused_under_every_policy(kind):
    policy = lambda observation: 1  # noqa: E731
    if kind == "torch":
        torch = pytest.importorskip("torch")
        policy = hocket.TorchPolicy(functools.partial(torch.nn.Linear, 3, 2))
    env = Breaking(lambda: (np.array([0, np.nan, 0], np.float32), 1.0, False, False, {}))
    with pytest.raises(hocket.EnvError, match=r"Breaking holds NaN or infinity, first at index \[1\]") as caught:
        hocket.run(env, policy, hocket.TickDispatch(3), VIRTUAL, ticks=60)
    assert len(caught.value.result.record.ticks) == 29


@both_clocks
def test_harmless_differences_are_converted(clock):
    class Loose(Breaking):
        def reset(self, *, seed=None, options=None):
            return [0, 0, 0], None

        def step(self, action):
            self.steps += 1
            observation = [(0, 0, 0.5), np.array([0, 0, 0.5]), np.array([0, 0, 0.5], np.float16)][self.steps % 3]
            return observation, np.array([1.0]), 0, np.bool_(self.steps % 7 == 0), None

    seen = []

    def policy(observation):
        seen.append((observation.dtype, observation.shape, float(observation[2])))
        return 1

    result = hocket.run(Loose(), policy, hocket.TickDispatch(3), clock, ticks=30)
    assert set(seen) <= {(np.dtype(np.float32), (3,), 0.0), (np.dtype(np.float32), (3,), 0.5)}
    assert sum(result.record.rewards) == 30 and sum(result.record.truncated) == 4
    assert {final.dtype for final in result.record.final_observations.values()} == {np.dtype(np.float32)}
