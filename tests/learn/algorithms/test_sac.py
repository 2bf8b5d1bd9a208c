"""Soft actor-critic against Stable-Baselines3's, on the same batch and weights, and against sums by hand."""

import copy
import math
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from hocket.errors import ConfigurationError, DivergenceError
from hocket.learn.replay.assembly import Batch

torch = pytest.importorskip("torch")

from hocket.learn.algorithms import entropy_losses as losses  # noqa: E402
from hocket.learn.algorithms.sac import SAC, MovingAverage  # noqa: E402
from hocket.models.actor_and_critics import actor_critic, vector_trunk  # noqa: E402

SIZE, OBSERVED, ACTED = 64, 3, 2
ACTIONS = spaces.Box(np.array([-2.0, 1.0], np.float32), np.array([2.0, 5.0], np.float32))
GAMMA = 0.97
CLOSE = {"rtol": 0, "atol": 1e-5}


class Tiny(gym.Env):
    observation_space = spaces.Box(-1, 1, (OBSERVED,), np.float32)
    action_space = ACTIONS

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(OBSERVED, np.float32), {}

    def step(self, action):
        return np.zeros(OBSERVED, np.float32), 0.0, False, False, {}


def batch_of(size=SIZE, pending=0, newest=False, seed=0):
    """Random transitions, one in five terminated."""
    rng = np.random.default_rng(seed)
    observed = rng.standard_normal((4, size, OBSERVED)).astype(np.float32)
    rows = rng.random((2, size, pending, ACTED + 1)).astype(np.float32)
    return Batch(
        states=observed[0],
        next_states=observed[1],
        newest=observed[2] if newest else np.empty((size, 0), np.float32),
        next_newest=observed[3] if newest else np.empty((size, 0), np.float32),
        delays=rng.integers(0, 4, size),
        next_delays=rng.integers(0, 4, size),
        present=observed[2],
        next_present=observed[3],
        actions=rng.uniform(ACTIONS.low, ACTIONS.high, (size, ACTED)).astype(np.float32),
        rewards=rng.standard_normal(size).astype(np.float32),
        discounts=np.where(rng.random(size) < 0.2, 0, GAMMA).astype(np.float32),
        pending=rows[0],
        next_pending=rows[1],
        weights=np.ones(size, np.float32),
        indices=np.arange(size),
    )


def network_of(pending=0, newest=False, undelayed=False, seed=1):
    torch.manual_seed(seed)
    network = actor_critic(
        lambda: vector_trunk(OBSERVED),
        ACTIONS,
        pending=pending,
        newest=(lambda: vector_trunk(OBSERVED)) if newest else None,
        undelayed=undelayed,
        hidden=(16, 16),
    )
    with torch.no_grad():
        network.log_temperature.fill_(-0.4)
    return network


# -- against Stable-Baselines3 ---------------------------------------------------------------------------------


@pytest.fixture
def reference():
    """Its SAC on a tiny environment, whose networks our own have the weights of."""
    sb3 = pytest.importorskip("stable_baselines3")
    theirs = sb3.SAC(
        "MlpPolicy",
        Tiny(),
        learning_rate=3e-4,
        gamma=GAMMA,
        batch_size=SIZE,
        ent_coef="auto_0.7",
        policy_kwargs={"net_arch": [16, 16]},
        device="cpu",
        seed=3,
    )
    theirs.set_logger(sb3.common.logger.configure(None, []))
    ours = network_of()
    # Its critics and their targets begin alike; here each has weights of its own.
    with torch.no_grad():
        for weight in theirs.critic_target.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    target = SAC().target_of(ours)
    with torch.no_grad():
        ours.log_temperature.copy_(theirs.log_ent_coef)
        copy_layers(ours.head, [*theirs.actor.latent_pi, Stacked(theirs.actor.mu, theirs.actor.log_std)])
        for mine, critic in ((ours.critics, theirs.critic), (target, theirs.critic_target)):
            copy_layers(mine.first.head, critic.qf0)
            copy_layers(mine.second.head, critic.qf1)
    return theirs, ours, target


class Stacked(torch.nn.Module):
    """Two linear layers with the same input as one."""

    def __init__(self, first, second):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.cat((first.weight, second.weight)))
        self.bias = torch.nn.Parameter(torch.cat((first.bias, second.bias)))


def copy_layers(mine, theirs):
    mine = [layer for layer in mine if hasattr(layer, "weight")]
    theirs = [layer for layer in theirs if hasattr(layer, "weight")]
    for layer, other in zip(mine, theirs, strict=True):
        layer.weight.copy_(other.weight)
        layer.bias.copy_(other.bias)


