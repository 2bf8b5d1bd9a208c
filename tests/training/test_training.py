import gymnasium as gym
import numpy as np
import pytest
from recording_instruments import Notes

import hocket
from hocket.errors import ConfigurationError

torch = pytest.importorskip("torch")

from hocket.learn.algorithms.dqn import DQN  # noqa: E402
from hocket.models.qnetwork import mlp_trunk, q_network  # noqa: E402


class Guess(gym.Env):
    """Shows 0 or 1; answering it pays 1 each tick. Episodes of 10 ticks."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        self._ticks = 0
        self._shown = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks = 0
        return self._show(), {}

    def step(self, action):
        reward = float(action == self._shown)
        self._ticks += 1
        return self._show(), reward, False, self._ticks == 10, {}

    def _show(self):
        self._shown = int(self.np_random.integers(2))
        return np.array([self._shown], np.float32)


def learn(seed=0, **options):
    torch.manual_seed(seed)
    known = {
        "ticks": 1200,
        "learner": hocket.RoundRobin(1, update_every_ticks=1, warm_up_ticks=100),
        "evaluation": hocket.EvaluationOptions(every_ticks=400, episodes=5),
        "seed": seed,
    }
    return hocket.train(
        Guess,
        q_network(*mlp_trunk(1, hidden=16), 2),
        DQN(gamma=0.9, learning_rate=3e-3, target_ticks=50),
        hocket.TickDispatch(2),
        hocket.Virtual(hz=60, latency=hocket.Constant(0.01)),
        **{**known, **options},
    )


@pytest.mark.slow
def test_it_learns_to_say_it_back():
    result = learn()
    # Delay 1: a policy that has learned is right on each of the ten ticks.
    assert result.final.mean == 10
    assert len(result.final.returns) == 5
    assert [evaluation.tick for evaluation in result.evaluations] == [0, 400, 800, 1200]
    assert result.updates == len(result.losses) == 1200 - 100 + 1  # one a tick from tick 100 on
    assert result.run.summary().coverage == 1


@pytest.mark.slow
def test_the_same_seed_learns_the_same():
    evaluation = hocket.EvaluationOptions(every_ticks=300, episodes=5)
    first, again = learn(ticks=600, evaluation=evaluation), learn(ticks=600, evaluation=evaluation)
    assert first.losses == again.losses
    assert first.run.record.actions == again.run.record.actions
    assert [list(e.returns) for e in first.evaluations] == [list(e.returns) for e in again.evaluations]


@pytest.mark.slow
def test_good_enough_ends_it():
    notes = Notes()
    evaluation = hocket.EvaluationOptions(every_ticks=400, episodes=5, good_enough=9.5)
    result = learn(ticks=100_000, evaluation=evaluation, instruments=[notes])
    assert result.evaluations[-1].mean >= 9.5
    assert 0 < result.run.summary().ticks == result.evaluations[-1].tick < 100_000
    assert notes.evaluations == [(each.tick, each.mean) for each in result.evaluations]


def test_unlearnable_problems_are_refused():
    network = q_network(*mlp_trunk(3, hidden=8), 2)
    virtual = hocket.Virtual(hz=20, latency=hocket.Constant(0.01))
    with pytest.raises(ConfigurationError, match="Discrete"):
        hocket.train(lambda: gym.make("Pendulum-v1"), network, DQN(), hocket.TickDispatch(2), virtual, ticks=10)
    with pytest.raises(ConfigurationError, match=r"training needs observations of one Box, and .* try .*FlattenObs"):
        hocket.train(lambda: gym.make("FrozenLake-v1"), network, DQN(), hocket.TickDispatch(2), virtual, ticks=10)
    with pytest.raises(ConfigurationError, match="clock=5 is not a clock"):
        hocket.train(Guess, network, DQN(), hocket.TickDispatch(2), 5, ticks=10)


@pytest.mark.slow
def test_frames_of_a_stack_are_kept_once_and_nothing_changes():
    def stacked():
        return gym.wrappers.FrameStackObservation(Guess(), 3)

    def played(frame_stack):
        torch.manual_seed(0)
        network = q_network(*mlp_trunk(3), 2)
        algorithm = DQN(n_step=2, batch_size=8)
        clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
        return hocket.train(
            stacked,
            network,
            algorithm,
            hocket.TickDispatch(2),
            clock,
            ticks=300,
            learner=hocket.RoundRobin(1, warm_up_ticks=60),
            replay=hocket.ReplayOptions(frame_stack=frame_stack),
            evaluation=hocket.EvaluationOptions(every_ticks=200, episodes=1),
        )

    whole, once = played(1), played(3)
    assert whole.updates == 61
    assert list(whole.losses) == list(once.losses)
    with pytest.raises(ConfigurationError, match="frame_stack=4, and observations have the shape"):
        played(4)


@pytest.mark.parametrize(
    ("make_env", "message"),
    [
        (lambda: gym.make("CartPole-v1"), r"frame_stack=4, and the frames of an episode's first observation differ"),
        (
            lambda: gym.wrappers.FrameStackObservation(gym.make("CartPole-v1"), 4, padding_type="zero"),
            r"first observation differ; the first frame repeated is allowed; try .*padding_type 'reset'",
        ),
    ],
)
@pytest.mark.parametrize(
    "clock",
    [
        hocket.Virtual(hz=50, latency=hocket.Constant(0.01)),
        pytest.param(hocket.Realtime(hz=100, executor="threads"), marks=pytest.mark.realtime),
    ],
)
def test_observations_that_are_no_stacks_are_refused(make_env, message, clock):
    width = int(np.prod(make_env().observation_space.shape))
    network = q_network(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(width, 8)), 8, 2)
    options = {
        "ticks": 50,
        "learner": hocket.RoundRobin(1, warm_up_ticks=10),
        "replay": hocket.ReplayOptions(frame_stack=4),
    }
    with pytest.raises(ConfigurationError, match=message):
        hocket.train(make_env, network, DQN(), hocket.TickDispatch(2), clock, **options)
