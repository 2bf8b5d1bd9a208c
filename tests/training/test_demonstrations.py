"""Demonstrations against arrays by hand, and against the transitions of a virtual run of the same actions."""

import os
import signal

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.errors import ConfigurationError, EnvError
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.replay import Replay


def two_episodes(**changes):
    arrays = {
        "observations": np.array([[0.0], [1], [2], [10], [11], [12], [13]], np.float32),
        "actions": np.array([0, 1, 1, 0, 1]),
        "rewards": np.array([1.0, 2, 4, 8, 16]),
        "terminated": np.array([False, True, False, False, False]),
        "truncated": np.array([False, False, False, False, True]),
    }
    return hocket.Demonstrations(**arrays | changes)


def test_by_hand():
    shown = two_episodes()
    assert shown.episodes == 2 and shown.returns.tolist() == [3, 28]
    moments = list(shown.moments())
    assert [m.tick for m in moments] == [1, 2, 3, 4, 5]
    assert [m.decided_on for m in moments] == [0, 1, 2, 3, 4]
    assert [m.action for m in moments] == [0, 1, 1, 0, 1]
    assert [m.observation.item() for m in moments] == [1, 10, 11, 12, 13]
    assert [None if m.final_observation is None else m.final_observation.item() for m in moments] == [
        None, 2, None, None, 13,
    ]  # fmt: skip
    assert [(m.terminated, m.truncated) for m in moments][1::3] == [(True, False), (False, True)]


def test_moments_may_be_changed():
    shown = two_episodes()
    for moment in shown.moments():
        moment.observation[:] = 99
        if moment.final_observation is not None:
            moment.final_observation[:] = 99
    assert shown.observations.tolist() == [[0], [1], [2], [10], [11], [12], [13]]


class Drifting(gym.Env):
    """Its one buffer counts its ticks; from the third on it gives ``given`` instead."""

    observation_space = spaces.Box(0, 100, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, given=None):
        self.given = given
        self.buffer = np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        self.buffer[:] = 0
        return self.buffer, {}

    def step(self, action):
        self.buffer += 1
        if self.given is not None and self.buffer[0] >= 3:
            return self.given
        return self.buffer, 1.0, False, bool(self.buffer[0] == 4), {}


def test_a_policy_may_change_what_it_is_given():
    def policy(observation):
        observation[:] = 99
        return 0

    played = hocket.demonstrate(Drifting(), policy, episodes=1)
    assert played.observations.tolist() == [[0], [1], [2], [3], [4]]


def test_values_of_the_environment_are_checked():
    with pytest.raises(hocket.EnvError, match=r"observation .* of Drifting holds NaN or infinity"):
        hocket.demonstrate(Drifting((np.array([np.nan]), 1.0, False, False, {})), lambda o: 0, episodes=1)
    played = hocket.demonstrate(Drifting(([7], np.array([2.0]), True, False, {})), lambda o: 0, episodes=1)
    assert played.observations[-1].tolist() == [7] and played.observations.dtype == np.float32
    assert played.rewards.tolist() == [1, 1, 2]


def test_with_a_delay_the_first_ticks_have_no_decision():
    assert [m.decided_on for m in two_episodes().moments(2)] == [-1, 0, -1, 2, 3]
    assert [m.decided_on for m in two_episodes().moments(3)] == [-1, -1, -1, -1, 2]
    assert [m.decided_on for m in two_episodes().moments(2, interval_ticks=2)] == [-1, 0, -1, 2, -1]


def test_an_expert_that_acts_seldom():
    env = gym.wrappers.TimeLimit(gym.make("CartPole-v1"), 5)
    shown = hocket.demonstrate(env, lambda observation: 1, episodes=2, interval_ticks=2)
    assert shown.actions.tolist() == [0, 1, 0, 1, 0] * 2
    every = hocket.demonstrate(env, lambda observation: 0, episodes=1, interval_ticks=3, between=1)
    assert every.actions.tolist() == [1, 1, 0, 1, 1]
    with pytest.raises(ConfigurationError, match=r"between=2 is not in Discrete\(2\)"):
        hocket.demonstrate(env, lambda observation: 0, episodes=1, between=2)
    with pytest.raises(ConfigurationError, match="interval_ticks=0"):
        hocket.demonstrate(env, lambda observation: 0, episodes=1, interval_ticks=0)


