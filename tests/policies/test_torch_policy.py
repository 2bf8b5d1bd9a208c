import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ActionError, ConfigurationError, MissingExtraError
from hocket.models.impala import ImpalaNet
from hocket.models.mlp import Mlp
from hocket.models.qnetwork import impala_trunk, q_network
from hocket.policies import TorchPolicy, continuous, greedy, torch_policy

TINY = partial(ImpalaNet, 1 / 16, 6)


class Table(nn.Module):
    """The second half of the observation, for any weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x[:, x.shape[1] // 2 :] + self.weight


class Stateful(nn.Module):
    def __init__(self, cell=nn.GRUCell):
        super().__init__()
        self.cell = cell(4, 2)

    def forward(self, x):
        return self.cell(x)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_largest_value_is_the_action():
    policy = TorchPolicy(Table).build()
    assert policy(np.array([0, 0, 0, 1.0, 3.0, 2.0])) == 1
    assert policy(np.array([0, 0, 0, 9.0, 3.0, 2.0], np.float32)) == 0


@pytest.mark.filterwarnings("ignore:bfloat16=True on a processor")
def test_the_output_itself_is_the_action():
    policy = TorchPolicy(Table, decide=continuous, bfloat16=True).build()
    answer = policy(np.array([0, 0, 0.5, -0.25], np.float32))
    assert answer.tolist() == [0.5, -0.25]
    assert answer.dtype == np.float32


class Robot(nn.Module):
    """Checks a batch of one of each part of an observation, and adds its numbers up."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, observation):
        (joints, mode), camera = observation["arm"], observation["camera"]
        assert (joints.shape, joints.dtype, mode.shape) == ((1, 2), torch.float32, (1,))
        assert (camera.shape, camera.dtype, observation["task"]) == ((1, 3, 3), torch.uint8, "fold it")
        return joints * self.weight + mode + camera.sum()


def test_a_network_gets_a_batch_of_each_part():
    policy = TorchPolicy(Robot, decide=continuous).build()
    observation = {"arm": (np.array([0.5, 1.0]), 10), "camera": np.ones((3, 3), np.uint8), "task": "fold it"}
    assert policy(observation).tolist() == [19.5, 20.0]


def test_a_decision_of_ones_own_and_a_chunk():
    policy = TorchPolicy(Table, decide=lambda values: int(greedy(values)) + 1).build()
    assert policy(np.array([0, 0, 1.0, 2.0])) == 2
    policy = TorchPolicy(Table, chunk_length=2).build()
    assert policy(np.array([[0, 0], [0, 0], [1.0, 2.0], [4.0, 3.0]])).tolist() == [1, 0]


def test_nan_values_are_no_action():
    policy = TorchPolicy(Table).build()
    with pytest.raises(ActionError, match="NaN"):
        policy(np.array([0, 0, 1.0, np.nan]))


def test_every_worker_has_the_same_weights_and_the_generator_is_left_alone():
    picture = np.random.default_rng(0).integers(0, 256, (1, 84, 84), np.uint8)

    def values(seed):
        return TorchPolicy(TINY, seed=seed, decide=continuous).build()(picture).tolist()

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = values(0)
    assert torch.equal(torch.rand(3), expected)
    assert values(0) == first
    assert values(1) != first


@pytest.mark.filterwarnings("ignore:bfloat16=True on a processor")
@pytest.mark.parametrize("options", [{"channels_last": False}, {"bfloat16": True}])
def test_formats_change_the_speed_and_hardly_the_values(options):
    picture = np.random.default_rng(0).integers(0, 256, (1, 84, 84), np.uint8)
    plain = TorchPolicy(partial(ImpalaNet, 1, 6), decide=continuous).build()(picture)
    other = TorchPolicy(partial(ImpalaNet, 1, 6), decide=continuous, **options).build()(picture)
    assert np.allclose(plain, other, atol=0.02)


def test_a_read_only_observation_is_taken_and_left_alone():
    picture = np.full((1, 84, 84), 255, np.uint8)
    picture.flags.writeable = False
    assert TorchPolicy(TINY).build()(picture) in range(6)
    assert (picture == 255).all()


