"""`hocket.train` on the wall clock. Counts, not timings: a busy machine may be late, but nothing may be lost."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from leftover_processes import alive, descendants, eventually, named_memory, workers_below, workers_of_ours
from recording_instruments import Notes
from safetensors.torch import load_file

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import CheckpointError, ConfigurationError, EnvError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.checkpoints.checkpoint import checkpoints, newest_checkpoint
from hocket.models.qnetwork import mlp_trunk, newest_encoder, q_network
from hocket.training.learning_listener import LearningListener
from hocket.training.resumption import Checkpoints

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]

SMALL = DQN(batch_size=8, target_ticks=20)


def cartpole():
    return gym.make("CartPole-v1")


def null():
    return NullEnv(observation_shape=(4,), dtype=np.float32, actions=2)


class Told(gym.Wrapper):
    """Calls a function at a tick, and may spoil observations or rewards from then on.

    ``until`` maps ticks to conditions. Such a tick ends when its condition holds: a learner or a saver that a busy
    machine leaves no time makes the run longer, and changes nothing else.
    """

    def __init__(self, tick=-1, do=lambda: None, *, observation=None, reward=None, every=None, until=None):
        super().__init__(cartpole())
        self.count, self.tick, self.do, self.every = 0, tick, do, every
        self.until = until or {}
        self.spoiled = observation, reward

    def step(self, action):
        self.count += 1
        observation, reward, *others = super().step(action)
        if self.count in self.until:
            assert eventually(self.until[self.count], 60.0), self.count
        if self.count == self.tick:
            self.do()
        if self.every is not None and self.count % self.every == 0:
            print(self.count, flush=True)
        if self.count >= self.tick > 0:
            observation = observation if self.spoiled[0] is None else np.full_like(observation, self.spoiled[0])
            reward = reward if self.spoiled[1] is None else self.spoiled[1]
        return observation, reward, *others


PACE = {"update_every_ticks": 10, "warm_up_ticks": 20}


def live(make_env=cartpole, *, ticks=400, hz=200, hidden=8, pending=0, executor="threads", rule=None, **options):
    clock = hocket.Realtime(hz=hz, executor=executor, failures=options.pop("failures", hocket.FailureLimits()))
    algorithm = options.pop("algorithm", SMALL)
    support = (0.0, 50.0) if isinstance(algorithm, Rainbow) else None
    torch.manual_seed(0)
    newest = newest_encoder((4,), units=4) if options.pop("newest", False) else None
    known = {
        "learner": hocket.RoundRobin(1, **PACE),
        "replay": hocket.ReplayOptions(capacity=5000),
        "evaluation": hocket.EvaluationOptions(episodes=0),
    }
    return hocket.train(
        make_env,
        q_network(
            *mlp_trunk(4, hidden=hidden), 2, pending=pending, newest=newest, support=support, noisy=algorithm.noisy
        ),
        algorithm,
        rule or hocket.TickDispatch(2),
        clock,
        ticks=ticks,
        **{**known, **options},
    )


def in_loop(make_env=cartpole, order=hocket.Learn.AFTER_INFERENCE, **options):
    """Its only process is the saver's, if there is one."""
    return live(make_env, rule=hocket.Sequential(order), learner=hocket.InLoop(warm_up_ticks=20), **options)


def columns(result):
    return result.losses, result.stalenesses, result.started_ns, result.landed_ns


def versions(result):
    """The versions of the weights behind each executed action, in order."""
    metrics = result.run.metrics()
    return metrics.inferences.version[metrics.ticks.inference[metrics.ticks.inference >= 0]].tolist()


def index_of(path):
    return json.loads((newest_checkpoint(Path(path)) / "state.json").read_text())


def records_of(path):
    return np.load(newest_checkpoint(Path(path)) / "replay-records.npy")


def ticks_saved(folder):
    return [int(path.name) for path in checkpoints(Path(folder))]


