import subprocess
import sys
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

import hocket
from hocket.core.description import text
from hocket.core.rules.base import NOTHING, Rule, Schedule, Start
from hocket.envs import make_atari
from hocket.envs.induced_delay import InducedDelay
from hocket.errors import ActionError, ConfigurationError, EnvError
from hocket.latency.laws import LatencyModel

pytestmark = pytest.mark.filterwarnings("ignore:delay_ticks=.* without pending actions:RuntimeWarning")

EXAMPLE = Path(__file__).parents[2] / "examples" / "with_stable_baselines3.py"


class Counting(gym.Env):
    """Observes the tick in the episode; pays 10 · tick + action; ends at tick ``length``."""

    def __init__(self, length=1000, *, actions=5, start=0, truncates=False, picture=False):
        self.length, self.truncates, self.picture = length, truncates, picture
        self.first = start
        self.action_space = spaces.Discrete(actions, start=start)
        self.observation_space = spaces.Box(0, 1000, (2, 2) if picture else (1,), np.float32)

    def _seen(self):
        return np.full(self.observation_space.shape, self.tick, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tick = 0
        return self._seen(), {"tick": 0}

    def step(self, action):
        self.tick += 1
        ended = self.tick >= self.length
        reward = 10.0 * self.tick + action
        return self._seen(), reward, ended and not self.truncates, ended and self.truncates, {"tick": self.tick}


class Scripted(LatencyModel):
    def __init__(self, *seconds):
        self.seconds = seconds

    def sampler(self, rng):
        durations = iter(self.seconds)
        return lambda worker, now_ns: int(next(durations) * 1e9)


def play(env, decisions):
    """Reset, then decide; all ticks' executed actions and delays, and each step's (reward, ended)."""
    env.reset(seed=0)
    actions, delays, steps = [], [], []
    for decision in decisions:
        _, reward, terminated, truncated, info = env.step(decision)
        report = info["induced_delay"]
        actions += report["actions"]
        delays += report["delays"]
        steps.append((reward, terminated or truncated))
        assert report["fresh"] == [delay > 0 for delay in report["delays"]]
        assert len(report["rewards"]) == len(report["actions"]) == len(report["delays"])
    return actions, delays, steps


# -- derived manually --------------------------------------------------------------------------------------------


def test_interval_and_delay_1_change_nothing():
    plain, wrapped = gym.make("CartPole-v1"), InducedDelay(gym.make("CartPole-v1"))
    assert wrapped.observation_space == plain.observation_space
    assert np.array_equal(plain.reset(seed=3)[0], wrapped.reset(seed=3)[0])
    for action in np.random.default_rng(0).integers(2, size=100):
        expected, got = plain.step(int(action)), wrapped.step(action)
        assert np.array_equal(expected[0], got[0])
        assert got[1:4] == expected[1:4]
        if got[2]:
            assert np.array_equal(plain.reset()[0], wrapped.reset()[0])


def test_a_decision_executes_delay_ticks_later():
    # Decisions on observations 0, 1, 2 execute at ticks 3, 4, 5; before that the default 0.
    actions, delays, steps = play(InducedDelay(Counting(), delay_ticks=3), [1, 2, 3, 4, 1])
    assert actions == [0, 0, 1, 2, 3]
    assert delays == [0, 0, 3, 3, 3]
    assert [reward for reward, _ in steps] == [10, 20, 31, 42, 53]


@pytest.mark.parametrize(
    ("interval", "delay", "expected"),
    [
        # decisions 1, 2, 3 on observations 0, I, 2I execute at d, I + d, 2I + d
        (2, 1, [1, 0, 2, 0, 3, 0]),
        (2, 2, [0, 1, 0, 2, 0, 3]),
        (2, 3, [0, 0, 1, 0, 2, 0]),
        (4, 2, [0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0]),
        (3, 7, [0, 0, 0, 0, 0, 0, 1, 0, 0]),
    ],
)
def test_decisions_come_every_interval_ticks(interval, delay, expected):
    env = InducedDelay(Counting(), interval_ticks=interval, delay_ticks=delay)
    actions, delays, _ = play(env, [1, 2, 3])
    assert actions == expected
    assert delays == [delay if action else 0 for action in expected]


def test_rewards_add_up_as_in_a_semi_mdp():
    # Ticks 1, 2, 3 then 4, 5, 6; the decision 4 on observation 0 executes at tick 2, the next one at tick 5.
    _, _, steps = play(InducedDelay(Counting(), interval_ticks=3, delay_ticks=2, gamma=0.5), [4, 2])
    assert [reward for reward, _ in steps] == [10 + 24 / 2 + 30 / 4, 40 + 52 / 2 + 60 / 4]


@pytest.mark.parametrize("truncates", [False, True])
def test_an_episode_ends_with_its_tick_and_what_was_in_flight_is_gone(truncates):
    env = InducedDelay(Counting(5, truncates=truncates), interval_ticks=2, delay_ticks=3)
    env.reset(seed=0)
    ends = []
    for decision in (1, 2, 3):
        observation, reward, terminated, truncated, info = env.step(decision)
        ends.append((terminated, truncated))
    assert ends == [(False, False), (False, False), (not truncates, truncates)]
    assert observation.tolist() == [5]
    assert reward == 52  # tick 5 alone executes 2, decided on observation 2
    assert info["induced_delay"] == {"actions": [2], "rewards": [52.0], "fresh": [True], "delays": [3]}
    assert info["tick"] == 5
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    env.reset()
    *_, info = env.step(4)
    assert info["induced_delay"]["actions"] == [0, 0]
    *_, info = env.step(4)
    assert info["induced_delay"]["actions"] == [4, 0]


def test_under_a_law_the_newest_ready_decision_executes_and_late_ones_are_dropped():
    # One tick a second. The decisions on 0..5 (actions 1, 2, 3, 4, 1, 2) are usable from ticks 3, 2, 3, 5, 5, 6:
    # tick 2 executes that of 1, tick 3 that of 2 (0 comes too late), tick 5 that of 4 (3 is older), tick 6 that of 5.
    env = InducedDelay(Counting(), latency=Scripted(2.4, 0.3, 0, 2, 1, 0.5, 9), hz=1)
    actions, delays, _ = play(env, [1, 2, 3, 4, 1, 2, 3])
    assert actions == [0, 2, 3, 0, 1, 2, 0]
    assert delays == [0, 1, 1, 0, 1, 1, 0]


def test_defaults_see_the_newest_observation_and_the_last_action():
    fallback = hocket.Fallback(lambda observation: int(observation[0]) % 5)
    actions, _, _ = play(InducedDelay(Counting(), interval_ticks=3, delay_ticks=2, default=fallback), [1, 1])
    assert actions == [0, 1, 2, 3, 1, 0]  # at tick k the newest observation is k - 1
    actions, _, _ = play(
        InducedDelay(Counting(), interval_ticks=3, delay_ticks=2, default=hocket.RepeatLast(3)), [1, 2]
    )
    assert actions == [3, 1, 1, 1, 2, 2]


LAWS_THAT_NOTICE = [
    hocket.LogNormal(0.05, 0.8),
    hocket.Changing(hocket.Constant(0.01), hocket.LogNormal(0.1, 0.5), 0.5),  # only if the tick count restarts
]


@pytest.mark.parametrize("law", LAWS_THAT_NOTICE)
def test_the_seed_decides_the_default_and_the_durations(law):
    env = InducedDelay(Counting(), latency=law, hz=50, default=hocket.RandomDefault())
    decisions = np.random.default_rng(0).integers(5, size=60).tolist()
    first = play(env, decisions)
    assert play(env, decisions) == first
    env.reset(seed=1)
    assert [env.step(d)[4]["induced_delay"]["actions"][0] for d in decisions] != first[0]


def test_the_default_leaves_the_action_space_s_own_draws_alone():
    env = InducedDelay(Counting(), delay_ticks=3, default=hocket.RandomDefault())
    env.action_space.seed(5)
    drawn = [env.action_space.sample() for _ in range(20)]
    env.action_space.seed(5)
    env.reset(seed=0)
    again = []
    for _ in drawn:
        again.append(env.action_space.sample())
        env.step(again[-1])
    assert again == drawn


def test_box_actions():
    env = InducedDelay(gym.make("Pendulum-v1"), delay_ticks=2, default=hocket.Fixed([0.5]))
    env.reset(seed=0)
    given = np.array([1.5], np.float32)
    assert env.step(given)[4]["induced_delay"]["actions"][0].tolist() == [0.5]
    given[0] = 0  # a decision taken stays taken
    assert env.step(given)[4]["induced_delay"]["actions"][0].tolist() == [1.5]


class Scaling(gym.Env):
    """A motor that scales its action in place; it hands out its one buffer of observations."""

    def __init__(self, observation_space):
        self.observation_space = observation_space
        self.action_space = spaces.Box(-1, 1, (1,))
        self.got = []
        self.buffer = np.zeros(3, np.float32)

    def _seen(self):
        return {"a": self.buffer} if isinstance(self.observation_space, spaces.Dict) else self.buffer

    def reset(self, *, seed=None, options=None):
        self.buffer[:] = 0
        return self._seen(), {}

    def step(self, action):
        self.got.append(float(action[0]))
        action *= 10
        self.buffer += 0.01
        return self._seen(), 1.0, False, False, {}


def half_if_unspoilt(observation):
    array = observation["a"] if isinstance(observation, dict) else observation
    answer = 0.5 if array.max() < 1 else -1
    array[:] = 99
    return np.array([answer], np.float32)


@pytest.mark.parametrize(
    "options", [{"delay_ticks": 1}, {"delay_ticks": 5}, {"latency": hocket.Constant(0.09), "hz": 50}]
)
@pytest.mark.parametrize(
    "default", [hocket.Fixed([0.5]), hocket.RepeatLast([0.5]), hocket.Fallback(half_if_unspoilt)], ids=text
)
@pytest.mark.parametrize("kind", ["box", "dict"])
def test_arrays_that_are_handed_out_are_copies(kind, default, options):
    box = spaces.Box(-1, 1, (3,), np.float32)
    inner = Scaling(box if kind == "box" else spaces.Dict(a=box))
    env = InducedDelay(inner, default=default, interval_ticks=2, **options)
    observation, _ = env.reset(seed=0)
    decision, reported, seen = np.array([0.5], np.float32), [], []
    for _ in range(6):
        array = observation["a"] if kind == "dict" else observation
        seen.append(float(array[0]))
        array[:] = 99
        observation, _, _, _, info = env.step(decision)
        reported += [float(action[0]) for action in info["induced_delay"]["actions"]]
        for action in info["induced_delay"]["actions"]:
            action *= 10
    assert inner.got == reported == [0.5] * 12
    assert seen == pytest.approx([0.02 * step for step in range(6)])


class Drifting(Scaling):
    """Returns the given result of ``step`` from its third step on."""

    def __init__(self, given):
        super().__init__(spaces.Box(-1, 1, (3,), np.float32))
        self.given = given

    def step(self, action):
        usual = super().step(action)
        return self.given if len(self.got) >= 3 else usual


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.zeros(4), 1.0, False, False, {}), r"has shape \(4,\), not \(3,\)"),
        (([0, np.nan, 0], 1.0, False, False, {}), "holds NaN or infinity"),
        (([0, 0, 0], None, False, False, {}), "reward None of Drifting is not a finite number"),
        (([0, 0, 0], 1.0, False, {}), "5 values are needed"),
    ],
)
def test_values_of_the_environment_are_checked(given, message):
    env = InducedDelay(Drifting(given), delay_ticks=2)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.zeros(1, np.float32))
    with pytest.raises(EnvError, match=message):
        env.step(np.zeros(1, np.float32))


