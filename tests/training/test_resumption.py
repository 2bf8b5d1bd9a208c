"""A run in virtual time has the same result if it was suspended and resumed."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import hocket
from hocket.drivers.run_setup import RunSetup
from hocket.envs import make_env
from hocket.errors import CheckpointError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.checkpoints.checkpoint import belonging
from hocket.learn.checkpoints.training_state import Kept
from hocket.learn.exploration import EpsilonGreedy, OwnNoise
from hocket.learn.learners.options import RoundRobin
from hocket.learn.learners.split_update import Updates
from hocket.learn.learners.virtual import VirtualLearners
from hocket.learn.policy import LearnedPolicy
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.replay import Replay
from hocket.models.qnetwork import mlp_trunk, q_network
from hocket.spaces.codec import ActionCodec
from hocket.training.resumption import play_to_suspendable, resume_run, suspend_run

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


def lean(observation, pending_actions):
    return int(observation.sum() + pending_actions.sum() / 7 > 0.2)


def begin(law="lognormal", rule="auto", default="random", *, env=None, policy=None, listener=None, background=None):
    env = env or make_env("CartPole-v1")
    setup = RunSetup(
        env=env,
        policy=policy or hocket.FunctionPolicy(lean, pending=3),
        rule=RULES[rule],
        default=DEFAULTS[default].bind(env.action_space, np.random.default_rng(2)),
        codec=ActionCodec(env.action_space),
        seed=7,
        listener=listener,
        background=background,
    )
    return hocket.Virtual(hz=50, latency=LAWS[law]).begin(setup)


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
import test_resumption as t

run = t.resume_run(open(sys.argv[1], "rb").read(), [t.make_env("CartPole-v1")], {})
run.play(2000)
pickle.dump(t.what_happened(run.end()), open(sys.argv[2], "wb"))
"""


def in_a_new_process(program, *arguments, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join([*sys.path, str(Path(__file__).parent)]))
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_in_one_go_and_in_two_processes(tmp_path, monkeypatch):
    whole = begin()
    whole.play(2000)
    first = begin()
    first.play(1000)
    (tmp_path / "run").write_bytes(suspend_run(first, {}))
    in_a_new_process(CHILD, tmp_path / "run", tmp_path / "said", monkeypatch=monkeypatch)
    assert pickle.loads((tmp_path / "said").read_bytes()) == what_happened(whole.end())
    assert len(set(whole.record.actions)) == 2 and len(whole.record.final_observations) > 10
    assert whole.engine.scheduler.workers > 1


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("law", LAWS)
def test_every_rule_and_law(rule, law):
    default = list(DEFAULTS)[(list(RULES).index(rule) + list(LAWS).index(law)) % 3]
    whole = begin(law, rule, default)
    whole.play(1500)
    run = begin(law, rule, default)
    for tick in (1, 333, 800, 1500):
        run.play(tick)
        run = resume_run(suspend_run(run, {}), [make_env("CartPole-v1")], {})
    assert what_happened(run.end()) == what_happened(whole.end())


# -- environments that cannot be saved -------------------------------------------------------------------------


def closed_env():
    env = make_env("CartPole-v1")
    env.unwrapped.window = (i for i in range(3))
    return env


def test_an_unsavable_environment_resumes_from_the_beginning_of_an_episode():
    def half():
        run = begin(env=closed_env())
        run.play(500)
        assert play_to_suspendable(run, 1000, seed=99)
        assert 500 < run.tick < 1000 and run.stepper.episode_ended
        return run

    whole, first = half(), half()
    whole.play(1500)
    second = resume_run(suspend_run(first, {}), [closed_env()], {})
    second.play(1500)
    assert what_happened(second.end()) == what_happened(whole.end())


def test_it_is_not_suspended_anywhere_else():
    run = begin(env=closed_env())
    run.play(500)
    with pytest.raises(
        CheckpointError, match=r"middle of an episode; try hocket.training.resumption.play_to_suspendable"
    ):
        suspend_run(run, {})
    assert not play_to_suspendable(run, 501, seed=99), "no episode ends so soon"
    run = begin(env=closed_env())
    run.play(2000, until=lambda record: run.stepper.episode_ended)
    with pytest.raises(CheckpointError, match="middle of an episode"):
        suspend_run(run, {})  # the episode that begins has no seed


class Forgetful:
    """Resets differently each time under the same seed."""

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
        resume_run(suspend_run(run, {}), [other], {})


def test_a_run_that_broke_off_is_not_suspended():
    calls = []

    def broken(observation, pending_actions):
        calls.append(observation)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return 0

    run = begin(policy=hocket.FunctionPolicy(broken, pending=3))
    run.play(100)
    assert run.record.interrupted and not run.whole
    with pytest.raises(CheckpointError, match="broke off"):
        suspend_run(run, {})


