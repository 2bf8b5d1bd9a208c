"""`hocket.train` with continuous actions: under both clocks, resumed, by learners of every kind."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from recording_instruments import Notes

import hocket
from hocket.errors import ConfigurationError
from hocket.training.options import Checkpoints

torch = pytest.importorskip("torch")

from hocket.learn.algorithms.dqn import DQN  # noqa: E402
from hocket.learn.algorithms.sac import SAC  # noqa: E402
from hocket.learn.algorithms.schedules import constant  # noqa: E402
from hocket.models.actor_and_critics import actor_critic, vector_trunk  # noqa: E402
from hocket.models.qnetwork import mlp_trunk, q_network  # noqa: E402

HZ = 50


class Aim(gym.Env):
    """A point drifts; the action is to equal it, in units of its own. Episodes of 25 ticks; the best return is 0."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(np.array([0.0], np.float32), np.array([10.0], np.float32))

    def __init__(self):
        self.seen = []

    def _show(self):
        self._at = float(np.clip(self._at + self.np_random.uniform(-0.1, 0.1), -1, 1))
        return np.array([self._at, self._ticks / 25], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks, self._at = 0, float(self.np_random.uniform(-1, 1))
        return self._show(), {}

    def step(self, action):
        self._ticks += 1
        reward = -abs(float(action[0]) - (5 + 5 * self._at))
        return self._show(), reward, False, self._ticks == 25, {}


def learn(*, ticks=400, algorithm=None, pending=2, newest=False, make_env=Aim, seed=3, **options):
    torch.manual_seed(seed)
    algorithm = algorithm or SAC(batch_size=16, learning_rate=1e-3)
    known = {
        "learner": hocket.RoundRobin(2, update_every_ticks=2, warm_up_ticks=50),
        "replay": hocket.ReplayOptions(capacity=300),
        "evaluation": hocket.EvaluationOptions(every_ticks=150, episodes=2),
        "rule": hocket.TickDispatch(4),
        "clock": hocket.Virtual(hz=HZ, latency=hocket.LogNormal(0.04, 0.5), learning=hocket.Gamma(0.1, 4.0)),
    }
    known |= options
    network = actor_critic(
        lambda: vector_trunk(2),
        Aim.action_space,
        pending=pending,
        newest=(lambda: vector_trunk(2)) if newest else None,
        undelayed=algorithm.undelayed_critic,
        hidden=(16, 16),
    )
    return hocket.train(
        make_env, network, algorithm, known.pop("rule"), known.pop("clock"), ticks=ticks, seed=seed, **known
    )


def came_to(result):
    record = result.run.record
    return (
        record.trace.rows.tobytes(),
        record.rewards.tobytes(),
        [action.tolist() for action in record.actions],
        list(result.losses),
        list(result.stalenesses),
        [(e.tick, e.returns.tolist()) for e in (*result.evaluations, result.final)],
        [value.numpy().tobytes() for value in result.network.state_dict().values()],
    )


@pytest.mark.slow
@pytest.mark.parametrize("undelayed", [False, True], ids=["delayed critic", "undelayed critic"])
def test_it_learns_to_aim_without_delay(undelayed):
    result = learn(
        ticks=1000,
        algorithm=SAC(batch_size=64, learning_rate=3e-3, gamma=0.5, undelayed_critic=undelayed),
        pending=0,
        rule=hocket.TickDispatch(1),
        clock=hocket.Virtual(hz=HZ, latency=hocket.Constant(0.001)),
        learner=hocket.RoundRobin(1, update_every_ticks=1, warm_up_ticks=100),
        evaluation=hocket.EvaluationOptions(every_ticks=500, episodes=8),
    )
    # A drift of at most 0.5 units a tick, seen before the action: the middle of the range would miss by 2.5.
    assert result.final.mean > -25 * 0.6
    assert result.updates == 1000 - 100 + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "undelayed"), [("none", True), ("actions", False), ("newest", False), ("newest", True)]
)
def test_a_resumed_training_has_the_same_result(tmp_path, head, undelayed):
    options = {
        "algorithm": SAC(batch_size=16, undelayed_critic=undelayed),
        "acting": hocket.ActingOptions(late_binding=head == "actions"),
        "newest": head == "newest",
    }
    whole = learn(**options)
    learn(**options, ticks=250, checkpoints=Checkpoints(tmp_path, every_ticks=120))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000240", "000000250"]
    for began in (tmp_path, tmp_path / "000000240"):
        assert came_to(learn(**options, resume=began)) == came_to(whole)
    assert whole.updates > 100 and sum(whole.stalenesses) > 0