def test_harmless_differences_are_converted():
    env = InducedDelay(Drifting(([0, 0, 0.5], np.array([1.0]), np.False_, 0, {})), delay_ticks=2)
    env.reset(seed=0)
    for _ in range(3):
        observation, reward, terminated, truncated, _ = env.step(np.zeros(1, np.float32))
    assert observation.dtype == np.float32 and observation.tolist() == [0, 0, 0.5]
    assert (reward, terminated, truncated) == (1.0, False, False) and type(reward) is float


# -- pending actions -------------------------------------------------------------------------------------------

U = 3  # the column of "unknown" with three actions


def pending_of(env, decisions):
    """The columns of the ones in each observation's pending rows."""
    seen = [env.reset(seed=0)[0], *(env.step(decision)[0] for decision in decisions)]
    rows = [observation[1:].reshape(-1, 4) for observation in seen]
    assert all((r.sum(axis=1) == 1).all() for r in rows)
    return [r.argmax(axis=1).tolist() for r in rows]


@pytest.mark.parametrize(
    ("inference_ticks", "expected"),
    [
        # Decisions 1, 2, 0 on observations 0, 1, 2; at tick o the rows are ticks o+1 and o+2.
        (1, [[0, 0], [0, 1], [1, 2], [2, 0]]),
        (2, [[0, 0], [0, U], [1, U], [2, U]]),
        (3, [[0, 0], [0, U], [U, U], [U, U]]),
    ],
)
def test_pending_actions_are_known_once_their_inference_has_finished(inference_ticks, expected):
    env = InducedDelay(Counting(actions=3), delay_ticks=3, pending_actions=True, inference_ticks=inference_ticks)
    assert pending_of(env, [1, 2, 0]) == expected