def test_another_environment_is_refused():
    run = begin()
    with pytest.raises(CheckpointError, match="AcrobotEnv"):
        resume_run(suspend_run(run, {}), [make_env("Acrobot-v1")], {})


# -- learning ----------------------------------------------------------------------------------------------------


ALGORITHM = Rainbow(batch_size=8, target_ticks=20, learning_rate=3e-3)


class TrainingLog:
    """The parts that `hocket.train` puts together, by hand."""

    def __init__(self, weights_seed=0, algorithm=ALGORITHM):
        torch.set_num_threads(1)
        torch.manual_seed(weights_seed)
        trunk, features = mlp_trunk(4, hidden=16)
        support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
        self.network = q_network(trunk, features, 2, pending=3, support=support, noisy=algorithm.noisy)
        self.replay = Replay(300, (4,), np.float32, n_step=algorithm.n_step, pending=3, alpha=algorithm.alpha)
        collector = Collector(self.replay, gamma=algorithm.gamma)
        exploring, sampling, durations = np.random.SeedSequence(4).spawn(3)
        self.updates = Updates(algorithm=algorithm, network=self.network, replay=self.replay, seed=sampling)
        self.learners = VirtualLearners(
            RoundRobin(3, warm_up_ticks=100),
            updates=self.updates,
            collector=collector,
            durations=hocket.LogNormal(0.15, 0.5),
            seed=durations,
        )
        exploration = OwnNoise(seed=exploring)
        if not algorithm.noisy:
            exploration = EpsilonGreedy(actions=2, epsilon=Linear(1.0, 0.1, 500), ticks=collector, seed=exploring)
        self.policy = LearnedPolicy(
            network=self.network, weights=self.learners, in_place=True, exploration=exploration, pending=3
        )
        self.algorithm = algorithm

    def begin(self):
        return begin(policy=self.policy, listener=self.learners, background=self.learners)

    def kept(self):
        return Kept(
            belongs_to=belonging("CartPole-v1", self.algorithm, self.network),
            network=self.network,
            target=self.updates.target,
            optimizer=self.updates.optimizer,
            replay=self.replay,
        )


def save_learning(folder, run, learning):
    kept = learning.kept()
    return kept.save(folder, tick=run.tick, updates=learning.updates.landed, state=suspend_run(run, kept.apart()))


def resume_learning(folder, algorithm=ALGORITHM):
    fresh = TrainingLog(weights_seed=5, algorithm=algorithm)
    kept = fresh.kept()
    return resume_run(kept.load(folder).state, [make_env("CartPole-v1")], kept.apart()), fresh.network


def learned(run, network):
    weights = [value.numpy().tobytes() for value in network.state_dict().values()]
    log = run.executor.background.log
    return what_happened(run.record), weights, log.losses.tobytes(), log.stalenesses.tolist()


RESUMED = """
import pickle, sys
from pathlib import Path
import test_resumption as t

run, network = t.resume_learning(Path(sys.argv[1]))
run.play(1200)
pickle.dump(t.learned(run, network), open(sys.argv[2], "wb"))
"""


@pytest.mark.slow
def test_learning_resumes_bit_for_bit_in_another_process(tmp_path, monkeypatch):
    one = TrainingLog()
    whole = one.begin()
    whole.play(1200)
    other = TrainingLog()
    run = other.begin()
    run.play(602)
    assert len(run.executor.background._under_way) == 3, "gradients that have not landed are resumed too"
    path = save_learning(tmp_path / "checkpoints", run, other)
    assert not re.search(rb"\bQNetwork|\bAdam|hocket.learn.replay.replay", (path / "state.pkl").read_bytes())
    in_a_new_process(RESUMED, tmp_path / "checkpoints", tmp_path / "said", monkeypatch=monkeypatch)
    assert pickle.loads((tmp_path / "said").read_bytes()) == learned(whole, one.network)
    assert one.updates.landed > 250 and sum(whole.executor.background.log.stalenesses) > 0


@pytest.mark.slow
def test_every_epsilon_greedy_choice_is_resumed(tmp_path):
    algorithm = DQN(batch_size=8)
    one, other = TrainingLog(algorithm=algorithm), TrainingLog(algorithm=algorithm)
    whole, run = one.begin(), other.begin()
    whole.play(700)
    run.play(350)
    save_learning(tmp_path, run, other)
    second, network = resume_learning(tmp_path, algorithm)
    second.play(700)
    assert learned(second, network) == learned(whole, one.network)
