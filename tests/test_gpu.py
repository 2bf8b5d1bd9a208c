"""Acting and learning on a GPU give the results of the CPU. Skipped without a GPU."""

import copy
import json
import math
import subprocess
import sys
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import CheckpointError, DivergenceError
from hocket.learn.algorithms.captured_gradients import CapturedGradients
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.learners.learner import Learner
from hocket.learn.replay.assembly import Batch
from hocket.learn.replay.replay import Replay
from hocket.learn.weights.shared_weights import SharedWeights
from hocket.models.impala import ImpalaNet
from hocket.models.qnetwork import impala_trunk, mlp_trunk, q_network
from hocket.policies.torch_policy import TorchPolicy
from hocket.training.resumption import Checkpoints

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.realtime,
    pytest.mark.filterwarnings("default"),  # other packages' than the tested set may be there
]
GPU = "cuda"
ALGORITHMS = [DQN(batch_size=8, target_ticks=20), Rainbow(batch_size=8, target_ticks=20)]


@pytest.fixture(autouse=True)
def exact():
    """Convolutions in float32 as the CPU has them, not rounded to tf32."""
    torch.backends.cudnn.allow_tf32 = False


def pictures():
    return NullEnv(observation_shape=(1, 84, 84), actions=6)


BY_CHANCE = Linear(1.0, 1.0, 1)
"""Actions by chance alone: rounding changes no action."""


def learning(device, *, algorithm=None, **options):
    """`hocket.train` on CartPole, the same for every device but for rounding."""
    algorithm = algorithm or DQN(batch_size=8, target_ticks=20)
    torch.manual_seed(3)
    support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
    network = q_network(*mlp_trunk(4, hidden=8), 2, pending=2, support=support, noisy=algorithm.noisy).to(device)
    known = {
        "ticks": 600,
        "learner": hocket.RoundRobin(1, warm_up_ticks=50),
        "acting": hocket.ActingOptions(epsilon=BY_CHANCE),
        "replay": hocket.ReplayOptions(capacity=400),
        "evaluation": hocket.EvaluationOptions(every_ticks=300, episodes=2),
        "seed": 3,
    }
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03), learning=hocket.Constant(0.05))
    make_env = partial(gym.make, "CartPole-v1")
    return hocket.train(make_env, network, algorithm, hocket.TickDispatch(2), clock, **{**known, **options})


@pytest.mark.parametrize("head_s", [0.0, 0.001])
def test_the_answers_are_those_of_the_cpu(head_s):
    space = pictures().observation_space
    pending = 2 if head_s else 0

    def network():
        trunk, features = impala_trunk(1)
        return q_network(trunk, features, 6, pending=pending)

    there, here = (
        TorchPolicy(network, device=device, head_s=head_s, pending=pending).build() for device in (GPU, "cpu")
    )
    pending_actions = np.array([1, 6])
    for _ in range(20):
        seen = space.sample()
        if head_s:
            assert there.head(there.trunk(seen), pending_actions) == here.head(here.trunk(seen), pending_actions)
        else:
            assert there(seen) == here(seen)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_staggered_workers_act_on_the_wall_clock(executor):
    policy = TorchPolicy(partial(ImpalaNet, 1, 6), device=GPU)
    clock = hocket.Realtime(hz=50, executor=executor)
    result = hocket.run(pictures(), policy, hocket.TickDispatch(2), clock, ticks=200)
    assert result.summary().coverage > 0.9


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("late_binding", [False, True])
def test_learning_in_virtual_time_is_that_of_the_cpu(algorithm, late_binding, tmp_path):
    ticks = 120 if algorithm.noisy else 600  # by the network's own noise, an action may depend on rounding, later
    acting = hocket.ActingOptions(epsilon=BY_CHANCE, late_binding=late_binding)
    there, here = (learning(device, algorithm=algorithm, acting=acting, ticks=ticks) for device in (GPU, "cpu"))
    assert next(there.network.parameters()).device.type == GPU
    assert there.updates == here.updates > 10 and there.error is None
    first = slice(0, 10)
    assert there.losses[first] == pytest.approx(here.losses[first], rel=1e-3)
    assert list(there.stalenesses) == list(here.stalenesses)
    saved = load_file(there.save(tmp_path / "run") / "weights.safetensors")
    assert all(math.isfinite(value.sum().item()) and value.device.type == "cpu" for value in saved.values())