@pytest.mark.parametrize(
    ("inference_ticks", "default", "expected"),
    [
        # Decisions 1, 2 on observations 0, 2 execute at ticks 4, 6; at tick o the rows are o+1, o+2, o+3.
        (1, hocket.Fixed(0), [[0, 0, 0], [0, 1, 0], [0, 2, 0]]),
        (1, hocket.RepeatLast(0), [[0, 0, 0], [0, 1, 1], [1, 2, 2]]),
        (4, hocket.RepeatLast(0), [[0, 0, 0], [0, U, U], [1, U, U]]),
        (1, hocket.RandomDefault(), [[U, U, U], [U, 1, U], [U, 2, U]]),
        (1, hocket.Fallback(lambda observation: 0), [[U, U, U], [U, 1, U], [U, 2, U]]),
    ],
)
def test_pending_rows_of_the_default(inference_ticks, default, expected):
    env = InducedDelay(
        Counting(actions=3),
        interval_ticks=2,
        delay_ticks=4,
        default=default,
        pending_actions=True,
        inference_ticks=inference_ticks,
    )
    assert pending_of(env, [1, 2]) == expected


@pytest.mark.parametrize("default", [hocket.Fixed(1), hocket.RepeatLast(), hocket.RandomDefault()])
@pytest.mark.parametrize(("interval", "delay", "lasts"), [(1, 5, 1), (1, 5, 3), (2, 5, 2), (3, 7, 7), (4, 3, 1)])
def test_known_pending_actions_are_executed(default, interval, delay, lasts):
    env = InducedDelay(
        Counting(actions=3),
        interval_ticks=interval,
        delay_ticks=delay,
        default=default,
        pending_actions=True,
        inference_ticks=lasts,
    )
    decisions = np.random.default_rng(1).integers(3, size=40).tolist()
    predicted = pending_of(env, decisions)
    executed = play(env, decisions)[0]  # tick k executes executed[k - 1]
    known = [
        (column, executed[step * interval + row])
        for step, columns in enumerate(predicted)
        for row, column in enumerate(columns)
        if column != U and step * interval + row < len(executed)
    ]
    assert all(column == action for column, action in known)
    assert known or isinstance(default, hocket.RandomDefault)
    if lasts == 1 and not isinstance(default, hocket.RandomDefault):
        assert not any(U in columns for columns in predicted)


