"""`hocket.train(..., envs=n)`: copies of an environment in one training."""

import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from recording_instruments import Notes

import hocket
from hocket.drivers.lockstep import Lockstep
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.sac import SAC
from hocket.learn.algorithms.schedules import constant
from hocket.learn.exploration import EpsilonGreedy
from hocket.learn.policy import LearnedPolicy
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.replay import Replay
from hocket.models.actor_and_critics import actor_critic, vector_trunk
from hocket.models.qnetwork import mlp_trunk, newest_encoder, q_network
from hocket.training.options import Checkpoints
from hocket.training.setup import TrainingSetup
from hocket.training.training import train

pytestmark = pytest.mark.slow  # they train

TICKS = 900
ODD = hocket.LogNormal(0.04, 0.5)


def cartpole():
    return gym.make("CartPole-v1")


def network(kind="plain", seed=3):
    torch.manual_seed(seed)
    pending = 0 if kind == "plain" else 3
    newest = newest_encoder((4,), units=4) if kind == "newest" else None
    return q_network(*mlp_trunk(4, hidden=8), 2, pending=pending, newest=newest)


def small(*, envs=3, ticks=TICKS, make_env=cartpole, algorithm=None, kind="plain", seed=3, learning=None, **options):
    known = {
        "learner": hocket.RoundRobin(2, warm_up_ticks=60),
        "acting": hocket.ActingOptions(epsilon=constant(0.2), late_binding=kind != "plain"),
        "replay": hocket.ReplayOptions(capacity=400),
        "evaluation": hocket.EvaluationOptions(every_ticks=350, episodes=2),
    }
    return train(
        make_env,
        network(kind),
        algorithm or DQN(batch_size=8, target_ticks=80),
        hocket.TickDispatch(3),
        hocket.Virtual(hz=50, latency=ODD, learning=learning or hocket.Gamma(0.1, 4.0)),
        ticks=ticks,
        envs=envs,
        seed=seed,
        **{**known, **options},
    )


def came_to(result):
    return (
        [copy.record.trace.rows.tobytes() for copy in result.copies],
        [copy.record.rewards.tobytes() for copy in result.copies],
        [copy.record.actions for copy in result.copies],
        list(result.losses),
        list(result.stalenesses),
        [(e.tick, e.returns.tolist()) for e in (*result.evaluations, result.final)],
        [value.numpy().tobytes() for value in result.network.state_dict().values()],
    )


def seeds_of(copies, seed=3):
    return [int(np.random.SeedSequence((seed, 1, copy)).generate_state(1)[0]) for copy in range(copies)]


