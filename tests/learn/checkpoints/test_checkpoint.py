import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hocket.errors import CheckpointError, ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.checkpoints.checkpoint import (
    Checkpoint,
    belonging,
    check_free,
    explain_absence,
    load_checkpoint,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from hocket.learn.replay.replay import Replay
from hocket.models.mlp import Mlp


def network(hidden=8, seed=0):
    torch.manual_seed(seed)
    return Mlp(4, 2, hidden)


def of(net, tick=10, env="CartPole-v1", **more):
    options = {"tick": tick, "updates": 3, "belongs_to": belonging(env, DQN(), net)}
    return Checkpoint(**{**options, "tensors": {"weights": net.state_dict()}, "state": b"pickle", **more})


def ours(net=None, env="CartPole-v1", algorithm=None):
    return belonging(env, algorithm or DQN(), net or network())


def filled(ticks=30):
    replay = Replay(20, (2, 2), stack=2, n_step=2, pending=1, alpha=0.5)
    rng = np.random.default_rng(5)
    replay.add_frame(0, rng.integers(0, 255, (2, 2)).astype(np.uint8))
    for tick in range(1, ticks):
        replay.add_frame(tick, rng.integers(0, 255, (2, 2)).astype(np.uint8))
        replay.add_transition(
            tick - 1,
            tick % 3,
            reward=tick / 7,
            discount=0.9,
            next_tick=tick,
            pending=np.array([1]),
            next_pending=np.array([2]),
        )
    batch = replay.sample(8, rng, beta=0.4)
    replay.update_priorities(batch.indices, rng.random(8))
    return replay


def test_everything_comes_back(tmp_path):
    net, replay = network(), filled()
    target = network(seed=1)
    saved = of(
        net, tensors={"weights": net.state_dict(), "target": target.state_dict()}, replay=replay.snapshot(), state=b"x"
    )
    path = save_checkpoint(tmp_path / "checkpoints", saved)
    assert path == tmp_path / "checkpoints" / "000000010"
    back = load_checkpoint(tmp_path / "checkpoints", ours())
    assert (back.tick, back.updates, back.state) == (10, 3, b"x")
    for name, module in (("weights", net), ("target", target)):
        assert back.tensors[name].keys() == module.state_dict().keys()
        assert all(torch.equal(back.tensors[name][key], value) for key, value in module.state_dict().items())
    restored = Replay(20, (2, 2), stack=2, n_step=2, pending=1, alpha=0.5)
    restored.restore(back.replay)
    for seed in range(5):
        one, other = (r.sample(8, np.random.default_rng(seed), beta=0.4) for r in (replay, restored))
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)
    for each in (replay, restored):
        each.add_frame(30, np.full((2, 2), 9, np.uint8))
        each.add_transition(
            29, 1, reward=1, discount=1, next_tick=30, pending=np.array([0]), next_pending=np.array([0])
        )
    one, other = (r.sample(8, np.random.default_rng(9), beta=0.4) for r in (replay, restored))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def test_the_weights_can_be_read_without_hocket(tmp_path):
    net = network()
    path = save_checkpoint(tmp_path, of(net))
    with safe_open(path / "weights.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("head.bias"), net.head.bias)


@pytest.mark.slow
def test_the_optimizer_continues_alike():
    def step(net, optimizer, seed):
        loss = net(torch.rand((8, 4), generator=torch.Generator().manual_seed(seed))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    algorithm = DQN()
    one = network()
    optimizer = algorithm.optimizer(one)
    for seed in range(5):
        step(one, optimizer, seed)
    other = network(seed=4)
    other.load_state_dict(one.state_dict())
    restored = algorithm.optimizer(other)
    restore_optimizer(restored, {k: v.clone() for k, v in optimizer_tensors(optimizer).items()})
    for seed in range(5, 8):
        step(one, optimizer, seed)
        step(other, restored, seed)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_an_optimizer_that_has_not_stepped_has_nothing_to_keep():
    optimizer = DQN().optimizer(network())
    assert optimizer_tensors(optimizer) == {}
    restore_optimizer(optimizer, {})


def test_the_newest_two_are_kept(tmp_path):
    for tick in (5, 999_999_999, 20, 1_000_000_000):
        save_checkpoint(tmp_path, of(network(), tick))
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == [999_999_999, 1_000_000_000]
    assert newest_checkpoint(tmp_path).name == "1000000000"
    assert newest_checkpoint(tmp_path / "999999999") == tmp_path / "999999999"


def test_a_folder_with_another_runs_checkpoints_is_not_saved_into(tmp_path):
    check_free(tmp_path / "new")
    save_checkpoint(tmp_path, of(network(), 20))
    check_free(tmp_path, resumed_tick=20)
    for tick in (-1, 19):
        with pytest.raises(CheckpointError, match=r"000000020.*another folder"):
            check_free(tmp_path, resumed_tick=tick)


@pytest.mark.parametrize("name", ["run.json", "ticks.npz"])
def test_a_folder_with_the_record_of_a_run_is_not_saved_into(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=rf"holds the record of a run \({name}\), whose config.json .* another"):
        check_free(tmp_path)


FULL_DISK = """
import resource, sys
from pathlib import Path
import test_checkpoint as t

checkpoint = t.of(t.network(200), 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    t.save_checkpoint(Path(sys.argv[1]), checkpoint, keep=1)
except t.CheckpointError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_costs_no_earlier_checkpoint(tmp_path, monkeypatch):
    net = network(200)
    save_checkpoint(tmp_path, of(net))
    command = [sys.executable, "-c", FULL_DISK, tmp_path]
    monkeypatch.setenv("PYTHONPATH", ":".join([*sys.path, str(__file__).rpartition("/")[0]]))
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    assert "000000020 cannot be written (File too large)" in said
    assert [p.name for p in tmp_path.iterdir()] == ["000000010"]
    assert load_checkpoint(tmp_path, ours(net)).tick == 10


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (ours(env="Acrobot-v1"), "its environment is CartPole-v1, this run's is Acrobot-v1"),
        (ours(algorithm=DQN(gamma=0.5)), r"its algorithm is DQN\(gamma=0.99.* this run's is DQN\(gamma=0.5"),
        (ours(network(9)), r"parameters trunk.1.weight is \[8, 4\], this run's is \[9, 4\]"),
        ({**ours(), "rule": "MaxTime"}, "its rule is not there, this run's is MaxTime"),
        ({"environment": "CartPole-v1"}, "this run's is not there"),
    ],
)
def test_another_runs_checkpoint_is_refused(tmp_path, wanted, message):
    save_checkpoint(tmp_path, of(network()))
    with pytest.raises(CheckpointError, match=f"000000010/state.json belongs to another run.*{message}.*resume with"):
        load_checkpoint(tmp_path, wanted)


def test_damaged_checkpoints_are_refused_and_their_pickle_is_not_handed_out(tmp_path):
    path = save_checkpoint(tmp_path, of(network()))
    for name in ("weights.safetensors", "state.pkl"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(b"X" + whole[1:])
        with pytest.raises(CheckpointError, match=f"{name} has SHA-256"):
            load_checkpoint(tmp_path, ours())
        (path / name).write_bytes(whole[:-1])
        with pytest.raises(CheckpointError, match=f"{name} holds {len(whole) - 1} bytes where {len(whole)}"):
            load_checkpoint(tmp_path, ours())
        (path / name).unlink()
        with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
            load_checkpoint(tmp_path, ours())
        (path / name).write_bytes(whole)
    assert load_checkpoint(tmp_path, ours()).tick == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "has format 'other'"),
        ({"format_version": 6}, "version 6 .* this one reads version 5 only; try a newer hocket"),
        ({"format_version": 1}, "version 1 .* this one reads version 5 only; train anew, or use the version that"),
        ({"files": {}}, "names no weights.safetensors"),
        ({"belongs_to": None}, "does not say what it belongs to"),
        ({"tick": "soon"}, "cannot be read"),
    ],
)
def test_a_foreign_index_is_refused(tmp_path, change, message):
    index = save_checkpoint(tmp_path, of(network())) / "state.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path, ours())


def test_a_folder_without_checkpoints(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="holds no checkpoint"):
            load_checkpoint(folder, ours())


def test_the_reason_for_a_folder_without_checkpoints(tmp_path):
    explain_absence(tmp_path / "new", "no episode ended before tick 50")
    with pytest.raises(CheckpointError, match="no checkpoint: no episode ended before tick 50; give a"):
        load_checkpoint(tmp_path / "new", ours())
    save_checkpoint(tmp_path / "new", of(network()))
    assert load_checkpoint(tmp_path / "new", ours()).tick == of(network()).tick
    assert len(list((tmp_path / "new").iterdir())) == 1
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        explain_absence(tmp_path / "file", "why")


def test_invalid_checkpoints_are_refused():
    with pytest.raises(ConfigurationError, match="lack 'weights'"):
        of(network(), tensors={"target": {}})
    with pytest.raises(ConfigurationError, match="tick=-1"):
        of(network(), tick=-1)
    with pytest.raises(ConfigurationError, match="keep=0"):
        save_checkpoint(None, of(network()), keep=0)