def test_pending_actions_lengthen_a_vector_and_join_a_picture():
    env = InducedDelay(Counting(9, actions=2, start=4), delay_ticks=3, pending_actions=True, default=hocket.Fixed(4))
    assert env.observation_space == spaces.Box(
        np.zeros(7, np.float32), np.array([1000, 1, 1, 1, 1, 1, 1], np.float32), dtype=np.float32
    )
    assert env.reset()[0].tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert env.step(5)[0].tolist() == [1, 1, 0, 0, 0, 1, 0]  # actions are numbered from 4

    env = InducedDelay(Counting(9, actions=2, picture=True), delay_ticks=3, pending_actions=True)
    pending = spaces.Box(0, 1, (2, 3), np.float32)
    assert env.observation_space == spaces.Dict(observation=env.env.observation_space, pending=pending)
    env.reset()
    observation = env.step(1)[0]
    assert observation in env.observation_space
    assert observation["observation"].tolist() == [[1, 1], [1, 1]]
    assert observation["pending"].tolist() == [[1, 0, 0], [0, 1, 0]]


def test_with_delay_1_nothing_is_pending():
    env = InducedDelay(Counting(), interval_ticks=2, pending_actions=True)
    assert env.observation_space == Counting().observation_space
    assert env.reset()[0] in env.observation_space