def test_a_checkpoint_resumes_on_the_gpu(tmp_path):
    whole = learning(GPU)
    learning(GPU, ticks=300, checkpoints=Checkpoints(tmp_path, every_ticks=300))
    result = learning(GPU, resume=tmp_path)
    assert result.losses == pytest.approx(whole.losses, rel=1e-3)
    assert list(result.stalenesses) == list(whole.stalenesses)
    with pytest.raises(CheckpointError, match="its device is cuda, this run's is cpu"):
        learning("cpu", resume=tmp_path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_step_on_shared_weights_is_that_of_the_cpu(algorithm):
    torch.manual_seed(0)
    support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
    network = q_network(*mlp_trunk(4, hidden=8), 2, support=support, noisy=algorithm.noisy)

    def three_steps(device):
        own = copy.deepcopy(network).to(device)
        weights, seed = SharedWeights(own), np.random.SeedSequence(0)
        one = Learner(algorithm=algorithm, network=own, weights=weights, replay=forty_ticks(algorithm.alpha), seed=seed)
        for number in range(3):
            one.update(number)
        return weights.state()

    there, here = three_steps(GPU), three_steps("cpu")
    for name, array in here.items():
        np.testing.assert_allclose(there[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


def forty_ticks(alpha):
    replay = Replay(64, (4,), np.float32, alpha=alpha)
    rng = np.random.default_rng(0)
    for tick in range(40):
        replay.add_frame(tick, rng.standard_normal(4).astype(np.float32), first=tick == 0)
        if tick:
            replay.add_transition(tick - 1, tick % 2, reward=1.0, discount=0.9, next_tick=tick)
    return replay


@pytest.mark.parametrize("algorithm", [DQN(batch_size=8), DQN(batch_size=8, double=False, dueling=True)])
def test_a_captured_gradient_is_that_of_the_same_kernels_one_by_one(algorithm):
    torch.manual_seed(0)
    online = q_network(*impala_trunk(0.5), 6, dueling=algorithm.dueling).to(GPU)
    online.for_learning()
    target = algorithm.target_of(online)
    captured, optimizer = algorithm.gradients_of(online, target), algorithm.optimizer(online)
    assert isinstance(captured, CapturedGradients)
    for number in range(5):  # of other weights and batches each time
        batch = pictures_batch(number)
        there = captured(batch)
        gradients = [weights.grad.clone() for weights in online.parameters()]
        here = algorithm.gradients(online, target, batch)
        assert [there.loss, there.grad_norm, there.target_low, there.target_high] == pytest.approx(
            [here.loss, here.grad_norm, here.target_low, here.target_high], rel=1e-4
        )
        np.testing.assert_allclose(there.errors, here.errors, rtol=1e-2, atol=1e-4)
        plain = torch.cat([weights.grad.flatten() for weights in online.parameters()])
        difference = torch.cat([gradient.flatten() for gradient in gradients]) - plain
        assert difference.norm() <= 1e-3 * plain.norm()
        optimizer.step()
        if number == 2:
            target.load_state_dict(online.state_dict())


def pictures_batch(seed):
    rng = np.random.default_rng(seed)
    none = np.zeros((8, 0), np.int64)
    zeros = np.zeros(8, np.int64)
    return Batch(
        states=rng.integers(0, 256, (8, 1, 84, 84), np.uint8),
        actions=rng.integers(6, size=8),
        rewards=rng.standard_normal(8).astype(np.float32),
        discounts=(0.99 * (rng.random(8) > 0.2)).astype(np.float32),
        next_states=rng.integers(0, 256, (8, 1, 84, 84), np.uint8),
        **dict.fromkeys(["pending", "next_pending", "newest", "next_newest", "present", "next_present"], none),
        delays=zeros,
        next_delays=zeros,
        weights=rng.random(8).astype(np.float32),
        indices=zeros,
    )


@pytest.mark.parametrize(
    "algorithm",
    [DQN(bfloat16=True), DQN(noisy=True), ImitatingDQN(), Rainbow()],
    ids=["bfloat16", "noisy", "imitating", "Rainbow"],
)
def test_only_what_was_compared_is_captured(algorithm):
    support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
    online = q_network(*mlp_trunk(4, hidden=8), 2, support=support, noisy=algorithm.noisy).to(GPU)
    assert not isinstance(algorithm.gradients_of(online, algorithm.target_of(online)), CapturedGradients)


def test_a_diverged_loss_is_found_by_a_captured_gradient():
    online = q_network(*mlp_trunk(4, hidden=8), 2).to(GPU)
    algorithm = DQN(batch_size=8)
    captured = algorithm.gradients_of(online, algorithm.target_of(online))
    replay = forty_ticks(None)
    captured(replay.sample(8, np.random.default_rng(0)))
    with torch.no_grad():
        next(online.parameters()).fill_(math.nan)
    with pytest.raises(DivergenceError, match="the loss of an update is nan"):
        captured(replay.sample(8, np.random.default_rng(0)))
    replay.close()


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("learner", [hocket.RoundRobin(2, warm_up_ticks=50), hocket.InLoop(warm_up_ticks=50)])
def test_learning_on_the_wall_clock(executor, learner):
    in_loop = isinstance(learner, hocket.InLoop)
    result = learning_live(
        executor,
        learner=learner,
        rule=hocket.Sequential(hocket.Learn.AFTER_INFERENCE) if in_loop else hocket.TickDispatch(2),
    )
    assert result.error is None and result.updates > 50
    assert np.isfinite(np.asarray(result.losses)).all()
    assert next(result.network.parameters()).device.type == GPU


def learning_live(executor, *, learner, rule):
    torch.manual_seed(3)
    return hocket.train(
        partial(gym.make, "CartPole-v1"),
        q_network(*mlp_trunk(4, hidden=8), 2, pending=2).to(GPU),
        DQN(batch_size=8, target_ticks=20),
        rule,
        hocket.Realtime(hz=50, executor=executor),
        ticks=500,
        learner=learner,
        evaluation=hocket.EvaluationOptions(episodes=0),
        seed=3,
    )


def test_by_words(tmp_path):
    folder, summary = tmp_path / "learned", tmp_path / "summary.json"
    known = ["--env", "CartPole-v1", "--hz", "50"]
    ticks = ["--ticks", "300", "--warm-up", "50", "--evaluate-every", "300", "--evaluation-episodes", "1"]
    virtual = ["--clock", "virtual", "--latency", "0.01", "--device", GPU]
    call("train", *known, *ticks, *virtual, "--out", str(folder))
    call("run", "--policy", str(folder), "--device", GPU, "--ticks", "100", "--json", str(summary))
    assert json.loads(summary.read_text())["coverage"] > 0.9
    call("run", *known, "--device", GPU, "--ticks", "100", "--out", str(tmp_path / "run"))
    machine = json.loads((tmp_path / "run" / "config.json").read_text())["machine"]
    assert machine["gpu"] == torch.cuda.get_device_name()


def call(*arguments):
    subprocess.run([sys.executable, "-c", "from hocket.cli import main; main()", *arguments], check=True, timeout=100)
