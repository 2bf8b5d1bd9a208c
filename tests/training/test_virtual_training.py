"""`hocket.train` in virtual time: saving, resuming, and progress."""

import os
import re
import signal
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from recording_instruments import Notes
from safetensors.torch import load_file

import hocket
from hocket.errors import CheckpointError, ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import mlp_trunk, newest_encoder, q_network
from hocket.training.options import Checkpoints
from hocket.training.training import train

TICKS = 1200
EPSILON = Linear(1.0, 0.1, 800)


def cartpole():
    return gym.make("CartPole-v1")


class Closed(gym.Wrapper):
    """Cannot be saved in the middle of an episode."""

    def __init__(self, env):
        super().__init__(env)
        self.window = (i for i in range(3))


def closed():
    return Closed(cartpole())


def small(*, ticks=TICKS, make_env=cartpole, algorithm=None, seed=3, **options):
    torch.manual_seed(seed)
    algorithm = algorithm or DQN(batch_size=8, target_ticks=20)
    support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
    newest = newest_encoder((4,), units=4) if options.pop("newest", False) else None
    known = {
        "learner": hocket.RoundRobin(2, warm_up_ticks=50),
        "acting": hocket.ActingOptions(epsilon=EPSILON),
        "replay": hocket.ReplayOptions(capacity=400),
        "evaluation": hocket.EvaluationOptions(every_ticks=350, episodes=2),
    }
    return train(
        make_env,
        q_network(*mlp_trunk(4, hidden=8), 2, pending=2, newest=newest, support=support, noisy=algorithm.noisy),
        algorithm,
        hocket.TickDispatch(3),
        hocket.Virtual(hz=50, latency=hocket.LogNormal(0.04, 0.5), learning=hocket.Gamma(0.1, 4.0)),
        ticks=ticks,
        seed=seed,
        **{**known, **options},
    )


def came_to(result):
    record = result.run.record
    return (
        record.trace.rows.tobytes(),
        record.rewards.tobytes(),
        record.actions,
        list(result.losses),
        list(result.stalenesses),
        [(e.tick, e.returns.tolist()) for e in (*result.evaluations, result.final)],
        [value.numpy().tobytes() for value in result.network.state_dict().values()],
    )


OLD = Path(__file__).parent / "data" / "checkpoint_of_version_1"
"""A checkpoint of an earlier commit; see the README beside it."""


def test_a_checkpoint_of_an_older_version_is_refused_by_name():
    message = (
        f"{OLD}/000000080/state.json has version 1 of the format, written by hocket 0.1.0; this one reads version 5 "
        "only; train anew, or use the version that wrote it"
    )
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        small(resume=OLD)


def test_the_weights_of_an_older_checkpoint_can_still_be_read():
    network = q_network(*mlp_trunk(4, hidden=4), 2, pending=2)
    network.load_state_dict(load_file(OLD / "000000080" / "weights.safetensors"))
    assert network(torch.zeros(1, 4), torch.tensor([[0, 2]])).isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "late"), [(DQN, True), (DQN, "newest"), (Rainbow, False), (Rainbow, "newest")])
def test_a_resumed_training_has_the_same_result(tmp_path, kind, late):
    algorithm = kind(batch_size=8, target_ticks=20)
    newest = late == "newest"
    acting = hocket.ActingOptions(epsilon=EPSILON, late_binding=late is True)
    options = {"evaluation": hocket.EvaluationOptions(every_ticks=175, episodes=2)}
    options |= {"algorithm": algorithm, "acting": acting, "newest": newest}
    whole = small(ticks=600, **options)
    first = small(ticks=350, checkpoints=Checkpoints(tmp_path / "a", every_ticks=150), **options)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["000000300", "000000350"]
    assert first.run.record.ticks[-1] == 350
    for began in ("a", "a/000000300"):
        assert came_to(small(ticks=600, resume=tmp_path / began, **options)) == came_to(whole)
    assert [each.tick for each in whole.evaluations] == [0, 175, 350, 525, 600]
    assert whole.updates > 100 and sum(whole.stalenesses) > 0


@pytest.mark.slow
def test_saving_changes_nothing(tmp_path):
    saved = small(checkpoints=Checkpoints(tmp_path, every_ticks=100))
    assert came_to(saved) == came_to(small())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001100", "000001200"]