# -- the same as the virtual driver, tick for tick -----------------------------------------------------------


@dataclass(frozen=True)
class Every(Rule):
    """Definition 1 as a scheduling rule: decides at an episode's ticks 0, I, 2I, ...; holds answers for a delay."""

    interval: int
    delay: int

    @property
    def initial_workers(self):
        return 64

    def schedule(self, cadence):
        return EverySchedule(self, cadence)


class EverySchedule(Schedule):
    def __init__(self, rule, cadence):
        super().__init__(cadence)
        self.rule = rule
        self.began = 0
        self.decide = False

    def ticked(self, tick, now_ns, episode_ended):
        if episode_ended:
            self.began = tick
        self.decide = (tick - self.began) % self.rule.interval == 0

    def starts(self, now_ns, tick, idle):
        decide, self.decide = self.decide, False
        return (Start(next(iter(idle)), tick, tick + self.rule.delay),) if decide else NOTHING

    def release_tick(self, inference):
        return max(inference.usable_tick, inference.target)

    def workers_wanted(self):
        return 64


class Witness(gym.Wrapper):
    """Records all calls of an environment."""

    def __init__(self, env):
        super().__init__(env)
        self.ticks = []

    def reset(self, *, seed=None, options=None):
        observation, info = self.env.reset(seed=seed, options=options)
        self.ticks.append(np.array(observation).tobytes())
        return observation, info

    def step(self, action):
        observation, *rest = self.env.step(action)
        self.ticks.append((np.array(observation).tobytes(), np.array(action).tobytes(), *map(float, rest[:3])))
        return observation, *rest


def chaotic(observation):
    """A deterministic function of every bit of an observation."""
    return zlib.crc32(np.ascontiguousarray(observation).tobytes())


def assert_same_as_driver(make, rule, latency, ticks, /, *, default, hz=50, seed=7, episodes=2, **options):
    driven = Witness(make())
    inputs = []

    def policy(observation):
        inputs.append(observation.tobytes())
        return chaotic(observation) % driven.action_space.n

    clock = hocket.Virtual(hz=hz, latency=latency)
    result = hocket.run(driven, policy, rule, clock, ticks=ticks, default=default, seed=seed)

    stepped = Witness(make())
    if "latency" in options:
        options["hz"] = hz
    env = InducedDelay(stepped, default=default, **options)
    observation, _ = env.reset(seed=seed)
    seen, actions, rewards, fresh, delays = [], [], [], [], []
    while len(actions) < ticks:
        seen.append(np.array(observation).tobytes())
        observation, _, terminated, truncated, info = env.step(chaotic(observation) % env.action_space.n)
        report = info["induced_delay"]
        actions += report["actions"]
        rewards += report["rewards"]
        fresh += report["fresh"]
        delays += report["delays"]
        if terminated or truncated:
            observation, _ = env.reset()

    record, of_run = result.record, result.metrics().ticks
    assert stepped.ticks[: len(driven.ticks)] == driven.ticks
    assert actions[:ticks] == list(record.actions)
    assert rewards[:ticks] == list(record.rewards)
    assert fresh[:ticks] == (of_run.inference >= 0).tolist()
    assert delays[:ticks] == of_run.delay_ticks.tolist()
    assert seen == inputs[: len(seen)]
    ends = sum(record.terminated) + sum(record.truncated)
    assert ends >= episodes, "the comparison is to cover episode ends"
    assert max(delays) > 1 or latency.duration_s * hz <= 1
    driven.close()
    stepped.close()


def cartpole():
    return gym.make("CartPole-v1")