@pytest.mark.parametrize(
    "learner",
    [
        hocket.ParallelBatch(2, update_every_ticks=4, warm_up_ticks=50),
        hocket.RoundRobin(3, update_every_ticks=3, warm_up_ticks=50),
    ],
)
def test_learners_share_the_work(learner):
    result = learn(ticks=150, learner=learner, evaluation=hocket.EvaluationOptions(episodes=0))
    assert result.updates > 15 and np.isfinite(result.losses).all()
    assert (max(result.stalenesses) > 0) == isinstance(learner, hocket.RoundRobin)


def test_instruments_see_the_temperature():
    for algorithm, expected in ((SAC(batch_size=16, temperature=0.25), 0.25), (SAC(batch_size=16), None)):
        notes = Notes()
        result = learn(
            ticks=150, algorithm=algorithm, instruments=[notes], evaluation=hocket.EvaluationOptions(episodes=0)
        )
        temperature = notes.progresses[-1].learner.temperature
        expected = expected or result.network.log_temperature.detach().exp().item()
        assert temperature == pytest.approx(expected)
        assert notes.progresses[-1].scalars()["learning/temperature"] == temperature


def test_the_classical_loop():
    result = learn(
        ticks=300,
        learner=hocket.InLoop(warm_up_ticks=50),
        rule=hocket.Sequential(hocket.Learn.AFTER_INFERENCE),
        pending=0,
        evaluation=hocket.EvaluationOptions(episodes=0),
    )
    assert result.updates > 15


def test_evaluations_have_no_noise_and_training_has():
    """With one inference a tick and nothing to learn, an evaluation repeats the mean's actions."""
    played = []

    class Keeping(Aim):
        def __init__(self):
            super().__init__()
            self.mine = []
            played.append(self.mine)

        def step(self, action):
            self.mine.append((round(self._at, 5), float(action[0])))
            return super().step(action)

    with pytest.warns(RuntimeWarning, match="the first update is due at tick 100"):
        result = learn(
            ticks=60,
            make_env=Keeping,
            learner=hocket.RoundRobin(1, update_every_ticks=100, warm_up_ticks=20),
            pending=0,
            rule=hocket.TickDispatch(1),
            clock=hocket.Virtual(hz=HZ, latency=hocket.Constant(0.001)),
            evaluation=hocket.EvaluationOptions(every_ticks=1000, episodes=1),
        )
    (trained,) = (each for each in played if len(each) == 60)
    evaluated = [each for each in played if each][-1]
    assert result.updates == 0 and len(evaluated) == 25
    network, space = result.network, Aim.action_space
    ticks = [[at, (tick % 25) / 25] for tick, (at, _) in enumerate(evaluated)]
    with torch.inference_mode():
        means = [network.action(network(torch.tensor([seen], dtype=torch.float32)), None)[0] for seen in ticks]
    assert [action for _, action in evaluated] == pytest.approx([float(mean) for mean in means], abs=1e-3)
    first = [action for _, action in trained[:20]]
    assert min(first) < 2.5 and max(first) > 7.5  # any action at first
    assert all(space.contains(np.array([action], np.float32)) for _, action in trained)


