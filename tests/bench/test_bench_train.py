import pytest

from hocket.bench import stable_baselines
from hocket.bench.training import bench_train
from hocket.errors import ConfigurationError, HocketError

KEYS = ["steps_per_s", "sb3_steps_per_s", "cleanrl_steps_per_s", "sb3_ratio", "cleanrl_ratio"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "packages"),
    [
        ({"env": "ALE/Boxing-v5", "width": 1 / 16, "batch_size": 4}, ("ale_py", "cv2")),
        ({"env": "minatar/breakout", "envs": 5}, ("minatar",)),
        ({"env": "CartPole-v1"}, ()),
    ],
)
def test_all_play(options, packages):
    for package in ("torch", "stable_baselines3", *packages):
        pytest.importorskip(package)
    figures = bench_train(**options, threads=1, block=20, repeats=1)
    assert list(figures) == KEYS
    assert all(value > 0 for value in figures.values())
    assert figures["cleanrl_ratio"] == figures["steps_per_s"] / figures["cleanrl_steps_per_s"]


@pytest.mark.slow
def test_cleanrls_loop_learns_a_two_step_choice():
    """Values of a chain of two steps, whose exact values are known: 1 for the right action, γ for the step before."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("stable_baselines3")
    import gymnasium as gym
    import numpy as np

    from hocket.bench.cleanrl import CleanRLLoop

    class Chain(gym.Env):
        observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            self.at = 0
            return np.eye(2, dtype=np.float32)[0], {}

        def step(self, action):
            self.at += 1
            ended = self.at == 2
            return np.eye(2, dtype=np.float32)[self.at % 2], float(ended and action == 1), ended, False, {}

    torch.manual_seed(0)
    networks = []

    def network():
        networks.append(torch.nn.Linear(2, 2))
        return networks[-1]

    loop = CleanRLLoop(
        Chain, network, learning_rate=0.02, gamma=0.5, batch_size=32, buffer_size=1000, learning_starts=50,
        train_frequency=2, target_network_frequency=20, epsilon=1.0,
    )  # fmt: skip
    loop.play(1000)
    loop.play(1000)
    assert loop.updates == (2000 - 50) // 2
    with torch.no_grad():
        values = networks[0](torch.eye(2))
    # In SyncVectorEnv the step after an end resets and pays nothing; it is a transition from the end like any other.
    assert values[1, 1] > 0.8 and values[1, 1] - values[1, 0] > 0.7
    loop.close()


def test_without_stable_baselines_the_error_names_the_package(monkeypatch):
    monkeypatch.setattr(stable_baselines, "find_spec", lambda name: None)
    with pytest.raises(HocketError, match="pip install stable-baselines3"):
        bench_train()


def test_what_it_refuses():
    for package in ("torch", "stable_baselines3"):
        pytest.importorskip(package)
    with pytest.raises(ConfigurationError, match=r"block=30 is no multiple of 4 and of envs=1; try block=4"):
        bench_train(env="CartPole-v1", block=30)
    with pytest.raises(ConfigurationError, match=r"--env Pendulum-v1 has no Discrete actions"):
        bench_train(env="Pendulum-v1")
