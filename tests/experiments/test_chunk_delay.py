import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mujoco")

import torch
from safetensors.torch import save_file

from hocket.experiments import chunk_delay as experiment
from hocket.experiments import reacher_demonstrations as demonstrations
from hocket.experiments.chunk_delay import ANY, ARMS, MORE, REFERENCES, ChunkNetwork, tasks
from hocket.experiments.reacher_demonstrations import demonstrate, load_expert
from hocket.experiments.servo_reacher import LENGTH_SCALE, LINE_TICKS, OFFSET, TARGET, ServoReacher, towards
from hocket.models.actor_and_critics import perceptron


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An untrained expert, and all sizes small."""
    save_file(perceptron(12, 4, demonstrations.UNITS).state_dict(), tmp_path / "expert.safetensors")
    monkeypatch.setattr(experiment, "load_expert", lambda: load_expert(tmp_path / "expert.safetensors"))
    played = {"EPISODES": 1, "EPISODE_TICKS": 60, "WARM_UP_TICKS": 60, "SEEDS": (0,), "DELAYS": (0, 24)}
    shown = {"SHOWN_EPISODES": 2, "SHOWN_TICKS": 40, "UPDATES": 2, "BATCH": 8}
    for name, value in {**played, **shown, "COMPARED_DELAYS": (24,)}.items():
        monkeypatch.setattr(experiment, name, value)


def test_the_target_moves_in_lines_and_jumps():
    env = ServoReacher()
    places = [env.reset(seed=0)[0][TARGET]]
    places += [env.step(np.zeros(2, np.float32))[0][TARGET] for _ in range(400)]
    env.close()
    bends = np.abs(np.diff(places, 2, axis=0)).max(axis=1) > 1e-3
    jumps = np.flatnonzero(bends)[::2]  # the second difference is large just before a jump and just after it
    lines = np.diff(jumps)
    assert LINE_TICKS[0] <= lines.min() and lines.max() <= LINE_TICKS[1] and 5 <= len(jumps) <= 10


def test_the_arm_takes_the_angles_that_it_is_told_and_holds_still():
    env = ServoReacher()
    env.reset(seed=0)
    told = np.array([0.25, -0.5], np.float32)  # π / 4 and −1.4
    for _ in range(100):
        observation, reward, *_, info = env.step(told)
    env.close()
    assert np.allclose(observation[:4], [np.cos(np.pi / 4), np.cos(1.4), np.sin(np.pi / 4), -np.sin(1.4)], atol=1e-3)
    tip = 0.1 * np.exp(0.25j * np.pi) + 0.11 * np.exp(1j * (np.pi / 4 - 1.4))  # two links
    assert np.allclose(LENGTH_SCALE * (observation[OFFSET] + observation[TARGET]), [tip.real, tip.imag], atol=1e-3)
    assert info["distance"] == pytest.approx(abs(tip - LENGTH_SCALE * complex(*observation[TARGET])), abs=1e-3)
    assert reward == pytest.approx(-info["distance"], abs=1e-4)  # at rest


def test_an_observation_with_another_target():
    env = ServoReacher()
    observation, _ = env.reset(seed=0)
    env.close()
    other = towards(observation, np.array([0.1, 0.0]), np.array([0.0, 0.2]))
    assert np.allclose(other[TARGET], [0.5, 0])
    assert np.allclose(
        other[OFFSET] + other[TARGET], observation[OFFSET] + observation[TARGET]
    )  # the fingertip's place
    assert np.allclose(other[[0, 1, 2, 3, 8, 9]], observation[[0, 1, 2, 3, 8, 9]])


def test_demonstrations_are_labelled_by_the_expert_and_led_astray(monkeypatch):
    monkeypatch.setattr(demonstrations, "NOISE", 0.0)

    def expert(observations):
        return observations[:, TARGET] / 2

    shown = demonstrate(expert, episodes=2, ticks=200, seed=0)
    assert np.array_equal(shown.labels, shown.observations[:, :, TARGET] / 2)
    astray = np.abs(shown.executed - shown.labels).max(axis=2) > 1e-6
    # Begun in one tick of 50 and 12.5 ticks long: 12.5 / 62.5 of the ticks.
    assert 0.1 < astray.mean() < 0.35


def test_a_prefix_is_read_up_to_the_delay_only():
    torch.manual_seed(0)
    network = ChunkNetwork(24)
    told = experiment.Committed(network, 4)
    observation, prefix = torch.randn(1, 12), torch.randn(1, 24, 3)
    other = prefix.clone()
    other[:, 4:] = 0
    assert torch.equal(told(observation, prefix), network(observation, other))
    assert not torch.equal(told(observation, prefix), network(observation, prefix))


@pytest.mark.slow
def test_every_arm_plays(small, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "TABLE", tmp_path / "t.csv")
    monkeypatch.setattr(experiment, "FIGURE", tmp_path / "f.png")
    rows = [row for task in tasks() for row in task.play()]
    figures = {(row["arm"], row["delay"]): row for row in rows}
    arms = [(arm, delay) for arm in (*ARMS, *MORE) for delay in (0, 24)] + [(arm, ANY) for arm in REFERENCES]
    assert figures.keys() == set(arms) - {("a worker a tick", 0), ("single action", 0)} and len(rows) == len(figures)
    assert figures["a worker a tick", 24]["age_mean"] == 25
    assert figures["staggered", 24]["coverage"] == 1 > figures["one in flight", 24]["coverage"]
    experiment.collect(rows)
    assert len(experiment.TABLE.read_text().splitlines()) == 1 + len(rows) and experiment.FIGURE.stat().st_size > 5000
