"""A restored copy follows the environment of a run after a checkpoint."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch

import hocket
from hocket.drivers.run_setup import RunSetup
from hocket.envs.state import global_states
from hocket.learn.algorithms.dqn import DQN
from hocket.models.qnetwork import mlp_trunk, q_network
from hocket.spaces.codec import ActionCodec
from hocket.training.options import Checkpoints
from hocket.training.shadow import Shadow
from hocket.training.training import train

CHANCE = np.random.default_rng(0)
SIMULATIONS = set()
"""A generator and handles of a module, which no snapshot holds."""


class Counting(gym.Env):
    """Episodes of 30 steps; rewards from its own generator, or from ``draw`` after ``late`` steps of its life."""

    observation_space = gym.spaces.Box(0, 1000, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, draw=None, late=0):
        self.draw, self.late = draw, late
        self.steps = self.life = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        self.life += 1
        reward = self.np_random.random() if self.draw is None or self.life <= self.late else self.draw()
        return np.array([self.steps, action], np.float32), reward, False, self.steps == 30, {}


class Backed(gym.Wrapper):
    """Rewards by the innermost environment, to which it keeps a reference of its own."""

    def __init__(self, env):
        super().__init__(env)
        self.base = env.unwrapped

    def step(self, action):
        observation, _, *rest = self.env.step(action)
        return observation, float(self.base.life), *rest


def of_the_module():
    return CHANCE.random()


def of_the_process():
    return np.random.random()


def backed():
    return Backed(Counting())


def late():
    return Counting(of_the_module, late=420)  # later than anything that is compared before the training


def process_wide():
    return Counting(of_the_process)


def followed(make_env, ticks=40):
    """The difference that a shadow finds in the ticks after tick 20, over an end of an episode."""
    env = make_env()
    setup = RunSetup(
        env=env,
        policy=hocket.FunctionPolicy(lambda observation: int(observation[0]) % 2),
        rule=hocket.TickDispatch(2),
        default=hocket.Fixed(0).bind(env.action_space, np.random.default_rng(0)),
        codec=ActionCodec(env.action_space),
        seed=5,
    )
    run = hocket.Virtual(hz=50, latency=hocket.Constant(0.03)).begin(setup)
    run.play(20)
    shadow = Shadow(run.stepper, make_env)
    for tick in range(21, 21 + ticks):
        chance = global_states()
        run.play(tick)
        left = global_states()
        shadow.follow(chance)
        assert all(np.array_equal(left[name][1], global_states()[name][1]) for name in ("random", "numpy"))
        if shadow.difference is not None:
            break
    return shadow.difference


@pytest.mark.parametrize("make_env", [Counting, backed, process_wide])
def test_environments_restored_bit_for_bit_do_not_differ(make_env):
    assert followed(make_env) is None


def test_the_first_difference_is_named_with_its_tick():
    difference = followed(lambda: Counting(of_the_module, late=25))
    assert difference.startswith("a restored copy of <Counting instance> gives another reward (")
    assert "at tick 26; state in attributes and chance from self.np_random can be saved" in difference


class Registered(Counting):
    """Steps, from its tenth step on, a simulation that the module keeps for it."""

    def step(self, action):
        if self.life == 10:
            SIMULATIONS.add(id(self))
        if self.life > 10 and id(self) not in SIMULATIONS:
            raise RuntimeError("no such simulation")
        return super().step(action)


def test_a_copy_that_lacks_what_a_step_needs_differs():
    assert "raises RuntimeError when it is stepped: no such simulation" in followed(Registered)


def trained(make_env, folder, *, ticks=520, every_ticks=400, resume=None):
    torch.manual_seed(0)
    return train(
        make_env,
        q_network(*mlp_trunk(2, hidden=4), 2),
        DQN(batch_size=4, target_ticks=50),
        hocket.TickDispatch(2),
        hocket.Virtual(hz=50, latency=hocket.Constant(0.03), learning=hocket.Constant(0.1)),
        ticks=ticks,
        learner=hocket.RoundRobin(1, warm_up_ticks=450),
        replay=hocket.ReplayOptions(capacity=600),
        evaluation=hocket.EvaluationOptions(episodes=0),
        seed=0,
        checkpoints=Checkpoints(folder, every_ticks=every_ticks),
        resume=resume,
    )


def test_a_checkpoint_that_does_not_resume_bit_for_bit_says_so(tmp_path):
    with pytest.warns(RuntimeWarning, match=r"000000400 does not resume bit for bit, .*: a restored .*at tick 421"):
        trained(late, tmp_path)
    # Later ones are made where an episode begins: episodes end at ticks 30, 60, ….
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000400"]
    assert "gives another reward" in (tmp_path / "000000400" / "not-bit-for-bit.txt").read_text()
    with pytest.warns(RuntimeWarning, match="000000400 does not resume bit for bit: a restored copy"):
        trained(late, tmp_path / "second", resume=tmp_path, every_ticks=10_000)


def test_a_checkpoint_that_resumes_bit_for_bit_has_no_mark(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = trained(backed, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000400", "000000520"]
    assert not list(tmp_path.glob("*/not-bit-for-bit.txt"))
    resumed = trained(backed, tmp_path / "second", resume=tmp_path / "000000400")
    assert resumed.run.record.rewards == whole.run.record.rewards