def train_theirs(theirs, batch, noise, monkeypatch):
    """One update of theirs on ``batch`` with our noise; its figures, and its targets."""
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    scaled = 2 * (batch.actions - ACTIONS.low) / (ACTIONS.high - ACTIONS.low) - 1
    column = lambda values: torch.from_numpy(values)[:, None]  # noqa: E731
    sample = ReplayBufferSamples(
        observations=torch.from_numpy(batch.states),
        actions=torch.from_numpy(scaled),
        next_observations=torch.from_numpy(batch.next_states),
        dones=column((batch.discounts == 0).astype(np.float32)),
        rewards=column(batch.rewards),
    )
    draws, targets = iter(noise), []
    monkeypatch.setattr(torch.distributions.normal, "_standard_normal", lambda *args, **options: next(draws))
    monkeypatch.setattr(theirs.replay_buffer, "sample", lambda *args, **options: sample)
    mse = torch.nn.functional.mse_loss

    def noting(values, target):
        targets.append(target[:, 0])
        return mse(values, target)

    monkeypatch.setattr("stable_baselines3.sac.sac.F.mse_loss", noting)
    theirs.train(1, SIZE)
    return theirs.logger.name_to_value, targets[0]


def generator(seed=5):
    return torch.Generator().manual_seed(seed)


def noise_of(seed=5):
    return torch.randn((2, SIZE, ACTED), generator=generator(seed))


def test_losses_are_stable_baselines3_s(reference, monkeypatch):
    theirs, ours, target = reference
    theirs.lr_schedule = lambda progress: 0.0  # its actor's loss is taken after the critics' step: let that be none
    batch = batch_of()
    mine = SAC(gamma=GAMMA).losses(ours, target, batch, generator=generator())
    figures, targets = train_theirs(theirs, batch, noise_of(), monkeypatch)
    assert mine.critics.item() == pytest.approx(figures["train/critic_loss"], abs=1e-5)
    assert mine.actor.item() == pytest.approx(figures["train/actor_loss"], abs=1e-5)
    assert mine.temperature.item() == pytest.approx(figures["train/ent_coef_loss"], abs=1e-5)
    torch.testing.assert_close(mine.targets, targets, **CLOSE)
    assert figures["train/ent_coef"] == pytest.approx(0.7)
    assert abs(mine.actor.item()) > 0.01 and mine.critics.item() > 0.1


def test_a_step_of_critics_and_temperature_is_stable_baselines3_s(reference, monkeypatch):
    theirs, ours, target = reference
    algorithm, batch = SAC(gamma=GAMMA), batch_of()
    optimizer, sync = algorithm.optimizer(ours), algorithm.target_sync()
    sync._version = 0  # the target is as it is
    algorithm.update(ours, target, optimizer, batch, generator=generator())
    sync.before_update(ours, target, 1, 1)
    train_theirs(theirs, batch, noise_of(), monkeypatch)
    torch.testing.assert_close(ours.log_temperature, theirs.log_ent_coef, **CLOSE)
    copied, copied_target = network_of().critics, network_of().critics
    with torch.no_grad():
        for mine, critic in ((copied, theirs.critic), (copied_target, theirs.critic_target)):
            copy_layers(mine.first.head, critic.qf0)
            copy_layers(mine.second.head, critic.qf1)
    for (name, mine), (_, their) in zip(ours.critics.state_dict().items(), copied.state_dict().items(), strict=True):
        torch.testing.assert_close(mine, their, **CLOSE, msg=name)
    for mine, their in zip(target.parameters(), copied_target.parameters(), strict=True):
        torch.testing.assert_close(mine, their, **CLOSE)


# -- by hand -----------------------------------------------------------------------------------------------------


def test_targets():
    targets = losses.soft_targets(
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([0.5, 0.0, 0.25]),
        torch.tensor([[4.0, math.inf, -8.0], [6.0, math.inf, 8.0]]),
        torch.tensor([-2.0, 0.0, 4.0]),
        torch.tensor(0.5),
    )
    # 1 + ½ (4 + ½·2); terminated: the reward alone; 3 + ¼ (−8 − ½·4).
    assert targets.tolist() == [3.5, 2.0, 0.5]


def test_losses():
    values = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    loss = losses.critics_loss(values, torch.tensor([2.0, 1.0]))
    # Errors 1, −1 and −1, 2: ½ (1 + 1)/2 + ½ (1 + 4)/2.
    assert loss.value.item() == 1.75
    assert loss.errors.tolist() == [0.0, 0.5]
    # Smaller values 1 and −1: ((0.5·2 − 1) + (0.5·4 + 1)) / 2.
    assert losses.actor_loss(values, torch.tensor([2.0, 4.0]), torch.tensor(0.5)).item() == 1.5
    # −(−1) · (3 − 2).
    assert losses.temperature_loss(torch.tensor([-1.0]), torch.tensor([2.0, 4.0]), -2.0).item() == 1.0


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("undelayed", [False, True])
def test_each_loss_teaches_its_own_weights(undelayed, newest):
    algorithm = SAC(undelayed_critic=undelayed)
    online = network_of(pending=2, newest=newest, undelayed=undelayed)
    target, batch = algorithm.target_of(online), batch_of(pending=2, newest=newest)
    names = [name for name, _ in online.named_parameters()]

    def taught_by(part):
        parts = algorithm.losses(online, target, batch, generator=generator())
        grads = torch.autograd.grad(getattr(parts, part), list(online.parameters()), allow_unused=True)
        return {name.split(".")[0] for name, grad in zip(names, grads, strict=True) if grad is not None}

    assert taught_by("critics") == {"critics"}
    assert taught_by("actor") == {"head"}
    assert taught_by("temperature") == {"log_temperature"}
    result = algorithm.gradients(online, target, batch, generator=generator())
    assert all(weight.grad is not None for weight in online.parameters())
    assert all(weight.grad is None and not weight.requires_grad for weight in target.parameters())
    assert result.errors.shape == (SIZE,) and result.grad_norm > 0 and result.target_low < result.target_high


