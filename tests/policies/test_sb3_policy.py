import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from torch import nn

import hocket
from hocket.errors import CancelledError, ConfigurationError
from hocket.policies import SB3Policy, cancellation

sb3 = pytest.importorskip("stable_baselines3")
vec_env = pytest.importorskip("stable_baselines3.common.vec_env")
BaseFeaturesExtractor = pytest.importorskip("stable_baselines3.common.torch_layers").BaseFeaturesExtractor


class Spaces(gym.Env):
    """An environment for its spaces."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


NUMBERS = Box(-3, 3, (4,))
PICTURES = Box(0, 255, (36, 40, 3), np.uint8)  # height, width, colours
ROBOT = Dict(joints=NUMBERS, mode=Discrete(3))
BUTTONS, TORQUES = Discrete(5), Box(np.float32([-2, 0]), np.float32([2, 1]))


pytestmark = pytest.mark.usefixtures("one_thread")


def model_of(algorithm, observations, actions, **options):
    name = "CnnPolicy" if observations is PICTURES else "MultiInputPolicy" if observations is ROBOT else "MlpPolicy"
    if issubclass(algorithm, sb3.DQN | sb3.SAC):
        options["buffer_size"] = 10
    return algorithm(name, Spaces(observations, actions), seed=0, device="cpu", **options)


def sent(policy):
    """A copy of ``policy``, as a worker gets it."""
    return cloudpickle.loads(cloudpickle.dumps(policy))


@pytest.mark.parametrize(
    ("algorithm", "observations", "actions"),
    [
        (sb3.DQN, NUMBERS, BUTTONS),
        (sb3.PPO, PICTURES, TORQUES),
        (sb3.PPO, ROBOT, TORQUES),
        (sb3.PPO, NUMBERS, TORQUES),  # clipped to the space
        (sb3.SAC, NUMBERS, TORQUES),  # scaled to the space
    ],
)
def test_the_actions_are_those_of_the_model(algorithm, observations, actions):
    model = model_of(algorithm, observations, actions)
    policy = sent(SB3Policy(model)).build()
    observations.seed(1)
    some = [observations.sample() for _ in range(100 if observations is PICTURES else 1000)]
    expected = [model.predict(observation, deterministic=True)[0] for observation in some]
    answers = [policy(observation) for observation in some]
    assert np.array_equal(answers, expected)
    assert all(action in actions for action in answers)
    assert len(np.unique(expected, axis=0)) > 1


def test_the_weights_are_those_of_the_moment():
    model = model_of(sb3.SAC, NUMBERS, TORQUES)
    observation = np.ones(4, np.float32)
    before = model.predict(observation, deterministic=True)[0]
    factory = SB3Policy(model)
    with torch.no_grad():
        for weights in model.policy.parameters():
            weights.zero_()
    assert np.array_equal(factory.build()(observation), before)
    assert not np.array_equal(SB3Policy(model).build()(observation), before)


def test_observations_are_normalised_as_in_training():
    world = vec_env.VecNormalize(vec_env.DummyVecEnv([lambda: Spaces(NUMBERS, TORQUES)]), clip_obs=1)
    model = sb3.SAC("MlpPolicy", world, buffer_size=10, seed=0, device="cpu")
    world.obs_rms.mean[:], world.obs_rms.var[:] = 2, 9
    observation = np.float32([-3, -1, 2, 3])  # normalised: -5/3, -1, 0 and 1/3
    policy = sent(SB3Policy(model)).build()
    expected = model.predict(np.float32([-1, -1, 0, 1 / 3]), deterministic=True)[0]
    assert policy(observation) == pytest.approx(expected, abs=1e-5)
    world.obs_rms.mean[:] = 0  # another training's business
    assert policy(observation) == pytest.approx(expected, abs=1e-5)
    raw = SB3Policy(model.policy).build()
    assert np.array_equal(raw(observation), model.predict(observation, deterministic=True)[0])


def test_networks_of_a_script_are_sent_too():
    class Halves(BaseFeaturesExtractor):
        def __init__(self, space):
            super().__init__(space, features_dim=4)

        def forward(self, observations):
            return observations / 2

    model = model_of(sb3.PPO, NUMBERS, BUTTONS, policy_kwargs={"features_extractor_class": Halves})
    policy = sent(SB3Policy(model)).build()
    observation = np.ones(4, np.float32)
    assert policy(observation) == model.predict(observation, deterministic=True)[0]


def test_it_acts_in_a_run():
    policy = SB3Policy(model_of(sb3.SAC, NUMBERS, TORQUES))
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    result = hocket.run(Spaces(NUMBERS, TORQUES), policy, hocket.TickDispatch(2), clock, ticks=50)
    assert result.summary().steady_coverage == 1


def test_it_stops_where_it_is_cancelled(monkeypatch):
    policy = SB3Policy(model_of(sb3.DQN, NUMBERS, BUTTONS)).build()
    monkeypatch.setattr(cancellation, "cancelled", lambda: True)
    with pytest.raises(CancelledError):
        policy(np.zeros(4, np.float32))


def test_what_cannot_work_is_refused():
    model = model_of(sb3.PPO, NUMBERS, BUTTONS)
    with pytest.raises(ConfigurationError, match=r"model=3 is no model of Stable-Baselines3; try stable_baselines3"):
        SB3Policy(3)
    with pytest.raises(ConfigurationError, match="threads=0"):
        SB3Policy(model, threads=0)
    model.policy.memory = nn.LSTM(4, 4)
    with pytest.raises(ConfigurationError, match=r"recurrent layers \['memory'\].*stacked frames"):
        SB3Policy(model)