@pytest.mark.slow
def test_an_environment_that_cannot_be_saved_is_saved_between_two_episodes(tmp_path):
    message = (
        r"^CartPole-v1 cannot be saved in the middle of an episode: Closed.window of type generator cannot be saved"
    )
    with pytest.warns(RuntimeWarning, match=message):
        whole = small(make_env=closed, checkpoints=Checkpoints(tmp_path / "whole", every_ticks=300))
    with pytest.warns(RuntimeWarning, match=message):
        small(make_env=closed, ticks=700, checkpoints=Checkpoints(tmp_path / "a", every_ticks=300))
    (name,) = (p.name for p in (tmp_path / "a").iterdir() if int(p.name) > 600)
    assert whole.run.record.terminated[int(name) - 1] or whole.run.record.truncated[int(name) - 1]
    with pytest.warns(RuntimeWarning, match=message):
        resumed = small(
            make_env=closed, resume=tmp_path / "a", checkpoints=Checkpoints(tmp_path / "a", every_ticks=300)
        )
    assert came_to(resumed) == came_to(whole)


def test_another_trainings_checkpoint_is_refused(tmp_path):
    small(ticks=100, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(CheckpointError, match=r"capacity=400.*capacity=300"):
        small(resume=tmp_path, replay=hocket.ReplayOptions(capacity=300))
    with pytest.raises(CheckpointError, match="its seed is 3, this run's is 4"):
        small(resume=tmp_path, seed=4)
    with pytest.raises(CheckpointError, match="its algorithm is DQN"):
        small(resume=tmp_path, algorithm=DQN(batch_size=9))
    with pytest.raises(CheckpointError, match="holds checkpoints of its own"):
        small(ticks=100, checkpoints=Checkpoints(tmp_path))


def test_a_run_and_a_training_are_kept_apart(tmp_path):
    result = small(ticks=100, checkpoints=Checkpoints(tmp_path / "training"))
    for saved in (result, result.run):
        with pytest.raises(ConfigurationError, match=r"training holds checkpoints .*000000100.*try .*training/run"):
            saved.save(tmp_path / "training")
        saved.save(tmp_path / "training" / f"run{saved is result}")
    result.save(tmp_path / "result")
    kept = {file.name: file.read_bytes() for file in (tmp_path / "result").iterdir()}
    with pytest.raises(ConfigurationError, match=r"result holds the record of a training \(learning.npz\)"):
        result.run.save(tmp_path / "result")
    assert {file.name: file.read_bytes() for file in (tmp_path / "result").iterdir()} == kept
    result.save(tmp_path / "result")  # that of a training replaces that of another
    result.run.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"run holds the record of a run \(run.json\)"):
        small(ticks=100, checkpoints=Checkpoints(tmp_path / "run"))


class Interrupting(hocket.Instrument):
    """Presses Ctrl-C once."""

    pressed = False

    def on_training(self, progress):
        if not self.pressed and progress.tick > 200:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_an_interrupted_training_is_saved_and_can_be_resumed(tmp_path, monkeypatch):
    from hocket.instruments import training_meter as training

    usual = training.training_dispatcher.__kwdefaults__
    monkeypatch.setattr(training.training_dispatcher, "__kwdefaults__", {**usual, "every_s": 1e-9})
    with pytest.raises(hocket.RunInterrupted) as interrupted:
        small(checkpoints=Checkpoints(tmp_path), instruments=[Interrupting()])
    played = interrupted.value.result.run.record.ticks[-1]
    assert played < TICKS and (tmp_path / f"{played:09d}").is_dir()
    assert came_to(small(resume=tmp_path)) == came_to(small())


@pytest.mark.slow
def test_instruments_get_progress_and_evaluations():
    notes = Notes()
    result = small(instruments=[notes])
    last = notes.progresses[-1]
    assert last.tick == TICKS and last.learner.updates == result.updates
    assert last.learner.loss == result.losses[-1]
    assert last.learner.staleness == pytest.approx(np.mean(result.stalenesses))
    assert last.learner.epsilon == 0.1
    assert notes.evaluations == [(e.tick, e.mean) for e in result.evaluations]
