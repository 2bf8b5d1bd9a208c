"""Actions of a Box in the replay, and the observations that were newest when actions were executed."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.errors import ConfigurationError
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.replay import Replay
from hocket.policies.base import FunctionPolicy

GAMMA = 0.5


class Every:
    """A generator that draws every transition once."""

    def integers(self, low, high, size):
        return np.arange(high - size, high)


def everything(replay):
    return replay.sample(len(replay), Every())


def test_one_transition_by_hand():
    replay = Replay(8, (2,), np.float32, pending=1, action_size=2, present=True)
    for tick in range(5):
        replay.add_frame(tick, np.full(2, 10 + tick, np.float32))
    # Decided from observation 0, executed at tick 3, when 2 was the newest; then from 1, executed at 4.
    replay.add_transition(
        0,
        np.array([[0.25, -3.5]]),
        reward=1.5,
        discount=0.5,
        next_tick=1,
        pending=np.array([[1.5, 2.5, 1.0]]),
        next_pending=np.array([[0.0, 0.0, 0.0]]),
        present_tick=2,
        next_present_tick=3,
    )
    batch = replay.sample(1, np.random.default_rng(0))
    assert (batch.actions.tolist(), batch.actions.dtype) == ([[0.25, -3.5]], np.float32)
    assert (batch.pending.tolist(), batch.next_pending.tolist()) == ([[[1.5, 2.5, 1.0]]], [[[0.0, 0.0, 0.0]]])
    shown = [getattr(batch, name)[0, 0] for name in ("states", "present", "next_states", "next_present")]
    assert shown == [10, 12, 11, 13]


class Ticking(gym.Env):
    """Observes the tick of the run; pays its square; episodes of 7 ticks, each other one terminated."""

    observation_space = spaces.Box(0, 1000, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self):
        self.tick = 0

    def _show(self):
        return np.array([self.tick], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._show(), {}

    def step(self, action):
        self.tick += 1
        ended = self.tick % 7 == 0
        terminated = ended and self.tick % 2 == 0
        return self._show(), float(self.tick**2), terminated, ended and not terminated, {}


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("workers", [4, 2], ids=["each tick", "each other tick"])
def test_undelayed_transitions_are_what_happened(workers, late, n_step):
    """From the observation before a decision's tick to the one before the next decision's, whatever it was told."""
    replay = Replay(500, (1,), np.float32, pending=3, action_size=2, present=True)
    told = {}

    def act(observation, pending_actions):
        told[int(observation[0])] = pending_actions.tolist()
        return np.array([observation[0] % 8 / 8, -(observation[0] % 16) / 16], np.float32)

    policy = FunctionPolicy(act, pending=3)
    if late:
        policy = hocket.TwoStage(lambda observation: observation.copy(), act, pending=3, head_s=0.001)
    result = hocket.run(
        Ticking(),
        policy,
        hocket.TickDispatch(workers, min_delay_ticks=4),
        hocket.Virtual(hz=50, latency=hocket.Constant(3.8 / 50)),
        ticks=200,
        listener=Collector(replay, gamma=GAMMA, n_step=n_step),
    )
    columns = result.metrics().ticks
    decided = {
        int(tick): int(delay) for tick, delay in zip(columns.tick, columns.delay_ticks, strict=True) if delay > 0
    }
    actions = dict(zip(result.record.ticks, result.record.actions, strict=True))
    batch = everything(replay)
    assert len(batch.actions) > 40
    for row in range(len(batch.actions)):
        present = int(batch.present[row, 0])
        tick = present + 1
        assert tick in decided
        end = (tick + 6) // 7 * 7
        until = [other for other in decided if tick < other <= end]
        after = until[n_step - 1] - 1 if len(until) >= n_step else end  # the newest one when the next one is executed
        assert batch.next_present[row, 0] == after
        assert batch.actions[row].tolist() == actions[tick].tolist()
        assert batch.states[row, 0] == tick - decided[tick]
        assert batch.pending[row].tolist() == told[tick - decided[tick]]
        ticks = np.arange(tick, after + 1)
        assert batch.rewards[row] == pytest.approx((GAMMA ** (ticks - tick) * ticks**2).sum(), rel=1e-6)
        terminated = after == end and end % 2 == 0 and len(until) < n_step
        assert batch.discounts[row] == (0 if terminated else GAMMA ** len(ticks))


def test_a_restored_replay_continues_alike():
    options = {"pending": 2, "action_size": 3, "present": True}
    replay = Replay(8, (1,), np.float32, **options)
    rng = np.random.default_rng(0)
    for tick in range(30):
        replay.add_frame(tick, np.array([tick], np.float32))
        if tick > 3:
            replay.add_transition(
                tick - 3,
                rng.random(3),
                reward=0.0,
                discount=1.0,
                next_tick=tick - 2,
                pending=rng.random((2, 4)),
                next_pending=rng.random((2, 4)),
                present_tick=tick - 1,
                next_present_tick=tick,
            )
    again = Replay(8, (1,), np.float32, **options)
    again.restore(replay.snapshot())
    one, other = everything(replay), everything(again)
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in type(one).__dataclass_fields__)
    assert one.present[:, 0].tolist() == list(range(21, 29))


def test_without_need_they_take_no_room():
    plain, present = (Replay(1000, (4,), np.float32, action_size=1, present=flag) for flag in (False, True))
    assert present.bytes_per_transition - plain.bytes_per_transition == pytest.approx(16, abs=1)
    plain.add_frame(0, np.zeros(4, np.float32))
    plain.add_frame(1, np.zeros(4, np.float32))
    plain.add_transition(0, np.zeros(1), reward=0, discount=1, next_tick=1, present_tick=0, next_present_tick=1)
    assert plain.sample(1, np.random.default_rng(0)).present.size == 0


def test_bad_input():
    replay = Replay(8, (1,), np.float32, pending=2, action_size=2, present=True)
    for tick in range(4):
        replay.add_frame(tick, np.zeros(1, np.float32))

    def add(action=(0.0, 0.0), **options):
        replay.add_transition(1, np.array(action), reward=0, discount=1, next_tick=2, **options)

    with pytest.raises(ConfigurationError, match=r"a replay of 2 elements an action"):
        add([0.0])
    with pytest.raises(ConfigurationError, match=r"as many finite numbers are allowed"):
        add([0.0, np.nan])
    with pytest.raises(ConfigurationError, match=r"an array of shape \(2, 3\)"):
        add(pending=np.zeros((1, 3)))
    with pytest.raises(ConfigurationError, match=r"present_tick=0 is older than its decision's own"):
        add(present_tick=0)
    with pytest.raises(ConfigurationError, match=r"action_size=-1 must be a whole number from 0"):
        Replay(8, (1,), action_size=-1)
    assert len(replay) == 0