def minatar(game):
    pytest.importorskip("minatar")
    from minatar.gym import BaseEnv

    return TimeLimit(BaseEnv(game, use_minimal_action_set=True), 90)


def boxing():
    return TimeLimit(make_atari("Boxing"), 120)


WORLDS = {
    "cartpole": (cartpole, 600),
    "breakout": (lambda: minatar("breakout"), 600),
    "asterix": (lambda: minatar("asterix"), 600),
    "boxing": (boxing, 260),
}
DEFAULTS = {
    "fixed": hocket.Fixed(1),
    "repeat": hocket.RepeatLast(),
    "random": hocket.RandomDefault(),
    "fallback": hocket.Fallback(lambda observation: chaotic(observation) % 3 % 2),
}


@pytest.fixture(params=WORLDS)
def world(request):
    return WORLDS[request.param]


@pytest.mark.slow
@pytest.mark.parametrize("delay", [1, 2, 5])
@pytest.mark.parametrize("hold", [True, False])
def test_a_fixed_delay_is_tick_dispatch_with_a_constant_latency(world, delay, hold):
    make, ticks = world
    rule = hocket.TickDispatch(workers=delay, hold=hold)
    latency = hocket.Constant((delay - 0.4) / 50)
    assert_same_as_driver(make, rule, latency, ticks, delay_ticks=delay, default=hocket.Fixed(1))


@pytest.mark.slow
@pytest.mark.parametrize("default", DEFAULTS)
def test_a_latency_law_is_tick_dispatch_without_holding(world, default):
    make, ticks = world
    law = hocket.LogNormal(0.05, 0.6)
    rule = hocket.TickDispatch(workers=64, hold=False)
    assert_same_as_driver(make, rule, law, ticks, latency=law, hz=60, default=DEFAULTS[default])  # 60: deadlines round


@pytest.mark.parametrize(
    "law",
    [
        hocket.Gamma(0.07, 2.0),
        hocket.HeavyTail(0.03, 0.1, 6.0),
        hocket.Empirical((0.02, 0.04, 0.11)),
        hocket.Changing(hocket.Constant(0.01), hocket.LogNormal(0.1, 0.5), 3.0),
        hocket.Constant(0.0),
    ],
    ids=lambda law: type(law).__name__,
)
def test_every_law_draws_as_the_driver_does(law):
    rule = hocket.TickDispatch(workers=128, hold=False)
    assert_same_as_driver(cartpole, rule, law, 600, latency=law, hz=59.7275, default=hocket.Fixed(0))


@pytest.mark.slow
def test_the_classical_loop_has_interval_equal_to_delay():
    # Episodes end when nothing is in flight: the driver's one worker is then free for the next episode's tick 0.
    latency = hocket.Constant(4.6 / 50)
    assert_same_as_driver(
        boxing,
        hocket.Sequential(),
        latency,
        260,
        interval_ticks=5,
        delay_ticks=5,
        default=DEFAULTS["repeat"],
        episodes=2,
    )


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize(("interval", "delay", "lasts"), [(1, 4, 1), (2, 3, 3), (3, 7, 2), (4, 4, 4), (6, 2, 1)])
def test_any_interval_and_delay_across_episodes(interval, delay, lasts, default):
    latency = hocket.Constant((lasts - 0.5) / 50)
    assert_same_as_driver(
        cartpole,
        Every(interval, delay),
        latency,
        400,
        interval_ticks=interval,
        delay_ticks=delay,
        default=DEFAULTS[default],
    )


# -- late binding --------------------------------------------------------------------------------------------


