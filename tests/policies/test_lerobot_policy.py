"""`LeRobotPolicy`, with a stand-in for a policy of LeRobot; the last test needs the package itself."""

from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import nn

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import CancelledError, ConfigurationError
from hocket.policies import LeRobotPolicy, cancellation

pytestmark = pytest.mark.usefixtures("one_thread")
FRONT, STATE = "observation.images.front", "observation.state"


class Arm(nn.Module):
    """Its chunk of 4 steps for 2 joints: the state plus the mean of the picture, plus the step."""

    def __init__(self, **config):
        super().__init__()
        self.step = nn.Parameter(torch.ones(1))
        self.layer = nn.Identity()
        plain = {"action_delta_indices": [0, 1, 2, 3], "input_features": {FRONT: None, STATE: None}}
        self.config = SimpleNamespace(**{**plain, **config})

    def predict_action_chunk(self, batch):
        assert not self.training
        first = batch[STATE] + batch[FRONT].mean()
        return self.layer(first[:, None] + self.step * torch.arange(4)[None, :, None])


SEEN = []


def note(batch):
    SEEN.append(batch)
    return batch


def observation(state=(0.0, 0.5), picture=255):
    return {FRONT: np.full((6, 8, 3), picture, np.uint8), STATE: np.array(state)}


def test_the_chunk_of_one_observation():
    act = cloudpickle.loads(cloudpickle.dumps(LeRobotPolicy(Arm()))).build()
    seen = observation()
    seen[FRONT].flags.writeable = False
    assert np.array_equal(act(seen), [[1, 1.5], [2, 2.5], [3, 3.5], [4, 4.5]])
    assert LeRobotPolicy(Arm()).chunk_length == 4


def test_the_policy_sees_what_it_saw_in_training():
    SEEN.clear()
    act = LeRobotPolicy(Arm(), (note, lambda actions: actions), task="stack").build()
    act(observation() | {FRONT: np.arange(144, dtype=np.uint8).reshape(6, 8, 3)})
    act(observation() | {"task": "sort"})
    picture = SEEN[0][FRONT]
    assert picture.shape == (1, 3, 6, 8) and picture[0, 1, 5, 7] == pytest.approx(142 / 255)  # its second colour
    assert SEEN[0][STATE].shape == (1, 2) and SEEN[0][STATE].dtype == torch.float32
    assert [batch["task"] for batch in SEEN] == ["stack", "sort"]


def test_steps_are_processed_as_actions_of_their_own():
    halved = LeRobotPolicy(Arm(), (lambda batch: batch, lambda actions: actions / 2), chunk_length=2)
    assert np.array_equal(halved.build()(observation()), [[0.5, 0.75], [1, 1.25]])


def test_the_weights_are_those_of_the_moment():
    arm = Arm()
    factory = LeRobotPolicy(arm)
    with torch.no_grad():
        arm.step.zero_()
    assert factory.build()(observation())[1, 0] == 2


def test_an_observation_in_one_array():
    def named(array):
        return observation(array[:2], picture=0)

    env = NullEnv((2,), np.float32)
    env.action_space = Box(-10, 300, (2,))
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    result = hocket.run(env, LeRobotPolicy(Arm(), as_observation=named), hocket.TickDispatch(2), clock, ticks=50)
    assert result.summary().steady_coverage == 1
    with pytest.raises(ConfigurationError, match=rf"is ndarray; .* by the names {FRONT}, {STATE}; try as_observation="):
        LeRobotPolicy(Arm()).build()(np.zeros(2))


@pytest.mark.parametrize("picture", [np.zeros((6, 8, 3), np.float32), np.zeros((8, 8), np.uint8)])
def test_pictures_are_those_of_a_camera(picture):
    """Floats up to 1, divided by 255, would be black."""
    with pytest.raises(ConfigurationError, match=r"the picture 'observation.images.front' is .* try as_observation="):
        LeRobotPolicy(Arm()).build()(observation() | {FRONT: picture})


