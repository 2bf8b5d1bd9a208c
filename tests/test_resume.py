"""A run in virtual time comes out the same whether it was put away in its middle or not."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import hocket
from hocket.envs import make_env
from hocket.errors import CheckpointError
from hocket.learn.background import BackgroundLearner
from hocket.learn.checkpoint import (
    Checkpoint,
    belonging,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from hocket.learn.rainbow import Rainbow
from hocket.learn.replay import Replay
from hocket.learn.schedules import Linear, epsilon_greedy
from hocket.models.qnetwork import mlp_trunk, q_network
from hocket.resume import put_away, take_up, to_an_episode
from hocket.spaces import ActionCodec

LAWS = {
    "lognormal": hocket.LogNormal(0.07, 0.6),
    "changing": hocket.Changing(hocket.Gamma(0.03, 3.0), hocket.HeavyTail(0.1), at_s=15.0),
    "workers": hocket.PerWorker(hocket.Empirical((0.01, 0.05, 0.09)), (1.0, 1.7)),
}
RULES = {
    "auto": hocket.TickDispatch("auto"),
    "quantile": hocket.TickDispatch(4, quantile="auto", predictability=0.98),
    "max-time": hocket.MaxTime(4),
    "expected-time": hocket.ExpectedTime(4),
    "unstaggered": hocket.Unstaggered(3),
    "sequential": hocket.Sequential(),
}
DEFAULTS = {"fixed": hocket.Fixed(1), "repeat": hocket.RepeatLast(), "random": hocket.RandomDefault()}


def lean(observation, codes):
    return int(observation.sum() + codes.sum() / 7 > 0.2)


def begin(law="lognormal", rule="auto", default="random", *, env=None, policy=lean, listener=None):
    env = env or make_env("CartPole-v1")
    return hocket.Virtual(hz=50, latency=LAWS[law]).begin(
        env=env,
        policy=hocket.FunctionPolicy(policy, pending=3),
        rule=RULES[rule],
        default=DEFAULTS[default].bind(env.action_space, np.random.default_rng(2)),
        codec=ActionCodec(env.action_space),
        seed=7,
        listener=listener,
    )


def what_happened(record):
    return (
        record.trace.rows.tobytes(),
        record.rewards.tobytes(),
        bytes(record.terminated),
        record.actions,
        {tick: np.asarray(seen).tobytes() for tick, seen in record.final_observations.items()},
    )


CHILD = """
import pickle, sys
import test_resume as t

run = t.take_up(open(sys.argv[1], "rb").read(), t.make_env("CartPole-v1"), {})
run.play(2000)
pickle.dump(t.what_happened(run.end()), open(sys.argv[2], "wb"))
"""


def in_a_new_process(program, *arguments, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join([*sys.path, str(Path(__file__).parent)]))
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_in_one_go_and_in_two_processes(tmp_path, monkeypatch):
    whole = begin()
    whole.play(2000)
    first = begin()
    first.play(1000)
    (tmp_path / "run").write_bytes(put_away(first, {}))
    in_a_new_process(CHILD, tmp_path / "run", tmp_path / "said", monkeypatch=monkeypatch)
    assert pickle.loads((tmp_path / "said").read_bytes()) == what_happened(whole.end())
    assert len(set(whole.record.actions)) == 2 and len(whole.record.final_observations) > 10
    assert whole.engine.scheduler.workers > 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("law", LAWS)
def test_every_rule_and_law(rule, law):
    default = list(DEFAULTS)[(list(RULES).index(rule) + list(LAWS).index(law)) % 3]
    whole = begin(law, rule, default)
    whole.play(1500)
    run = begin(law, rule, default)
    for tick in (1, 333, 800, 1500):
        run.play(tick)
        run = take_up(put_away(run, {}), make_env("CartPole-v1"), {})
    assert what_happened(run.end()) == what_happened(whole.end())


# -- environments that cannot be saved -------------------------------------------------------------------------


def closed_env():
    env = make_env("CartPole-v1")
    env.unwrapped.window = (i for i in range(3))
    return env


def test_an_environment_that_cannot_be_saved_goes_on_from_an_episodes_beginning():
    def half():
        run = begin(env=closed_env())
        run.play(500)
        assert to_an_episode(run, 1000, seed=99)
        assert 500 < run.tick < 1000 and run.world.episode_ended
        return run

    whole, first = half(), half()
    whole.play(1500)
    second = take_up(put_away(first, {}), closed_env(), {})
    second.play(1500)
    assert what_happened(second.end()) == what_happened(whole.end())


def test_it_is_not_put_away_anywhere_else():
    run = begin(env=closed_env())
    run.play(500)
    with pytest.raises(CheckpointError, match=r"middle of an episode; try hocket.resume.to_an_episode"):
        put_away(run, {})
    assert not to_an_episode(run, 501, seed=99), "no episode ends so soon"
    run = begin(env=closed_env())
    run.play(2000, until=lambda record: run.world.episode_ended)
    with pytest.raises(CheckpointError, match="middle of an episode"):
        put_away(run, {})  # the episode that begins has no seed


class Forgetful:
    """Resets differently each time whatever the seed."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        Forgetful.episodes += 1
        return np.full(4, Forgetful.episodes / 100, np.float32), {}


