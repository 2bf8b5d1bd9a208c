"""Programs of torch.export in a `TorchPolicy`."""

from functools import partial

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.models.mlp import Mlp
from hocket.policies import TorchPolicy, continuous

pytestmark = [  # the first export of a process takes seconds
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of torch about itself
]


class Told(nn.Module):
    """Values that depend on the observation and on pending actions."""

    def __init__(self):
        super().__init__()
        self.values = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 3))
        self.told = nn.Embedding(4, 3)

    def forward(self, observation, pending=None):
        values = self.values(observation)
        return values if pending is None else values + self.told(pending).sum(dim=1)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, observation):
        self.calls += 1
        return observation + self.calls


def exported(network, *more, dtype=torch.float32):
    return torch.export.export(network.to(dtype), (torch.zeros(1, 4, dtype=dtype), *more))


@pytest.fixture(scope="module")
def program():
    torch.manual_seed(0)
    return exported(Told().eval())


def test_the_actions_are_those_of_the_program(program, tmp_path):
    torch.export.save(program, tmp_path / "policy.pt2")
    factory = TorchPolicy(partial(torch.export.load, tmp_path / "policy.pt2"), decide=continuous)
    policy, greedy = cloudpickle.loads(cloudpickle.dumps(factory)).build(), TorchPolicy(program.module).build()
    some = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    module = program.module()
    with torch.inference_mode():
        expected = [module(torch.tensor(observation[None]))[0].numpy() for observation in some]
    assert np.array_equal([policy(observation) for observation in some], expected)
    assert np.array_equal([greedy(observation) for observation in some], np.argmax(expected, axis=1))


def test_pending_actions_are_the_second_input():
    program = exported(Told().eval(), torch.zeros(1, 2, dtype=torch.long))
    policy = TorchPolicy(lambda: program, pending=2, decide=continuous).build()
    expected = program.module()(torch.ones(1, 4), torch.tensor([[3, 1]]))[0].detach().numpy()
    assert np.array_equal(policy(np.ones(4), np.array([3, 1])), expected)


def test_it_acts_in_a_run(program):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    env = NullEnv((4,), np.float32, actions=3)
    result = hocket.run(env, TorchPolicy(lambda: program), hocket.TickDispatch(2), clock, ticks=50)
    assert result.summary().steady_coverage == 1


def test_a_network_of_hockets_own():
    """It writes to memory of its own call."""
    program = exported(Mlp(4, 3).eval())
    with torch.inference_mode():
        expected = program.module()(torch.ones(1, 4))[0].numpy()
    assert np.array_equal(TorchPolicy(lambda: program, decide=continuous).build()(np.ones(4)), expected)


def test_one_in_training_mode_is_refused():
    with pytest.raises(ConfigurationError, match=r"exported in training mode.*try torch.export.export\(network.eval"):
        TorchPolicy(lambda: exported(Told().train())).build()


def test_one_with_a_state_is_refused():
    for build in (lambda: exported(Counting()), lambda: exported(Counting()).run_decompositions().module()):
        with pytest.raises(ConfigurationError, match=r"changes its buffers \['calls'\] in each call; consecutive"):
            TorchPolicy(build).build()


@pytest.mark.filterwarnings("ignore:bfloat16=True on a processor")
def test_its_numbers_and_stages_stay_as_they_are(program):
    with pytest.raises(ConfigurationError, match="bfloat16=True cannot change an exported program; try"):
        TorchPolicy(lambda: program, bfloat16=True).build()
    half = exported(Told().eval(), dtype=torch.bfloat16)
    assert TorchPolicy(lambda: half, decide=continuous).build()(np.ones(4)).shape == (3,)
    with pytest.raises(ConfigurationError, match="must be a function that makes the network"):
        TorchPolicy(program)
    with pytest.raises(ConfigurationError, match="ExportedProgram has no features and no from_features"):
        TorchPolicy(lambda: program, head_s=0.001).build()