@pytest.fixture
def watch(monkeypatch):
    """The listener of the training under way: it has the learners and the saver."""
    made, usual = [], LearningListener.__init__

    def init(self, *arguments):
        usual(self, *arguments)
        made.append(self)

    monkeypatch.setattr(LearningListener, "__init__", init)
    return lambda: made[-1]


@pytest.fixture
def landed(watch):
    """``landed(count)()`` is true once that many updates have landed."""
    return lambda count: lambda: watch().learning.log.updates >= count


class OfSixteen(DQN):
    def gradients(self, online, target, batch, **options):
        assert len(batch.actions) == 16
        return super().gradients(online, target, batch, **options)


@pytest.mark.parametrize(
    ("executor", "learner", "algorithm"),
    [
        ("processes", hocket.RoundRobin(1, **PACE), SMALL),
        ("threads", hocket.RoundRobin(2, **PACE), SMALL),
        ("threads", hocket.ParallelBatch(2, **PACE), OfSixteen(batch_size=8, target_ticks=20)),
    ],
)
def test_updates_follow_the_pace(tmp_path, executor, learner, algorithm, landed):
    # By tick 99 (99 − 20) // 10 + 1 = 8 are due, by tick 389 37, and 39 by the end.
    result = live(
        lambda: Told(until={100: landed(8), 390: landed(37)}),
        executor=executor,
        learner=learner,
        algorithm=algorithm,
        checkpoints=Checkpoints(tmp_path, every_ticks=10_000),
    )
    assert result.error is None and len(result.run.record.ticks) == 400
    assert 37 <= result.updates <= 39
    assert {len(column) for column in columns(result)} == {result.updates}
    assert np.isfinite(result.losses).all()
    # One learner that is kept waiting may miss many updates of another, but a landing is missed by the others only.
    assert min(result.stalenesses) >= 0
    assert sum(result.stalenesses) <= (learner.learners - 1) * result.updates
    assert list(result.landed_ns) == sorted(result.landed_ns)
    in_the_loop = np.array(result.landed_ns) <= result.run.record.wall_s * 1e9
    assert (~in_the_loop).sum() <= learner.learners  # those that were under way at the end
    assert (np.array(result.started_ns) < result.landed_ns).all() and min(result.started_ns) > 20 / 200 * 1e9
    seen = versions(result)
    assert seen[0] == 0 and max(seen) > 0 and max(seen) <= result.updates
    assert result.run.config["mode"] == "true-size, realtime"
    assert result.evaluations == [] and len(result.final.returns) == 0 and math.isnan(result.final.mean)
    assert result.final.tick == 400
    index = index_of(tmp_path)
    assert (index["tick"], index["updates"]) == (400, result.updates)
    saved = load_file(newest_checkpoint(tmp_path) / "weights.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in result.network.state_dict().items())


@pytest.mark.parametrize("order", [hocket.Learn.AFTER_INFERENCE, hocket.Learn.BEFORE_INFERENCE])
def test_the_classical_loop(order):
    result = in_loop(order=order, ticks=200)
    assert result.error is None and 0 < result.updates == len(result.losses)
    assert set(result.stalenesses) == {0}
    executed = versions(result)
    assert executed[0] == 0 and executed == sorted(executed) and executed[-1] <= result.updates
    # One update for each inference once it is warm.
    assert result.updates <= len(result.run.metrics().inferences.version)


def test_rainbow():
    algorithm = Rainbow(batch_size=8, target_ticks=20)
    result = live(algorithm=algorithm, learner=hocket.RoundRobin(2, **PACE), executor="processes")
    assert result.error is None and result.updates >= 20
    assert np.isfinite(result.losses).all()


@pytest.mark.alone
def test_late_binding_under_a_charge(tmp_path):
    """2.5 ticks in the trunk: two ticks lie between, and their actions are known when the head runs.

    In ticks of 100 ms: a busy machine lets a worker that has slept wait for 10 ms, which have to be few.
    """
    result = live(
        null,  # no episode ends, in which inferences would be lost
        hz=10,
        ticks=45,
        pending=2,
        rule=hocket.TickDispatch(4),
        acting=hocket.ActingOptions(late_binding=True, charge=hocket.Constant(2.5 / 10)),
        checkpoints=Checkpoints(tmp_path, every_ticks=10_000),
    )
    assert result.run.config["mode"] == "delay-only, realtime"
    after = result.run.metrics(after_tick=20)
    fresh = after.ticks.inference >= 0
    assert fresh.mean() > 0.2  # 1 on an idle machine; a head that is late has missed its tick
    assert np.median(after.ticks.delay_ticks[fresh]) == 3
    assert after.ticks.delay_ticks[fresh].min() == 3
    assert result.updates > 0
    records = records_of(tmp_path)
    known = (records["pending"] < 2).all(axis=1)  # 2 would be: unknown
    assert len(records) > 20 and known[10:].mean() > 0.3


@pytest.mark.alone
def test_a_head_that_sees_the_newest_observation_under_a_charge(tmp_path):
    """As above, and the head acts alone in the first two ticks: no tick is left to the default."""
    result = live(
        null,
        hz=10,
        ticks=45,
        pending=2,
        newest=True,
        rule=hocket.TickDispatch(4),
        acting=hocket.ActingOptions(charge=hocket.Constant(2.5 / 10)),
        checkpoints=Checkpoints(tmp_path, every_ticks=10_000),
    )
    records = records_of(tmp_path)
    assert result.updates > 0 and len(records) > 20
    alone = records["delay_ticks"] == 0
    assert alone[:8].sum() >= 2 and not alone[8:].any()
    assert (records["pending"][alone] == 2).all()
    assert (records["newest"] >= records["state"]).all() and (records["next_newest"] > records["newest"]).all()
    late = records[~alone]
    assert (late["delay_ticks"] == late["newest"] + 1 - late["state"]).all() and np.median(late["delay_ticks"]) == 3


@pytest.mark.filterwarnings("ignore:nothing was learned")  # in 5 ticks
def test_a_head_that_takes_longer_than_it_is_given_is_warned_of(monkeypatch):
    monkeypatch.setattr("hocket.training.realtime.head_time_s", lambda network, example: 0.0027)
    with pytest.warns(RuntimeWarning, match=r"the head takes 2\.7 ms on this machine, and is called 2\.5 ms before"):
        live(ticks=5, hz=100, newest=True, learner=hocket.RoundRobin(1, update_every_ticks=None, warm_up_ticks=1))


def test_evaluation_is_of_the_newest_weights_after_the_end():
    class Short(gym.wrappers.TimeLimit):
        def __init__(self):
            super().__init__(null(), 50)

    result = live(Short, ticks=100, evaluation=hocket.EvaluationOptions(episodes=2))
    assert len(result.final.returns) == 2 and result.final.tick == 100


# -- faults --------------------------------------------------------------------------------------------------


def kill_one():
    os.kill(min(workers_of_ours()), signal.SIGKILL)


def test_a_learner_that_is_killed_is_replaced(landed):
    with pytest.warns(RuntimeWarning, match=r"learner 0 \(process \d+\) ended with exit code -9"):
        result = live(lambda: Told(150, kill_one, until={390: landed(37)}))
    assert result.error is None and len(result.run.record.ticks) == 400
    assert 37 <= result.updates <= 39  # missed updates are made up for: 14 were due by tick 150
    assert result.run.metrics(after_tick=150).coverage > 0  # the workers continue to act


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [({"observation": 3e38}, "DivergenceError: the gradient norm of an update is inf"), ({"reward": 1e39}, "paid a")],
)
@pytest.mark.parametrize("train", [live, in_loop])
def test_non_finite_values_end_learning_and_not_acting(spoiled, message, train, tmp_path, watch):
    def stopped():
        return watch().error is not None

    def stopped_and_saved():
        return stopped() and any(tick > 100 for tick in ticks_saved(tmp_path))

    # Only transitions between fresh actions are learned from, and workers may be slower than the ticks.
    slowly = {tick: lambda: eventually(stopped, 0.1) or True for tick in range(101, 190)}
    options = {} if train is in_loop else {"learner": hocket.RoundRobin(1, update_every_ticks=1, warm_up_ticks=20)}
    with pytest.warns(RuntimeWarning, match="learning stopped by tick") as told:
        result = train(
            # The checkpoint of tick 200 is skipped where that of tick 100 is still being written.
            lambda: Told(100, **spoiled, until={**slowly, 190: lambda: ticks_saved(tmp_path), 290: stopped_and_saved}),
            ticks=300,
            checkpoints=Checkpoints(tmp_path, every_ticks=100, keep=10),
            replay=hocket.ReplayOptions(capacity=100),
            **options,
        )
    assert message in result.error and message in str(told[0].message)
    assert len(told) == 1
    assert len(result.run.record.ticks) == 300
    assert result.updates > 0 and np.isfinite(result.losses).all()
    assert all(torch.isfinite(value).all() for value in result.network.state_dict().values())
    assert any(100 < tick < 300 for tick in ticks_saved(tmp_path))  # saving continues


