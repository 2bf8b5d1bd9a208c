"""hocket's own cartridges through the registered environments."""

import pickle
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import hocket
from hocket.core.cadence import exact_hz
from hocket.envs import make_env, natural_spec
from hocket.envs.gameboy.blocks_expert import BlocksExpert
from hocket.envs.gameboy.roms import BLOCKS, DUEL, read_rom
from hocket.envs.state import restore, snapshot
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import impala_trunk, q_network

OWN = ("hocket/Blocks-v0", "hocket/Duel-v0", "hocket/Catch-v0")
NONE = 6


@pytest.mark.parametrize("path", [BLOCKS, DUEL], ids=lambda path: path.name)
def test_the_cartridges_are_whole(path):
    assert len(read_rom(path).data) == 32 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("id", OWN)
def test_they_are_what_gymnasium_asks_for(id):
    env = gym.make(id, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.spec.max_episode_steps == 108_000
    env.close()


@pytest.mark.parametrize("id", OWN)
def test_every_game_has_its_id_rate_and_frame_axis(id):
    assert natural_spec(id).hz == exact_hz("59.7275") and natural_spec(id).default == NONE
    for frames in (1, 4):
        env = pickle.loads(pickle.dumps(partial(make_env, id, frame_stack=frames)))()
        assert env.observation_space.shape == (frames, 84, 84)
        assert env.reset(seed=0)[0].shape == (frames, 84, 84)
        env.close()


def played(env, actions):
    seen = [env.reset(seed=5)[0].tobytes()]
    for action in actions:
        observation, reward, terminated, _, _ = env.step(action)
        seen.append((observation.tobytes(), reward, terminated))
        if terminated:
            seen.append(env.reset()[0].tobytes())
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("id", OWN)
def test_the_seed_decides_the_game_and_another_seed_gives_another(id):
    actions = np.random.default_rng(0).integers(7, size=100).repeat(4)
    env = make_env(id)
    once = played(env, actions)
    assert played(env, actions) == once, "in the same one"
    other = make_env(id)
    assert played(other, actions) == once, "in a new one"
    assert len(set(once)) > 50
    openings = set()
    for seed in range(6):
        env.reset(seed=seed)
        for _ in range(300):
            observation = env.step(0)[0]
        openings.add(observation.tobytes())
    assert len(openings) > 1
    env.close()
    other.close()


def test_blocks_counts_the_lines_that_its_memory_counts():
    env = make_env("hocket/Blocks-v0")
    env.reset(seed=0)
    expert, cleared = BlocksExpert(env.unwrapped.read), []
    while len(cleared) < 6000 and (not cleared or cleared[-1] < 3):
        cleared.append(env.step(expert())[4]["lines_cleared"])
    assert cleared[0] == 0 and cleared[-1] >= 3 and cleared == sorted(cleared)
    assert env.unwrapped.read(0xFF9E, 2) == bytes([cleared[-1], 0])
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("id", OWN)
def test_each_continues_from_a_snapshot(id):
    env = make_env(id, frame_stack=2)
    actions = np.random.default_rng(1).integers(7, size=100).repeat(5)
    played(env, actions[:200])
    state = snapshot(env)
    new = make_env(id, frame_stack=2)
    restore(new, state)
    for action in actions[200:]:
        ours, theirs = env.step(action), new.step(action)
        assert np.array_equal(ours[0], theirs[0]) and ours[1:] == theirs[1:]
        assert env.unwrapped.read(0xC000, 0x2000) == new.unwrapped.read(0xC000, 0x2000)
    env.close()
    new.close()


@pytest.mark.parametrize(
    "clock",
    [
        hocket.Virtual(hz=59.7275, latency=hocket.Constant(0.03)),
        pytest.param(hocket.Realtime(hz=240, executor="threads"), marks=[pytest.mark.realtime, pytest.mark.alone]),
    ],
)
@pytest.mark.parametrize("id", OWN)
def test_both_drivers_run_them(id, clock):
    env = make_env(id, frame_stack=2)
    policy = hocket.FunctionPolicy(lambda observation: int(observation[-1].sum()) % 6)
    result = hocket.run(env, policy, hocket.TickDispatch(2), clock, ticks=90, seed=0)
    env.close()
    actions = [int(action) for action in result.record.actions]
    assert len(actions) == 90 and result.summary().coverage > 0.5
    if isinstance(clock, hocket.Virtual):
        assert actions[0] == NONE, "the first inference takes two ticks; until then no button"


def short_blocks():
    return gym.wrappers.TimeLimit(make_env("hocket/Blocks-v0", frame_stack=2), 50)


@pytest.mark.slow
def test_a_resumed_training_has_the_same_result(tmp_path):
    """In virtual time, bit for bit, from the middle of an episode of Blocks."""

    def train(ticks, **more):
        torch.manual_seed(0)
        network = q_network(*impala_trunk(1 / 16, frames=2), 7)
        result = hocket.train(
            short_blocks,
            network,
            DQN(batch_size=4),
            hocket.TickDispatch(2),
            hocket.Virtual(hz=59.7275, latency=hocket.LogNormal(0.03, 0.3)),
            ticks=ticks,
            learner=hocket.RoundRobin(1, update_every_ticks=8, warm_up_ticks=20),
            acting=hocket.ActingOptions(epsilon=Linear(1.0, 0.1, 80)),
            replay=hocket.ReplayOptions(capacity=500, frame_stack=2),
            evaluation=hocket.EvaluationOptions(episodes=1),
            seed=3,
            **more,
        )
        return {name: weights.clone() for name, weights in result.network.state_dict().items()}, result.updates

    whole, updates = train(120)
    assert updates > 10
    train(60, checkpoints=hocket.Checkpoints(tmp_path, every_ticks=60))
    resumed, _ = train(120, resume=tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