@pytest.mark.parametrize("kind", ["plain", "late", "newest"])
def test_each_copy_is_a_run_of_its_own_with_its_own_seed(kind):
    never = hocket.RoundRobin(warm_up_ticks=TICKS)
    with pytest.warns(RuntimeWarning, match="end before learning begins"):
        result = small(learner=never, kind=kind, evaluation=hocket.EvaluationOptions(episodes=0))
    assert len(result.copies) == 3 and result.run is result.copies[0]
    exploring, *_ = np.random.SeedSequence(3).spawn(3)
    head_s = 0.0 if kind == "plain" else 0.001
    for copy, (seed, chance) in enumerate(zip(seeds_of(3), exploring.spawn(3), strict=True)):
        made = network(kind)
        replay = Replay(400, (4,), np.float32, pending=made.pending, newest=kind == "newest")
        collector = Collector(replay, gamma=0.99)
        exploration = EpsilonGreedy(actions=2, epsilon=constant(0.2), ticks=collector, seed=chance)
        policy = LearnedPolicy(
            network=made, exploration=exploration, pending=made.pending, head_s=head_s, in_place=True
        )
        env = cartpole()
        clock = hocket.Virtual(hz=50, latency=ODD)
        alone = hocket.run(env, policy, hocket.TickDispatch(3), clock, ticks=TICKS // 3, seed=seed, listener=collector)
        env.close()
        replay.close()
        record = result.copies[copy].record
        assert record.trace.rows.tobytes() == alone.record.trace.rows.tobytes()
        assert record.actions == alone.record.actions
        assert record.rewards.tobytes() == alone.record.rewards.tobytes()
        assert result.copies[copy].config["seed"] == seed


def commands(record):
    return [commands for _, commands in record.trace.steps()]


def test_learning_leaves_the_schedule_of_each_copy_as_it_is():
    def null():
        return NullEnv((4,), dtype=np.float32, actions=2, episode_ticks=40)

    together = small(make_env=null, evaluation=hocket.EvaluationOptions(episodes=0))
    assert together.updates > 100
    for seed, copy in zip(seeds_of(3), together.copies, strict=True):
        alone = small(
            make_env=null, envs=1, ticks=TICKS // 3, seed=seed, evaluation=hocket.EvaluationOptions(episodes=0)
        )
        assert commands(copy.record) == commands(alone.run.record)


def test_ticks_count_those_of_all_copies(tmp_path):
    notes = Notes()
    result = small(
        ticks=1000, learner=hocket.RoundRobin(update_every_ticks=4, warm_up_ticks=60), instruments=[notes],
        evaluation=hocket.EvaluationOptions(every_ticks=350, episodes=1), learning=hocket.Constant(0.0),
    )  # fmt: skip
    # A thousand ticks are no multiple of three: each copy plays 334. Updates are due at 60, 64, … 1000.
    assert [len(copy.record.ticks) for copy in result.copies] == [334] * 3
    assert [each.tick for each in result.evaluations] == [0, 351, 702, 1002]
    assert result.updates == (1000 - 60) // 4 + 1
    assert notes.progresses[-1].tick == 1002
    result.save(tmp_path / "run")
    assert [each.tick for each in hocket.load(tmp_path / "run").learning.evaluations] == [0, 117, 234, 334]
    assert result.run.config["envs"] == 3 and result.run.config["ticks"] == 334


def test_updates_in_no_time_are_those_of_one_environment_with_as_many_ticks():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    common = {"learner": hocket.RoundRobin(update_every_ticks=4, warm_up_ticks=60), "seed": 1, "ticks": 600}
    algorithm, rule = DQN(batch_size=8, target_ticks=80), hocket.TickDispatch(1)
    quiet = hocket.EvaluationOptions(episodes=0)
    one, two = (
        train(cartpole, network(), algorithm, rule, clock, envs=envs, evaluation=quiet, **common) for envs in (1, 4)
    )
    assert one.updates == two.updates == (600 - 60) // 4 + 1
    assert set(two.stalenesses) == {0}
    # Observation k of four copies comes before the updates of their tick k, and after all updates due at 4·(k − 1).
    for copy in two.copies:
        inferences = copy.metrics().inferences
        expected = np.maximum(0, inferences.observation - 15)
        np.testing.assert_array_equal(inferences.version[1:-1], expected[1:-1])


@pytest.mark.parametrize("kind", ["plain", "newest"])
def test_one_copy_in_lockstep_is_the_training_of_one_environment(monkeypatch, kind):
    """Bit for bit: schedule, actions, batches, losses, evaluations and weights."""
    one = small(envs=1, kind=kind)

    def of_copies(setup):
        shape, newest = setup.env.observation_space.shape, kind == "newest"
        return ReplayOfCopies(1, setup.replay.capacity, shape, np.float32, pending=setup.network.pending, newest=newest)

    monkeypatch.setattr(TrainingSetup, "_empty_replay", of_copies)
    monkeypatch.setattr(hocket.Virtual, "begin", lambda clock, setup: Lockstep(clock, [setup]))
    assert came_to(small(envs=1, kind=kind)) == came_to(one)
    assert one.updates > 100


@pytest.mark.parametrize("kind", ["plain", "newest"])
def test_a_resumed_training_has_the_same_result(tmp_path, kind):
    whole = small(kind=kind)
    small(kind=kind, ticks=600, checkpoints=Checkpoints(tmp_path, every_ticks=250))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000501", "000000600"]
    for began in (tmp_path, tmp_path / "000000501"):
        assert came_to(small(kind=kind, resume=began)) == came_to(whole)
    assert whole.updates > 100 and sum(whole.stalenesses) > 0


@pytest.mark.parametrize("undelayed", [False, True])
def test_copies_with_continuous_actions(tmp_path, undelayed):
    space = gym.make("Pendulum-v1").action_space

    def once(**options):
        torch.manual_seed(3)
        actor = actor_critic(
            lambda: vector_trunk(3), space, pending=3, newest=lambda: vector_trunk(3), undelayed=undelayed, hidden=(8,)
        )
        return train(
            lambda: gym.make("Pendulum-v1"),
            actor,
            SAC(batch_size=8, undelayed_critic=undelayed),
            hocket.TickDispatch(3),
            hocket.Virtual(hz=20, latency=hocket.Constant(0.12)),
            **{"ticks": 240, **options},
            envs=3,
            seed=3,
            learner=hocket.RoundRobin(update_every_ticks=3, warm_up_ticks=90),
            replay=hocket.ReplayOptions(capacity=200),
            evaluation=hocket.EvaluationOptions(every_ticks=120, episodes=1),
        )

    whole = once()
    assert whole.updates == (240 - 90) // 3 + 1
    assert len({copy.record.trace.rows.tobytes() for copy in whole.copies}) == 1  # equal durations, equal schedules
    actions = [np.stack(copy.record.actions) for copy in whole.copies]
    assert not (actions[0] == actions[1]).all() and not (actions[1] == actions[2]).all()
    once(ticks=150, checkpoints=Checkpoints(tmp_path))
    assert came_to(once(resume=tmp_path)) == came_to(whole)


class Match(gym.Env):
    """Pays 1 for the number that it shows, and tells what it was asked."""

    observation_space = gym.spaces.Box(0, 1, (4,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ticks = 0
        return self._show(), {}

    def step(self, action):
        self.ticks += 1
        reward = 7.0 * (action == self.shown)
        return self._show(), reward, False, self.ticks == 20, {}

    def _show(self):
        self.shown = int(self.np_random.integers(2))
        return np.eye(4, dtype=np.float32)[self.shown]


def test_copies_with_demonstrations_and_clipped_rewards():
    shown = hocket.demonstrate(Match(), lambda observation: int(observation.argmax()), episodes=4)
    batches = []

    class Noting(ImitatingDQN):
        def gradients(self, online, target, batch, **options):
            batches.append(batch)
            return super().gradients(online, target, batch, **options)

    result = small(
        make_env=Match,
        algorithm=Noting(batch_size=8, target_ticks=80, n_step=1),
        demonstrations=hocket.DemonstrationOptions(shown, share=0.25),
        replay=hocket.ReplayOptions(capacity=400, clip_reward=1.0),
        evaluation=hocket.EvaluationOptions(episodes=0),
    )
    assert result.updates > 100
    assert all(batch.demonstrated.sum() == 2 for batch in batches)
    # Each tick counts 1 at most, and a transition spans as many ticks as its discount says.
    ticks = np.concatenate([np.log(batch.discounts) / np.log(0.99) for batch in batches])
    rewards = np.concatenate([batch.rewards for batch in batches])
    assert (rewards <= ticks + 1e-3).all() and rewards.max() >= 1
    assert max(max(copy.record.rewards) for copy in result.copies) == 7


def test_a_checkpoint_of_another_number_of_copies_is_refused(tmp_path):
    small(ticks=100, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(hocket.CheckpointError, match="its envs is 3, this run's is 2"):
        small(envs=2, resume=tmp_path)


class Closed(gym.Wrapper):
    """Cannot be saved in the middle of an episode."""

    def __init__(self, env):
        super().__init__(env)
        self.window = (i for i in range(3))


def test_what_it_refuses(tmp_path):
    with pytest.raises(ConfigurationError, match="envs=0 must be a whole number from 1; try envs=8"):
        small(envs=0)
    with pytest.raises(ConfigurationError, match="a learner inside one loop has one environment"):
        train(
            cartpole, network(), DQN(), hocket.Sequential(learn=hocket.core.rules.Learn.AFTER_INFERENCE),
            hocket.Virtual(hz=50, latency=ODD), ticks=100, envs=2, learner=hocket.InLoop(),
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match=re.escape("alpha=0.2: a replay of copies keeps no priorities")):
        small(algorithm=Rainbow())
    with pytest.raises(ConfigurationError, match="envs=2: on the wall clock a training has one environment"):
        train(cartpole, network(), DQN(), hocket.TickDispatch(1), hocket.Realtime(hz=50), ticks=100, envs=2)
    same = cartpole()
    with pytest.raises(ConfigurationError, match=r"the same CartPole-v1 object twice, and envs=3 copies play"):
        small(make_env=lambda: same)
    sizes = iter((cartpole(), gym.make("Acrobot-v1")))
    with pytest.raises(ConfigurationError, match="made copies with observation_space"):
        small(envs=2, make_env=lambda: next(sizes))
    with (
        pytest.warns(RuntimeWarning, match="cannot be saved in the middle"),
        pytest.raises(ConfigurationError, match="checkpoints of envs=3 copies need environments that can be saved"),
    ):
        small(make_env=lambda: Closed(cartpole()), checkpoints=Checkpoints(tmp_path))