def test_it_stops_where_it_is_cancelled(monkeypatch):
    act = LeRobotPolicy(Arm()).build()
    monkeypatch.setattr(cancellation, "cancelled", lambda: True)
    with pytest.raises(CancelledError):
        act(observation())


def test_what_cannot_work_is_refused():
    for wrong in 3, nn.Identity():
        with pytest.raises(ConfigurationError, match=r"is no policy of LeRobot; .* pip install lerobot"):
            LeRobotPolicy(wrong)
    keeping = Arm()
    keeping.name = "diffusion"
    for policy, words in [
        (keeping, r"keeps observations from call to call; consecutive"),
        (Arm(n_obs_steps=2), r"keeps observations from call to call; consecutive"),
        (Arm(temporal_ensemble_coeff=0.01), r"averages actions from call to call"),
        (Arm(action_delta_indices=[-1, 0, 1]), r"no chunk that begins at its observation"),
        (Arm(action_delta_indices=None), r"no chunk that begins at its observation"),  # as SAC has it
        (
            Arm(normalization_mapping={"STATE": "MEAN_STD", "VISUAL": "IDENTITY"}),
            r"the policy normalises STATE; try make",
        ),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            LeRobotPolicy(policy)
    for wrong in {"processors": 3}, {"chunk_length": 0}, {"chunk_length": 5}, {"threads": 0}, {"as_observation": 3}:
        with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))}="):
            LeRobotPolicy(Arm(), **wrong)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the package and what it imports
def test_the_actions_are_those_of_an_act_of_lerobot():
    """With random weights, and statistics as of a data set. LeRobot's own server processes the steps one by one."""
    types = pytest.importorskip("lerobot.configs.types", exc_type=ImportError)
    act = pytest.importorskip("lerobot.policies.act.modeling_act", exc_type=ImportError)
    make = pytest.importorskip("lerobot.policies.factory", exc_type=ImportError).make_pre_post_processors
    prepare = pytest.importorskip("lerobot.policies.utils", exc_type=ImportError).prepare_observation_for_inference
    small = {name: 1 for name in ("n_encoder_layers", "n_vae_encoder_layers")}
    small |= {
        "dim_model": 32,
        "n_heads": 2,
        "dim_feedforward": 32,
        "latent_dim": 4,
        "pretrained_backbone_weights": None,
    }
    world = "observation.environment_state"
    features = {
        FRONT: types.PolicyFeature(types.FeatureType.VISUAL, (3, 32, 32)),
        STATE: types.PolicyFeature(types.FeatureType.STATE, (7,)),
        world: types.PolicyFeature(types.FeatureType.ENV, (3,)),
    }
    actions = {"action": types.PolicyFeature(types.FeatureType.ACTION, (7,))}
    random = np.random.default_rng(0)

    def check(inputs, observations):
        config = act.ACTConfig(
            device="cpu", chunk_size=8, n_action_steps=4, input_features=inputs, output_features=actions, **small
        )
        policy = act.ACTPolicy(config)
        shapes = {name: (3, 1, 1) if name == FRONT else feature.shape for name, feature in (inputs | actions).items()}
        stats = {name: {"mean": torch.full(s, 0.3), "std": torch.full(s, 2.0)} for name, s in shapes.items()}
        preprocess, postprocess = make(config, dataset_stats=stats)
        ours = LeRobotPolicy(policy, (preprocess, postprocess)).build()
        for _ in range(observations):
            seen = {name: random.normal(size=features[name].shape).astype(np.float32) for name in inputs}
            if FRONT in inputs:
                seen[FRONT] = random.integers(0, 256, (32, 32, 3), np.uint8)
            with torch.inference_mode():
                batch = preprocess(prepare({name: array.copy() for name, array in seen.items()}, torch.device("cpu")))
                chunk = policy.predict_action_chunk(batch)
                expected = torch.cat([postprocess(chunk[:, step]) for step in range(8)]).numpy()
            assert np.array_equal(ours(seen), expected)

    check({name: features[name] for name in (STATE, world)}, observations=1000)
    check({name: features[name] for name in (FRONT, STATE)}, observations=3)