@pytest.mark.realtime
@pytest.mark.parametrize("newest", [False, True], ids=["actions", "newest"])
def test_on_the_wall_clock(tmp_path, newest):
    notes = Notes()
    options = {
        "algorithm": SAC(batch_size=16, undelayed_critic=newest),
        "acting": hocket.ActingOptions(late_binding=not newest, charge=hocket.Constant(0.05)),
        "newest": newest,
        "clock": hocket.Realtime(hz=HZ, executor="threads"),
        "evaluation": hocket.EvaluationOptions(episodes=1, max_ticks=60),
    }
    result = learn(**options, ticks=150, checkpoints=Checkpoints(tmp_path, every_ticks=100), instruments=[notes])
    assert result.error is None and 10 <= result.updates <= 51
    # Adam moves its logarithm by about the learning rate at each update, down from 0.
    temperature = notes.progresses[-1].learner.temperature
    assert temperature == pytest.approx(np.exp(-3e-4 * result.updates), rel=3e-3) and temperature < 1
    assert np.isfinite(result.losses).all() and len(result.final.returns) == 1
    versions = result.run.metrics().inferences.version
    assert versions.max() > 0  # workers act by what was learned
    again = learn(**options, ticks=200, resume=tmp_path)
    assert again.run.record.ticks[-1] == 50 and again.updates > 0


def test_a_head_that_sees_the_newest_observation_acts_from_the_first_tick():
    result = learn(
        ticks=100,
        newest=True,
        pending=3,
        clock=hocket.Virtual(hz=HZ, latency=hocket.Constant(3.8 / HZ)),
        learner=hocket.RoundRobin(1, update_every_ticks=4, warm_up_ticks=10),
        evaluation=hocket.EvaluationOptions(episodes=0),
    )
    assert result.updates > 10 and np.isfinite(result.losses).all()
    default = Aim.action_space.low  # zero lies at the lower bound
    first = [action for tick, action in enumerate(result.run.record.actions) if tick % 25 < 3]
    assert len(first) == 12 and not any(np.array_equal(action, default) for action in first)


def test_what_does_not_fit_is_refused():
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.001))
    with pytest.raises(ConfigurationError, match="DQN needs Discrete actions, not Box"):
        hocket.train(Aim, q_network(*mlp_trunk(2), 2), DQN(), hocket.TickDispatch(1), clock, ticks=10)
    with pytest.raises(ConfigurationError, match="SAC learns an ActorCritic, not a QNetwork"):
        hocket.train(Aim, q_network(*mlp_trunk(2), 2), SAC(), hocket.TickDispatch(1), clock, ticks=10)
    network = actor_critic(lambda: vector_trunk(4), Aim.action_space)
    with pytest.raises(ConfigurationError, match="Box of floats, not Discrete"):
        hocket.train(lambda: gym.make("CartPole-v1"), network, SAC(), hocket.TickDispatch(1), clock, ticks=10)
    with pytest.raises(ConfigurationError, match="DQN learns a QNetwork, not a ActorCritic"):
        hocket.train(lambda: gym.make("CartPole-v1"), network, DQN(), hocket.TickDispatch(1), clock, ticks=10)
    with pytest.raises(ConfigurationError, match=r"made for actions from \[0\.\] to \[10\.\], not for Box\(-2"):
        hocket.train(lambda: gym.make("Pendulum-v1"), network, SAC(), hocket.TickDispatch(1), clock, ticks=10)
    with pytest.raises(ConfigurationError, match="undelayed_critic=True needs critics of the observation alone"):
        network = actor_critic(lambda: vector_trunk(2), Aim.action_space, pending=2)
        hocket.train(Aim, network, SAC(undelayed_critic=True), hocket.TickDispatch(1), clock, ticks=10)
    with pytest.raises(ConfigurationError, match="has no effect with SAC"):
        learn(acting=hocket.ActingOptions(epsilon=constant(0.1)))
    with pytest.raises(ConfigurationError, match="late_binding=True tells the network's head"):
        learn(pending=0, acting=hocket.ActingOptions(late_binding=True))
    with pytest.raises(ConfigurationError, match="algorithm=5 is no algorithm"):
        hocket.train(Aim, network, 5, hocket.TickDispatch(1), clock, ticks=10)