def test_the_network_runs_in_evaluation_mode():
    policy = TorchPolicy(lambda: nn.Sequential(Table(), nn.Dropout(0.99)), decide=continuous).build()
    assert policy(np.array([0, 0, 1.0, 2.0])).tolist() == [1.0, 2.0]


def test_the_threads_are_set():
    TorchPolicy(Table, threads=2).build()
    assert torch.get_num_threads() == 2


def test_it_travels_and_asks_for_torch_to_be_preloaded():
    policy = pickle.loads(pickle.dumps(TorchPolicy(TINY, seed=3)))
    assert policy == policy
    assert policy.preload == ("torch",)
    assert policy.chunk_length == 1 and policy.alignment is hocket.Alignment.OBSERVATION
    assert policy.build()(np.zeros((1, 84, 84), np.uint8)) in range(6)


PICTURE = np.random.default_rng(0).integers(0, 256, (1, 84, 84), np.uint8)
PENDING_ACTIONS = np.array([2, 6])


def two_stages(actions=6):
    return q_network(*impala_trunk(1 / 16), actions, pending=2)


def test_pending_codes_reach_the_network():
    policy, network = TorchPolicy(two_stages, pending=2, decide=continuous).build(), two_stages()
    network.load_state_dict(TorchPolicy(two_stages)._network().state_dict())
    expected = network(torch.from_numpy(PICTURE[None]), torch.from_numpy(PENDING_ACTIONS[None]))
    assert policy(PICTURE, PENDING_ACTIONS) == pytest.approx(expected[0].detach().numpy(), abs=1e-5)


class Conditioned(nn.Module):
    """A chunk of three actions of two elements: the pending ones that are known, shifted by the delay."""

    def forward(self, observation, pending, delays):
        assert (observation.shape, pending.shape, delays.shape) == ((1, 2), (1, 4, 3), (1,))
        known = pending[..., :2] * pending[..., 2:]
        return known[:, :3] + delays[:, None, None]