def test_a_head_is_told_a_late_and_the_newest_observation():
    """Counting shows its tick; a delay of 3, decisions 1, 2, 3, 1, ... and the default 0, which never acts."""
    env = InducedDelay(Counting(6, actions=4), delay_ticks=3, pending_actions=True, newest=True)
    observation, _ = env.reset()
    assert env.least_n_step == 1
    shown, reports = [observation], []
    for action in (1, 2, 3, 1, 2, 3):
        observation, _, terminated, _, info = env.step(action)
        shown.append(observation)
        reports.append(info["induced_delay"])
    assert terminated

    def split(observation):
        rows = observation[1:11].reshape(2, 5).argmax(axis=1).tolist()
        return int(observation[0]), rows, bool(observation[11]), int(observation[12])

    unknown = 4
    assert [split(observation) for observation in shown] == [
        (0, [unknown, unknown], False, 0),
        (0, [unknown, unknown], False, 1),
        (0, [1, 2], True, 2),
        (1, [2, 3], True, 3),
        (2, [3, 1], True, 4),
        (3, [1, 2], True, 5),
        (4, [2, 3], True, 6),
    ]
    assert [report["actions"] for report in reports] == [[1], [2], [3], [1], [2], [3]]
    assert [report["delays"] for report in reports] == [[0], [0], [3], [3], [3], [3]]
    assert all(report["fresh"] == [True] for report in reports)
    observation, _ = env.reset()
    assert split(observation) == (0, [unknown, unknown], False, 0)


def test_a_late_head_of_pictures_with_an_interval():
    env = InducedDelay(Counting(9, picture=True), delay_ticks=2, interval_ticks=3, newest=True)
    assert set(env.observation_space.spaces) == {"observation", "newest", "ready"}
    observation, _ = env.reset()
    assert (observation["ready"], observation["newest"].max()) == ([0], 0)
    observation, *_, info = env.step(1)
    assert info["induced_delay"]["fresh"] == [True, False, False]
    assert (observation["observation"].max(), observation["newest"].max()) == (2, 3)
    assert observation["ready"] == [1]
    observation["newest"][:] = 99  # the agent's own
    observation, *_ = env.step(1)
    assert (observation["observation"].max(), observation["newest"].max()) == (5, 6)


def test_a_blind_one_step_learner_is_warned_of():
    message = (
        "delay_ticks=5 without pending actions: the next 2 observations cannot depend on an action, so a one-step "
        "learner learns nothing of what it led to; try pending_actions=True, newest=True, or n-step returns of at "
        "least 3 steps and pending_actions=False"
    )
    with pytest.warns(RuntimeWarning, match=message):
        InducedDelay(Counting(), delay_ticks=5, interval_ticks=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert InducedDelay(Counting(), delay_ticks=5, interval_ticks=2, pending_actions=False).least_n_step == 3
        assert InducedDelay(Counting(), delay_ticks=5, interval_ticks=5).least_n_step == 1
        assert InducedDelay(Counting(), delay_ticks=5, pending_actions=True).least_n_step == 1


@pytest.mark.parametrize("n_step", [1, 3, 4, 6])
def test_an_observation_depends_on_an_action_after_as_many_steps_as_it_says(n_step):
    """The observation of step n differs for another first action from ``least_n_step`` on."""
    seen = []
    for first in (1, 2):
        env = InducedDelay(Summing(), delay_ticks=4, pending_actions=False)
        env.reset()
        for action in (first, *[0] * (n_step - 1)):
            observation, *_ = env.step(action)
        seen.append(float(observation[0]))
    assert (seen[0] != seen[1]) == (n_step >= env.least_n_step)


class Summing(Counting):
    """Shows the sum of its actions."""

    def step(self, action):
        observation, *rest = super().step(action)
        self.sum = getattr(self, "sum", 0) + int(action)
        return np.full_like(observation, self.sum), *rest


# -- as a Gymnasium environment ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"interval_ticks": 3, "delay_ticks": 4},
        {"delay_ticks": 4, "pending_actions": True},
        {"interval_ticks": 2, "delay_ticks": 4, "pending_actions": True, "default": hocket.RandomDefault()},
        {"latency": hocket.LogNormal(0.05, 0.5), "hz": 50},
        {"delay_ticks": 4, "newest": True},
        {"interval_ticks": 2, "delay_ticks": 4, "newest": True, "pending_actions": True},
    ],
)
@pytest.mark.parametrize("picture", [False, True])
def test_check_env(options, picture):
    check_env(InducedDelay(Counting(9, picture=picture), **options), skip_render_check=True)


