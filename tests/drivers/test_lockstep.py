"""Copies in lockstep: each is, event for event, a run of its own."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.drivers.lockstep import Lockstep
from hocket.errors import EnvError
from hocket.policies.base import Batching, PolicyFactory, Stages
from hocket.running.setup import set_up

SEEDS = (5, 9, 12)
TICKS = 120
MS = 1_000_000


class Clockwork:
    """A background whose version counts its visits in steps of 7 ms; `hocket.hooks.record.Background`."""

    def __init__(self):
        self.version = 0

    def advance(self, now_ns):
        self.version = now_ns // (7 * MS)

    def learn(self, now_ns, ended_ns):
        raise AssertionError("no rule here learns")


class Leaning(Batching):
    """Pushes to where the pole leans, unless the version at the start is a multiple of three."""

    def __init__(self, background, rows, failing):
        self._background, self._rows, self._failing = background, rows, failing
        self.version = 0

    def prepare(self, *inputs):
        self.version = self._background.version
        return self.version, *(np.array(each) for each in inputs)

    def answer(self, prepared):
        self._rows.append(len(prepared))
        actions = []
        for version, observation, *late in prepared:
            if self._failing and observation[2] > 0.05:
                raise ValueError("it leans too far")
            actions.append(int(observation[2] > 0) ^ (version % 3 == 0) ^ (int(np.sum(late) > 4) if late else 0))
        return actions


class Trunk(Batching):
    def __init__(self, background):
        self._background = background

    def prepare(self, *inputs):
        return self._background.version, np.array(inputs[0])

    def answer(self, prepared):
        return list(prepared)


class Head(Leaning):
    def prepare(self, features, *inputs):
        self.version, observation = features
        return self.version, observation, *(np.array(each) for each in inputs)


class LateLeaning(Stages):
    @property
    def version(self):
        return self.head.version


class Factory(PolicyFactory):
    def __init__(self, background, *, late=False, failing=False):
        self.rows, self._background, self._failing = [], background, failing
        self.pending, self.head_s = (2, 0.002) if late else (0, 0.0)

    def build(self):
        if not self.head_s:
            return Leaning(self._background, self.rows, self._failing)
        return LateLeaning(Trunk(self._background), Head(self._background, self.rows, self._failing))


def setup(seed, factory, background, rule, clock, listener=None):
    env = gym.make("CartPole-v1")
    checked = set_up(env, factory, rule, clock, ticks=TICKS, default=hocket.RandomDefault(), seed=seed)
    return checked.setup(background=background, listener=listener)


def alone(seed, rule, clock, **options):
    background = Clockwork()
    return clock.run(setup(seed, Factory(background, **options), background, rule, clock), ticks=TICKS)


def together(seeds, rule, clock, **options):
    background = Clockwork()
    factory = Factory(background, **options)
    run = Lockstep(clock, [setup(seed, factory, background, rule, clock) for seed in seeds])
    run.play(TICKS)
    run.end()
    return run, factory


def figures(record):
    """All but what the wall clock had to do with it."""
    columns = (record.ticks, record.rewards, record.terminated, record.truncated, record.lateness_ns)
    return record.trace.rows.tobytes(), [column.tobytes() for column in columns], record.actions


ODD = hocket.LogNormal(0.05, 0.6)
CASES = {
    "constant": (hocket.TickDispatch(3), hocket.Constant(0.05), {}),
    "no time at all": (hocket.TickDispatch(1), hocket.Constant(0.0), {}),
    "varying": (hocket.TickDispatch(3), ODD, {}),
    "too few workers": (hocket.TickDispatch(1), ODD, {}),
    "sequential": (hocket.Sequential(), hocket.Constant(0.03), {}),
    "the paper's": (hocket.MaxTime(4), ODD, {}),
    "chance decides": (hocket.TickDispatch(workers="auto", quantile="auto", predictability=0.9), ODD, {}),
    "late": (hocket.TickDispatch(3), hocket.Constant(0.05), {"late": True}),
    "late and varying": (hocket.TickDispatch(4), ODD, {"late": True}),
    "failing": (hocket.TickDispatch(3), ODD, {"failing": True}),
    "late and failing": (hocket.TickDispatch(3), ODD, {"late": True, "failing": True}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
def test_each_copy_is_a_run_of_its_own(case, seeds):
    rule, latency, options = CASES[case]
    clock = hocket.Virtual(hz=50, latency=latency)
    run, _ = together(seeds, rule, clock, **options)
    for seed, record in zip(seeds, (each.record for each in run.runs), strict=True):
        assert figures(record) == figures(alone(seed, rule, clock, **options))
    if options.get("failing"):
        failed = hocket.core.commands.Outcome.FAILED
        assert all(each.engine.scheduler.outcomes[failed] for each in run.runs)
    assert len({record.trace.rows.tobytes() for record in run.records}) == len(seeds)


@pytest.mark.parametrize(("latency", "least"), [(hocket.Constant(0.05), 3), (ODD, 1)])
def test_inferences_that_start_at_one_instant_are_one_call(latency, least):
    clock = hocket.Virtual(hz=50, latency=latency)
    _, factory = together(SEEDS, hocket.TickDispatch(8), clock)
    assert min(factory.rows) >= least and max(factory.rows) == 3
    assert len(factory.rows) >= TICKS


def test_it_can_be_played_in_parts_and_pickled_between_them():
    rule, clock = hocket.TickDispatch(3), hocket.Virtual(hz=50, latency=ODD)
    whole, _ = together(SEEDS, rule, clock, late=True)
    background = Clockwork()
    factory = Factory(background, late=True)
    run = Lockstep(clock, [setup(seed, factory, background, rule, clock) for seed in SEEDS])
    for tick in (1, 40, 41, TICKS):
        run = pickle.loads(pickle.dumps(run))
        run.play(tick)
        assert run.tick == tick and [each.tick for each in run.runs] == [tick] * 3
    run.end()
    assert [figures(record) for record in run.records] == [figures(record) for record in whole.records]


def test_an_error_ends_all_copies_and_carries_the_first_ones_record():
    rule, clock, background = hocket.TickDispatch(3), hocket.Virtual(hz=50, latency=ODD), Clockwork()

    class Breaking(gym.Wrapper):
        def step(self, action):
            self.count = getattr(self, "count", 0) + 1
            return (None,) if self.count == 30 else super().step(action)

    factory = Factory(background)
    setups = []
    for seed, env in zip(SEEDS, (gym.make("CartPole-v1"), Breaking(gym.make("CartPole-v1"))), strict=False):
        setups.append(set_up(env, factory, rule, clock, ticks=TICKS, seed=seed).setup(background=background))
    run = Lockstep(clock, setups)
    with pytest.raises(EnvError) as caught, run.kept_on_error():
        run.play(TICKS)
    assert hocket.hooks.record.attached_record(caught.value) is run.record
    assert list(run.record.ticks) == list(range(1, 31)) and len(run.records[1].ticks) == 29
    assert not run.whole