class Noted:
    """Keeps all moments of a run, as a recording of a realtime expert."""

    def __init__(self):
        self.observations, self.rows = [], []

    def began(self, observation):
        self.observations.append(observation.copy())

    def ticked(self, moment):
        if moment.final_observation is not None:
            self.observations.append(moment.final_observation.copy())
        self.observations.append(moment.observation.copy())
        self.rows.append((moment.action, moment.reward, moment.terminated, moment.truncated))

    def demonstrations(self):
        ends = [number for number, row in enumerate(self.rows) if row[2] or row[3]]
        ticks, episodes = ends[-1] + 1, len(ends)
        actions, rewards, terminated, truncated = map(np.array, zip(*self.rows[:ticks], strict=True))
        observations = np.stack(self.observations[: ticks + episodes])
        return ticks, hocket.Demonstrations(
            observations=observations, actions=actions, rewards=rewards, terminated=terminated, truncated=truncated
        )


@pytest.mark.parametrize("delay", [1, 3, 5])
def test_demonstrations_give_the_transitions_of_a_run_with_that_delay(delay):
    """The same ticks, once as a virtual run's own and once as demonstrations: the same transitions."""
    noted = Noted()
    replays = [Replay(400, (4,), np.float32) for _ in range(2)]
    own = Collector(replays[0], gamma=0.9)
    chance = np.random.default_rng(delay)
    hocket.run(
        gym.make("CartPole-v1"),
        lambda observation: int(chance.integers(2)),
        hocket.TickDispatch(delay),
        hocket.Virtual(hz=50, latency=hocket.Constant((delay - 0.25) / 50)),
        ticks=300,
        default=hocket.RepeatLast(),
        listener=noted,
    )
    ticks, shown = noted.demonstrations()
    assert shown.episodes >= 4
    chance = np.random.default_rng(delay)
    hocket.run(
        gym.make("CartPole-v1"),
        lambda observation: int(chance.integers(2)),
        hocket.TickDispatch(delay),
        hocket.Virtual(hz=50, latency=hocket.Constant((delay - 0.25) / 50)),
        ticks=ticks,
        default=hocket.RepeatLast(),
        listener=own,
    )
    theirs = Collector(replays[1], gamma=0.9)
    theirs.began(shown.observations[0])
    for moment in shown.moments(delay):
        theirs.ticked(moment)
    assert len(replays[0]) == len(replays[1]) > 50
    batches = [replay.sample(200, np.random.default_rng(0)) for replay in replays]
    for name in ("states", "actions", "rewards", "discounts", "indices"):
        np.testing.assert_array_equal(*(getattr(batch, name) for batch in batches), err_msg=name)
    ended = batches[0].discounts == 0
    np.testing.assert_array_equal(*(batch.next_states[~ended] for batch in batches))
    assert 0 < ended.sum() < 200
    for replay in replays:
        replay.close()


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("delay", [1, 3, 5])
def test_demonstrations_tell_a_late_head_what_a_run_tells_it(delay, newest):
    """Every moment of a virtual run with late binding, but for those before the first decision of an episode."""
    chance, space = np.random.default_rng(delay), spaces.Discrete(2)

    class Kept(Noted):
        def __init__(self):
            super().__init__()
            self.moments = []

        def ticked(self, moment):
            super().ticked(moment)
            self.moments.append(moment)

    kept = Kept()
    hocket.run(
        gym.make("CartPole-v1"),
        hocket.TwoStage(
            lambda observation: observation,
            lambda features, *told: int(chance.integers(2)),
            pending=3,
            newest=newest,
            delay_told=newest,
        ),
        hocket.TickDispatch(delay),
        hocket.Virtual(hz=50, latency=hocket.Constant((delay - 0.25) / 50)),
        ticks=300,
        default=hocket.RepeatLast(),
        listener=kept,
    )
    ticks, shown = kept.demonstrations()
    assert shown.episodes >= 4
    compared = 0
    for own, told in zip(kept.moments, shown.moments(delay, told=space, pending=3, newest=newest), strict=False):
        assert (own.tick, own.action, own.decided_on) == (told.tick, told.action, told.decided_on)
        if own.decided_on >= 0 or newest:
            assert own.pending_actions.tolist() == told.pending_actions.tolist(), own.tick
            assert own.newest == told.newest
            compared += 1
        if own.final_observation is not None and own.final_decided_on >= 0:
            assert (own.final_decided_on, own.final_newest) == (told.final_decided_on, told.final_newest)
            assert own.final_pending_actions.tolist() == told.final_pending_actions.tolist()
    assert compared > ticks // 2