def test_undelayed_critics_see_what_there_was_and_the_actor_what_it_knew():
    """BPQL: critics on (o before the tick, action, o after it), actions from (delayed observation, pending actions)."""
    algorithm, batch = SAC(undelayed_critic=True), batch_of(pending=2)
    online = network_of(pending=2, undelayed=True)
    target = algorithm.target_of(online)
    mine = algorithm.losses(online, target, batch, generator=generator())
    noise, alpha = noise_of(), online.log_temperature.detach().exp()
    arrays = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
    with torch.no_grad():
        drawn, density = online.sample(online(tensors["states"], tensors["pending"]), noise[0])
        then, after = online.sample(online(tensors["next_states"], tensors["next_pending"]), noise[1])
        future = target(then, tensors["next_present"]).min(0).values - alpha * after
        expected = tensors["rewards"] + tensors["discounts"] * future
        values = online.critics(online.scaled(tensors["actions"]), tensors["present"])
        actor = (alpha * density - online.critics(drawn, tensors["present"]).min(0).values).mean()
    torch.testing.assert_close(mine.targets, expected)
    assert mine.critics.item() == pytest.approx(0.5 * (values - expected).square().mean(1).sum().item(), rel=1e-5)
    assert mine.actor.item() == pytest.approx(actor.item(), rel=1e-5)


def test_a_fixed_temperature_stays_and_a_tuned_one_follows_the_entropy():
    batch = batch_of()
    online = network_of()
    algorithm = SAC(temperature=0.2)
    algorithm.update(online, algorithm.target_of(online), algorithm.optimizer(online), batch)
    assert online.log_temperature.item() == pytest.approx(-0.4)
    for entropy, direction in ((-50.0, -1), (50.0, 1)):  # below and above what any Gaussian here has
        online = network_of()
        algorithm = SAC(target_entropy=entropy)
        algorithm.update(online, algorithm.target_of(online), algorithm.optimizer(online), batch)
        assert (online.log_temperature.item() + 0.4) * direction == pytest.approx(3e-4, rel=1e-2)


def test_targets_follow_by_versions():
    online = network_of()
    target, sync = SAC().target_of(online), MovingAverage(0.25)
    with torch.no_grad():
        for weight in target.parameters():
            weight.zero_()
    sync.before_update(online, target, 0, 7)  # the first snapshot is copied
    for weight in online.parameters():
        weight.data.fill_(1.0)
    start = [weight.clone() for weight in target.parameters()]
    one = copy.deepcopy(target)
    again = pickle.loads(pickle.dumps(sync))
    sync.before_update(online, target, 0, 8)
    sync.before_update(online, target, 0, 9)
    again.before_update(online, one, 0, 9)  # another learner made version 8
    for before, mine, other in zip(start, target.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(mine, 1 - 0.75**2 * (1 - before))
        torch.testing.assert_close(mine, other)
    sync.before_update(online, target, 0, 9)
    for mine, other in zip(target.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_divergence_changes_nothing(value):
    online = network_of()
    before = copy.deepcopy(online.state_dict())
    batch = batch_of()
    batch.rewards[3] = value
    algorithm = SAC()
    with pytest.raises(DivergenceError, match="loss of an update is"):
        algorithm.update(online, algorithm.target_of(online), algorithm.optimizer(online), batch)
    assert all(torch.equal(before[name], tensor) for name, tensor in online.state_dict().items())
    assert all(weight.grad is None for weight in online.parameters())


def test_the_same_generator_gives_the_same_gradient():
    online, batch = network_of(pending=2), batch_of(pending=2)
    algorithm = SAC()
    grads = []
    for seed in (5, 5, 6):
        algorithm.gradients(online, algorithm.target_of(online), batch, generator=generator(seed))
        grads.append(torch.cat([weight.grad.flatten() for weight in online.parameters()]))
    assert torch.equal(grads[0], grads[1]) and not torch.equal(grads[0], grads[2])


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": 0.0},
        {"tau": 1.5},
        {"learning_rate": 0.0},
        {"adam_epsilon": math.inf},
        {"batch_size": 0},
        {"n_step": 0},
        {"temperature": -1.0},
        {"target_entropy": math.nan},
        {"target_entropy": -1.0, "temperature": 0.2},
    ],
)
def test_invalid_arguments_are_refused(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        SAC(**options)