def test_its_spec_makes_it_again():
    env = gym.make(InducedDelay(gym.make("CartPole-v1"), delay_ticks=4, pending_actions=True).spec)
    assert isinstance(env, InducedDelay)
    assert env.observation_space.shape == (4 + 3 * 3,)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_in_a_vector_each_is_as_alone(mode):
    def make(length):
        return lambda: InducedDelay(Counting(length, actions=3), interval_ticks=2, delay_ticks=3, pending_actions=True)

    lengths = (5, 8)
    vector = SyncVectorEnv([make(length) for length in lengths], autoreset_mode=mode)
    vector.reset(seed=0)
    alone = [make(length)() for length in lengths]
    for env in alone:
        env.reset(seed=0)
    ended = [False, False]
    for step in range(30):
        observations, rewards, terminated, _, infos = vector.step(np.full(2, step % 3))
        for i, env in enumerate(alone):
            if ended[i] and mode is AutoresetMode.NEXT_STEP:
                observation, reward, ended[i] = env.reset()[0], 0.0, False
            else:
                observation, reward, ended[i], _, info = env.step(step % 3)
                reports = infos["final_info"] if ended[i] and mode is AutoresetMode.SAME_STEP else infos
                for key, value in info["induced_delay"].items():
                    assert reports["induced_delay"][key][i] == value
                if ended[i] and mode is AutoresetMode.SAME_STEP:
                    observation = env.reset()[0]
            assert np.array_equal(observations[i], observation)
            assert (rewards[i], terminated[i]) == (reward, ended[i])


# -- refusals ------------------------------------------------------------------------------------------------

LAW = hocket.LogNormal(0.05, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval_ticks": 0}, "interval_ticks=0 .* at least 1"),
        ({"interval_ticks": 1.5}, "interval_ticks=1.5"),
        ({"interval_ticks": True}, "interval_ticks=True"),
        ({"delay_ticks": 0}, "delay_ticks=0 .* law of times"),
        ({"delay_ticks": 0.2}, "delay_ticks=0.2 .* law of times"),
        ({"latency": LAW}, "hz=50"),
        ({"latency": LAW, "hz": -1}, "greater than 0"),
        ({"delay_ticks": 3, "hz": 50}, "leave hz out"),
        ({"delay_ticks": 3, "latency": LAW, "hz": 50}, "give one of the two"),
        ({"latency": 0.05, "hz": 50}, "not a latency model"),
        ({"latency": hocket.PerWorker(LAW, (1.0, 2.0)), "hz": 50}, "which worker"),
        ({"latency": hocket.Changing(LAW, hocket.PerWorker(LAW, (1.0,)), 1.0), "hz": 50}, "which worker"),
        ({"gamma": 0.0}, "gamma=0.0"),
        ({"gamma": 1.1}, "gamma=1.1"),
        ({"gamma": "1"}, "gamma='1'"),
        ({"default": 0}, r"hocket.Fixed\(0\)"),
        ({"latency": LAW, "hz": 50, "pending_actions": True}, "fixed delay"),
        ({"latency": LAW, "hz": 50, "newest": True}, "newest=True needs a fixed delay"),
        ({"delay_ticks": 3, "pending_actions": True, "newest": True, "inference_ticks": 3}, "no effect with newest"),
        ({"delay_ticks": 3, "inference_ticks": 2}, "pending_actions=True only"),
        ({"delay_ticks": 3, "pending_actions": True, "inference_ticks": 4}, "exceeds delay_ticks=3"),
        ({"delay_ticks": 3, "pending_actions": True, "inference_ticks": 0}, "inference_ticks=0"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ConfigurationError, match=message):
        InducedDelay(Counting(), **options)


def test_actions_that_do_not_fit():
    with pytest.raises(ActionError, match="outside"):
        InducedDelay(Counting(), default=hocket.Fixed(9))
    env = InducedDelay(Counting())
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset()
    with pytest.raises(ActionError, match="outside"):
        env.step(9)


# -- the example ---------------------------------------------------------------------------------------------


def test_the_stable_baselines3_example_names_what_is_missing():
    code = "import runpy, sys; sys.modules['stable_baselines3'] = None; runpy.run_path(sys.argv[1], {}, '__main__')"
    done = subprocess.run([sys.executable, "-c", code, EXAMPLE], capture_output=True, text=True, check=True)
    assert "pip install stable-baselines3" in done.stdout