def test_a_network_of_chunks_is_told_its_prefix_and_its_delay():
    policy = TorchPolicy(Conditioned, chunk_length=3, pending=4, delay_told=True, decide=continuous).build()
    rows = np.array([[1.0, 2.0, 1.0], [3.0, 4.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    answer = policy(np.zeros(2, np.float32), rows, np.array([5]))
    assert answer.tolist() == [[6.0, 7.0], [8.0, 9.0], [5.0, 5.0]]


def test_two_stages_give_the_answers_of_one():
    once = TorchPolicy(two_stages, pending=2, decide=continuous).build()
    stages = TorchPolicy(two_stages, pending=2, head_s=0.001, decide=continuous).build()
    assert isinstance(stages, hocket.Stages)
    features = stages.trunk(PICTURE)
    for pending_actions in (PENDING_ACTIONS, np.array([0, 0])):
        assert stages.head(features, pending_actions) == pytest.approx(once(PICTURE, pending_actions), abs=1e-6)
    assert stages.head(features, PENDING_ACTIONS) != pytest.approx(stages.head(features, np.array([0, 0])))


class SeesTheNewest(nn.Module):
    """Records the inputs of trunk and head."""

    def features(self, x):
        return x

    def from_features(self, features, newest):
        return torch.cat((features, newest), dim=1)


def test_the_head_sees_the_newest_observation():
    stages = TorchPolicy(SeesTheNewest, head_s=0.001, newest=True, decide=continuous).build()
    assert stages(np.array([1.0, 2.0]), np.array([3.0])).tolist() == [1, 2, 3]


@pytest.mark.realtime
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_two_stages_run_in_workers(executor):
    clock = hocket.Realtime(hz=50, executor=executor)
    policy = TorchPolicy(partial(two_stages, 2), pending=2, head_s=0.004)
    env = NullEnv((1, 84, 84))
    summary = hocket.run(env, policy, hocket.TickDispatch(2, min_delay_ticks=2), clock, ticks=50).summary()
    assert summary.binds > 25 and not summary.outcomes["failed"]


def test_a_network_in_one_stage_is_not_run_in_two():
    with pytest.raises(ConfigurationError, match=r"head_s=0.001 .*ImpalaNet has no features and no from_features; try"):
        TorchPolicy(TINY, head_s=0.001).build()


@pytest.mark.parametrize("cell", [nn.GRUCell, nn.LSTM])
def test_a_recurrent_network_is_refused_unless_its_state_is_observed(cell):
    with pytest.raises(ConfigurationError, match="state_in_observation=True"):
        TorchPolicy(partial(Stateful, cell)).build()
    TorchPolicy(partial(Stateful, cell), state_in_observation=True).build()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of torch about itself
def test_a_compiled_network_gives_the_actions_of_its_own_call():
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("there is no C++ compiler")
    factory = TorchPolicy(partial(Mlp, 4, 3), compile_mode="default", decide=continuous)
    policy, plain = factory.build(), TorchPolicy(partial(Mlp, 4, 3))._network().eval()
    factory.warm_up(policy, np.zeros(4, np.float32))
    some = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    compiled = torch.compile(plain, mode="default")
    with torch.inference_mode():
        expected = [compiled(torch.tensor(observation[None]))[0].numpy() for observation in some]
        uncompiled = plain(torch.tensor(some)).numpy()
    answers = [policy(observation) for observation in some]
    assert np.array_equal(answers, expected)
    assert np.allclose(answers, uncompiled, atol=1e-5)


def test_without_a_compiler_the_error_says_what_is_missing(monkeypatch):
    class NoCompilerError(RuntimeError):
        __module__ = "torch._inductor.exc"

    def refuse(*inputs):
        raise NoCompilerError("No working C++ compiler found in (None, 'g++')")

    monkeypatch.setattr(torch, "compile", lambda function, mode: refuse)
    factory = TorchPolicy(Table, compile_mode="default")
    with pytest.raises(
        ConfigurationError, match=r"(?s)'default' does not work here: No working C\+\+ .*'apt install g\+\+"
    ):
        factory.warm_up(factory.build(), np.zeros(4))
    with pytest.raises(ZeroDivisionError):  # an error of the network is its own
        factory.warm_up(lambda observation: 1 / 0, np.zeros(4))


def test_both_stages_are_compiled(monkeypatch):
    """A stand-in for the compiler: it says what it gets."""
    got = []

    def note(function, *, mode):
        got.append((getattr(function, "__name__", type(function).__name__), mode))
        return function

    monkeypatch.setattr(torch, "compile", note)
    options = {"pending": 2, "decide": continuous, "compile_mode": "max-autotune"}
    stages = TorchPolicy(two_stages, head_s=0.001, **options).build()
    assert got == [("features", "max-autotune"), ("from_features", "max-autotune")]
    once = TorchPolicy(two_stages, **options).build()
    assert got[2:] == [("QNetwork", "max-autotune")]
    assert stages(PICTURE, PENDING_ACTIONS) == pytest.approx(once(PICTURE, PENDING_ACTIONS), abs=1e-6)


def test_other_objects_are_refused_as_networks():
    with pytest.raises(ConfigurationError, match=r"functools\.partial"):
        TorchPolicy(Table())
    with pytest.raises(ConfigurationError, match="build_network"):
        TorchPolicy(3)
    with pytest.raises(ConfigurationError, match=r"torch\.nn\.Module"):
        TorchPolicy(lambda: 3).build()


@pytest.mark.parametrize(
    "option",
    [
        {"threads": 0},
        {"chunk_length": 0},
        {"decide": "greedy"},
        {"pending": -1},
        {"head_s": -1.0},
        {"newest": 1},
        {"compile_mode": "fast"},
    ],
)
def test_bad_options_are_refused_by_name(option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        TorchPolicy(TINY, **option)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="try 'cpu'"):
        TorchPolicy(TINY, device="nowhere").build()


def test_without_torch_the_error_names_the_extra(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(torch_policy, "find_spec", lambda name: None if name == "torch" else real(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'hocket\[train\]'"):
        TorchPolicy(TINY)


def test_importing_the_module_does_not_import_torch():
    code = "import sys, hocket.models; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