def test_an_invalid_reward_ends_the_run_and_loses_nothing(tmp_path):
    with pytest.raises(EnvError, match="reward inf of CartPole-v1 is not a finite number") as info:
        live(lambda: Told(100, reward=math.inf), checkpoints=Checkpoints(tmp_path))
    assert len(info.value.result.run.record.ticks) == 99
    assert ticks_saved(tmp_path) == [99]


class Raising(DQN):
    def gradients(self, *arguments, **options):
        raise RuntimeError("the learner's own words")


@pytest.mark.parametrize("train", [live, in_loop])
def test_learners_that_always_raise(train, watch):
    def stopped():
        return watch().error is not None

    limits = {} if train is in_loop else {"failures": hocket.FailureLimits(outage_s=0.5)}
    with pytest.warns(RuntimeWarning) as told:  # five learners have to fail
        result = train(
            lambda: Told(until={200: stopped}), ticks=300, algorithm=Raising(batch_size=8, target_ticks=20), **limits
        )
    assert "RuntimeError: the learner's own words" in result.error
    assert "learning stopped by tick" in str(told[-1].message)
    assert result.updates == 0 and len(result.run.record.ticks) == 300


def test_a_full_disk_costs_no_checkpoint_and_no_run(tmp_path, watch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def saved_once():
        return any(tick >= 200 for tick in ticks_saved(tmp_path))

    def failed_once():
        return len(watch()._saver.failures) >= 1

    def fill():
        for process in (0, *workers_of_ours()):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (2000, before[1]))

    try:
        with pytest.warns(RuntimeWarning) as told:
            result = in_loop(
                lambda: Told(350, fill, until={350: saved_once, 590: failed_once}),
                ticks=600,
                checkpoints=Checkpoints(tmp_path, every_ticks=100),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.error is None and len(result.run.record.ticks) == 600
    messages = [str(warning.message) for warning in told]
    assert len(messages) >= 2  # on the way, and at the end
    assert all("cannot be written (File too large)" in text for text in messages)
    assert f"{600:09d}" in messages[-1]
    saved = ticks_saved(tmp_path)
    assert saved and 200 <= saved[-1] <= 350
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{tick:09d}" for tick in saved]
    again = in_loop(resume=tmp_path, ticks=saved[-1] + 20)
    assert again.run.config["first_tick"] == saved[-1]


def test_a_saver_that_is_killed_is_replaced(tmp_path):
    def saved_again():
        return any(tick > 250 for tick in ticks_saved(tmp_path))

    # Another saver takes a second to start, and its first checkpoint is of a later tick.
    slowly = {tick: lambda: eventually(saved_again, 0.25) or True for tick in range(251, 490)}
    with pytest.warns(RuntimeWarning, match=r"the saver \(process \d+\) ended with exit code -9"):
        result = in_loop(
            lambda: Told(250, kill_one, until={250: lambda: ticks_saved(tmp_path), **slowly}),
            ticks=500,
            checkpoints=Checkpoints(tmp_path, every_ticks=20, keep=30),
        )
    assert result.error is None
    saved = ticks_saved(tmp_path)
    assert saved[-1] == 500 and any(250 < tick < 500 for tick in saved)


# -- resumed -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    live(ticks=200, checkpoints=Checkpoints(folder, every_ticks=10_000))
    return folder


def test_a_resumed_training_continues(saved, tmp_path, landed):
    notes, before = Notes(), index_of(saved)
    result = live(
        lambda: Told(until={290: landed(20)}),
        ticks=500,
        resume=saved,
        checkpoints=Checkpoints(tmp_path, every_ticks=10_000),
        instruments=[notes],
    )
    after = index_of(tmp_path)
    assert (before["tick"], after["tick"]) == (200, 500)
    assert result.run.config["first_tick"] == 200 and len(result.run.record.ticks) == 300
    assert after["updates"] == before["updates"] + result.updates
    assert result.updates >= 20 and len(result.losses) == result.updates
    metrics = result.run.metrics()
    first = 200 + int(metrics.ticks.tick[metrics.ticks.inference >= 0][0])  # the first tick with an inference's action
    assert before["updates"] <= versions(result)[0] <= (first - 20) // 10 + 1  # never more than are due
    assert len(records_of(tmp_path)) > len(records_of(saved)) + 100
    last = notes.progresses[-1]
    assert last.tick == 500
    assert 0 <= after["updates"] - last.learner.updates <= 1  # one that is being made as the run ends still counts
    assert all(progress.updates_per_s < 100 for progress in notes.progresses)  # the ones before are not among them


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 9}, r"parameters trunk.1.weight is \[8, 4\], this run's is \[9, 4\]"),
        ({"make_env": lambda: gym.make("Acrobot-v1")}, "its environment is CartPole-v1, this run's is Acrobot-v1"),
        ({"algorithm": DQN(batch_size=9)}, "its algorithm is DQN"),
        ({"rule": hocket.TickDispatch(3)}, "its rule is"),
        ({"hz": 100}, "its hz is 200, this run's is 100"),
        ({"learner": hocket.RoundRobin(2, **PACE)}, "its learner is"),
        ({"acting": hocket.ActingOptions(charge=hocket.Constant(0.1))}, "its acting is"),
        ({"checkpoints": Checkpoints("FOLDER")}, None),
    ],
)
def test_another_trainings_checkpoint_is_refused(saved, options, message):
    if message is None:  # saving among newer checkpoints than the resumed one
        older = saved.parent / "older"
        older.mkdir(exist_ok=True)
        (older / f"{900:09d}").mkdir(exist_ok=True)
        (older / f"{900:09d}" / "state.json").touch()
        options, message = {"checkpoints": Checkpoints(older)}, "holds checkpoints of its own"
    with pytest.raises(CheckpointError, match=message):
        live(ticks=300, resume=saved, **options)