def test_played_saved_and_read(tmp_path):
    env = gym.make("CartPole-v1")
    shown = hocket.demonstrate(env, lambda observation: int(observation[2] > 0), episodes=3, seed=4)
    observation, _ = env.reset(seed=4)
    np.testing.assert_array_equal(shown.observations[0], observation)
    assert shown.episodes == 3 and shown.returns.tolist() == np.diff([-1, *np.flatnonzero(shown.ended)]).tolist()
    again = hocket.Demonstrations.load(shown.save(tmp_path / "shown.npz"))
    for name in ("observations", "actions", "rewards", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(again, name), getattr(shown, name))
        assert getattr(again, name).dtype == getattr(shown, name).dtype
    assert list(tmp_path.iterdir()) == [tmp_path / "shown.npz"]


def test_the_longest_is_truncated():
    shown = hocket.demonstrate(gym.make("CartPole-v1"), lambda observation: 0, episodes=50, most_ticks=25)
    assert len(shown.actions) == 25 and shown.truncated.sum() == 1 and shown.truncated[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.zeros(4)}, "rewards of 4 ticks, actions of 5"),
        ({"truncated": np.zeros(5, bool)}, "whole episodes"),
        ({"observations": np.zeros((5, 1))}, "5 observations do not fit 5 ticks of 2 episodes: give 7"),
    ],
)
def test_arrays_that_do_not_fit(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        two_episodes(**changes)


class Lists(gym.Env):
    """Gives lists, and rewards as arrays of one number."""

    observation_space = spaces.Box(0, 9, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ticks = 0
        return [0, 1], {}

    def step(self, action):
        self.ticks += 1
        return [self.ticks, 1], np.array([float(action)]), self.ticks == 2, False, {}


def test_values_of_environments_are_checked_as_in_a_run():
    shown = hocket.demonstrate(Lists(), lambda observation: 1, episodes=1)
    assert shown.observations.tolist() == [[0, 1], [1, 1], [2, 1]] and shown.observations.dtype == np.float32
    assert shown.rewards.tolist() == [1.0, 1.0]
    longer = Lists()
    longer.step = lambda action: ([1, 1], np.nan, False, False, {})
    with pytest.raises(EnvError, match="reward nan of Lists is not a finite number"):
        hocket.demonstrate(longer, lambda observation: 1, episodes=1)


class Ending(Lists):
    """Ends itself by ``end`` in step ``at``, as counted over episodes of two ticks."""

    def __init__(self, at, end):
        self.left, self.end = at, end

    def step(self, action):
        self.left -= 1
        if not self.left:
            self.end()
        return super().step(action)


def fail():
    raise OSError("no camera")


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_finished_episodes_outlive_an_error_and_a_signal(number):
    end = fail if number is None else (lambda: os.kill(os.getpid(), number))
    usual = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError if number is None else hocket.RunInterrupted) as ended:
        hocket.demonstrate(Ending(6, end), lambda observation: 1, episodes=9)
    shown = ended.value.result
    assert shown.episodes == 2 and shown.returns.tolist() == [2, 2]
    assert shown.observations.tolist() == [[0, 1], [1, 1], [2, 1]] * 2
    if number is None:
        assert ended.value.__notes__ == ["hocket: the episodes finished before (2) are in .result of this error"]
    else:
        assert ended.value.signal == number
    assert signal.getsignal(signal.SIGTERM) is usual
    # Without a whole episode there is nothing to keep.
    with pytest.raises(OSError if number is None else KeyboardInterrupt) as ended:
        hocket.demonstrate(Ending(2, end), lambda observation: 1, episodes=9)
    assert not hasattr(ended.value, "result")


def test_files_that_hold_none(tmp_path):
    with pytest.raises(ConfigurationError, match="is not there"):
        hocket.Demonstrations.load(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", actions=np.zeros(3))
    whole = two_episodes().save(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "other", "cut"):
        with pytest.raises(ConfigurationError, match=f"{name}.npz holds no demonstrations"):
            hocket.Demonstrations.load(tmp_path / f"{name}.npz")


class Boxes(gym.Env):
    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Box(0, 1, (1,))


def test_invalid_demonstrations_are_refused():
    with pytest.raises(ConfigurationError, match="Discrete actions"):
        hocket.demonstrate(Boxes(), lambda observation: 0, episodes=1)
    with pytest.raises(ConfigurationError, match="episodes=0"):
        hocket.demonstrate(gym.make("CartPole-v1"), lambda observation: 0, episodes=0)