def test_an_environment_that_ignores_its_seed_is_found_out(monkeypatch):
    env, other = closed_env(), closed_env()
    for each in (env, other):
        monkeypatch.setattr(each.unwrapped, "reset", Forgetful().reset)
    run = begin(env=env)
    with pytest.raises(CheckpointError, match="does not begin an episode alike for the same seed"):
        take_up(put_away(run, {}), other, {})


def test_a_run_that_broke_off_is_not_put_away():
    calls = []

    def broken(observation, codes):
        calls.append(observation)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return 0

    run = begin(policy=broken)
    run.play(100)
    assert run.record.interrupted and not run.whole
    with pytest.raises(CheckpointError, match="broke off"):
        put_away(run, {})


def test_another_environment_is_refused():
    run = begin()
    with pytest.raises(CheckpointError, match="AcrobotEnv"):
        take_up(put_away(run, {}), make_env("Acrobot-v1"), {})


# -- learning ----------------------------------------------------------------------------------------------------


class Explores:
    """ε-greedy by a learner's own network."""

    def __init__(self, learner):
        self.learner = learner

    def __call__(self, observation, codes):
        learner = self.learner
        learner.algorithm.resample(learner.network, learner._noise)
        with torch.inference_mode():
            values = learner.network(torch.from_numpy(observation)[None], torch.from_numpy(codes)[None])
        return epsilon_greedy(int(values.argmax()), actions=2, epsilon=0.2, rng=learner._exploring)


ALGORITHM = Rainbow(batch_size=8, target_every=20, learning_rate=3e-3)


def learner(weights_seed=0):
    torch.set_num_threads(1)
    torch.manual_seed(weights_seed)
    trunk, features = mlp_trunk(4, hidden=16)
    network = q_network(trunk, features, 2, pending=3, support=(0.0, 50.0), dueling=True, noisy=True)
    return BackgroundLearner(
        algorithm=ALGORITHM,
        network=network,
        actions=2,
        replay=Replay(300, (4,), np.float32, n_step=3, pending=3, alpha=0.5),
        warm_up=100,
        epsilon=Linear(1.0, 0.1, 500),
    )


def apart(learner):
    return {
        "network": learner.network,
        "target": learner._target,
        "optimizer": learner._optimizer,
        "replay": learner.replay,
    }


def save_learning(folder, run, learner):
    tensors = {
        "weights": learner.network.state_dict(),
        "target": learner._target.state_dict(),
        "optimizer": optimizer_tensors(learner._optimizer),
    }
    checkpoint = Checkpoint(
        tick=run.tick,
        updates=learner.updates,
        belongs_to=belonging("CartPole-v1", ALGORITHM, learner.network),
        tensors=tensors,
        replay=learner.replay.snapshot(),
        state=put_away(run, apart(learner)),
    )
    return save_checkpoint(folder, checkpoint)


def go_on_learning(folder):
    fresh = learner(weights_seed=5)
    checkpoint = load_checkpoint(folder, belonging("CartPole-v1", ALGORITHM, fresh.network))
    fresh.network.load_state_dict(checkpoint.tensors["weights"])
    fresh._target.load_state_dict(checkpoint.tensors["target"])
    restore_optimizer(fresh._optimizer, checkpoint.tensors["optimizer"])
    fresh.replay.restore(checkpoint.replay)
    run = take_up(checkpoint.state, make_env("CartPole-v1"), apart(fresh))
    return run, run.world._listener


def learned(run, learner):
    weights = [value.numpy().tobytes() for value in learner.network.state_dict().values()]
    return what_happened(run.record), weights, learner.losses, learner.updates


GO_ON = """
import pickle, sys
from pathlib import Path
import test_resume as t

run, learner = t.go_on_learning(Path(sys.argv[1]))
run.play(1200)
pickle.dump(t.learned(run, learner), open(sys.argv[2], "wb"))
"""


def test_learning_goes_on_bit_for_bit_in_another_process(tmp_path, monkeypatch):
    one = learner()
    whole = begin(policy=Explores(one), listener=one)
    whole.play(1200)
    other = learner()
    run = begin(policy=Explores(other), listener=other)
    run.play(600)
    path = save_learning(tmp_path / "checkpoints", run, other)
    assert (path / "state.pkl").stat().st_size < 300_000, "networks and replay are kept apart"
    in_a_new_process(GO_ON, tmp_path / "checkpoints", tmp_path / "said", monkeypatch=monkeypatch)
    assert pickle.loads((tmp_path / "said").read_bytes()) == learned(whole, one)
    assert one.updates == 276