def test_ticks_that_have_passed_are_refused(saved):
    with pytest.raises(ConfigurationError, match="ticks=200 have passed at the checkpoint, which is of tick 200"):
        live(ticks=200, resume=saved)


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import test_realtime_training as tests
import hocket
from equal_priorities import keep_priorities

if __name__ == "__main__":
    keep_priorities()
    tests.torch.set_num_threads(1)
    try:
        tests.live(
            lambda: tests.Told(every=10), ticks=100_000, executor="processes",
            checkpoints=hocket.Checkpoints({folder!r}, every_ticks=100),
        )
    except hocket.RunInterrupted as interrupted:
        print("interrupted", len(interrupted.result.run.record.ticks), flush=True)
"""


def script(tmp_path, folder):
    path = tmp_path / "script.py"
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "drivers")]
    path.write_text(SCRIPT.format(paths=paths, folder=str(folder)))
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )


def until_saved(process, folder):
    """The tick at which two checkpoints with updates in them were there, and that of the newer one."""
    first = None
    while line := process.stdout.readline():
        newest = ticks_saved(folder)[-1:]
        if first is None and newest and index_of(folder)["updates"]:
            first = newest
        if first is not None and newest != first:
            return int(line), newest[0]
    pytest.fail(process.communicate(timeout=10)[1])


def test_killed_altogether(tmp_path):
    folder = tmp_path / "checkpoints"
    process = script(tmp_path, folder)
    tick, newest = until_saved(process, folder)
    below, memory = descendants(process.pid), named_memory(process.pid)
    assert len(workers_below(process.pid)) >= 4  # two workers, a learner, a saver
    os.killpg(process.pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=20)
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    assert not any(map(os.path.exists, memory))
    tick = int((said.split() or [tick])[-1])
    index = index_of(folder)
    assert newest <= index["tick"] <= tick + 10
    result = live(
        lambda: Told(), resume=folder, ticks=index["tick"] + 200, checkpoints=Checkpoints(folder, every_ticks=10_000)
    )
    after = index_of(folder)
    assert after["tick"] == index["tick"] + 200
    assert after["updates"] == index["updates"] + result.updates > index["updates"]
    assert not list(folder.glob("*.part"))


def test_interrupted(tmp_path):
    folder = tmp_path / "checkpoints"
    process = script(tmp_path, folder)
    until_saved(process, folder)
    below = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == "", errors
    assert said.splitlines()[-1] == f"interrupted {index_of(folder)['tick']}"
    assert eventually(lambda: not any(map(alive, below)), 6.0)


def test_interrupted_in_the_evaluation():
    """The training is over, and its result is not lost."""
    made = []

    def make():
        made.append(Told(20, lambda: os.kill(os.getpid(), signal.SIGINT)) if made else Told())
        return made[-1]

    with pytest.raises(hocket.RunInterrupted) as info:
        in_loop(make, ticks=60, evaluation=hocket.EvaluationOptions(episodes=10))
    result = info.value.result
    assert len(result.run.record.ticks) == 60
    assert result.updates == len(result.losses) > 0 and result.final.tick == 60 and result.final.cut
    assert info.value.result.run.config["mode"] == "true-size, realtime"


# -- arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"evaluation": hocket.EvaluationOptions(every_ticks=100)},
            "every_ticks=100: a training on the wall clock cannot pause",
        ),
        ({"evaluation": hocket.EvaluationOptions(good_enough=10.0)}, "good_enough=10.0: a training"),
        ({"ticks": 0}, "ticks=0 must be a whole number"),
        ({"ticks": 1.5}, "ticks=1.5 must be a whole number"),
        ({"seed": -1}, "seed=-1"),
        ({"rule": 5}, "rule=5 is not a rule"),
        (
            {"acting": hocket.ActingOptions(charge=hocket.PerWorker(hocket.Constant(0.1), (1, 2)))},
            "depends on the worker or the time",
        ),
        ({"replay": 500}, r"replay=500 must be ReplayOptions\(...\)"),
        (
            {"acting": hocket.ActingOptions(late_binding=True)},
            "late_binding=True tells the network's head of the pending actions",
        ),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        live(**options)


def test_a_charge_is_for_the_wall_clock():
    network = q_network(*mlp_trunk(4, hidden=8), 2)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    with pytest.raises(ConfigurationError, match=r"charge=Constant.*virtual time charges its own law"):
        hocket.train(
            cartpole,
            network,
            SMALL,
            hocket.TickDispatch(1),
            clock,
            ticks=10,
            acting=hocket.ActingOptions(charge=hocket.Constant(0.1)),
        )
