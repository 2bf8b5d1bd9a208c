"""``hocket train``, as typed."""

import json

import gymnasium as gym
import pytest
from command_output import read, refused
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import hocket
from hocket.cli.options.train import TrainArguments, make_algorithm, make_network
from hocket.learn.algorithms.rainbow import Rainbow

CARTPOLE = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "lognormal:0.02:0.5", "--pending", "2")
SMALL = (*CARTPOLE, "--width", "0.2", "--batch-size", "8", "--warm-up", "50", "--evaluate-every", "300")
QUICK = (*SMALL, "--evaluation-episodes", "2", "--ticks", "400", "--capacity", "300")


@pytest.mark.slow
def test_it_trains(command):
    code, out, err = command(*QUICK, "--json", "x.json", "--learners", "2", "--update-latency", "0.05")
    assert (code, err) == (0, "")
    for words in ("tick 300: mean return", "coverage", "evaluation  mean return", "staleness", "delay-only, virtual"):
        assert words in out
    figures = read("x.json")
    assert figures["run"]["ticks"] == 400 and figures["final_tick"] in (0, 300, 400)
    assert [each["tick"] for each in figures["evaluations"]] == [0, 300, 400]
    assert 160 < figures["updates"] <= 351


def saved(folder):
    return sorted(path.name for path in (folder / "runs/a").iterdir())


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(command, tmp_path):
    alike = ("--epsilon-ticks", "500")  # the usual one depends on --ticks
    assert command(*QUICK, *alike, "--ticks", 700, "--json", "whole.json")[0] == 0
    first = command(*QUICK, *alike, "--out", "runs/a", "--save-every", "150", "--tensorboard", "board")
    assert first[0] == 0, first
    assert saved(tmp_path) == [
        "000000300",
        "000000400",
        "config.json",
        "run-000000000",
    ]
    assert read("runs/a/config.json")["options"]["ticks"] == 400
    config = ("train", "--config", "runs/a/config.json")
    code, _, err = command(*config, "--resume", "runs/a", "--out", "runs/a", "--ticks", 700, "--json", "two.json")
    assert (code, err) == (0, "")
    one, two = read("whole.json"), read("two.json")
    assert one["evaluations"] == two["evaluations"] and one["updates"] == two["updates"]
    for figure in ("ticks", "coverage", "delay_mean", "episodes", "return_mean"):
        assert one["run"][figure] == two["run"][figure]
    assert saved(tmp_path) == [
        "000000600",
        "000000700",
        "config.json",
        "run-000000000",
    ]
    events = EventAccumulator("board")
    events.Reload()
    assert [each.step for each in events.Scalars("evaluation/mean_return")][:2] == [0, 300]
    assert events.Scalars("learning/updates")[-1].value > 0


@pytest.mark.slow
def test_copies_in_lockstep(command, tmp_path):
    code, _, err = command(*QUICK, "--envs", 3, "--out", "a", "--json", "a.json")
    assert (code, err) == (0, "")
    ticks = json.loads((tmp_path / "a/config.json").read_text())["options"]["ticks"]
    made = json.loads((tmp_path / "a.json").read_text())
    assert made["run"]["ticks"] == -(-ticks // 3) and made["updates"] > 0
    assert json.loads((tmp_path / "a/config.json").read_text())["options"]["envs"] == 3
    code, _, err = command("train", "--config", "a/config.json", "--resume", "a", "--out", "a", "--ticks", 2 * ticks)
    assert (code, err) == (0, "")


@pytest.mark.slow
def test_another_runs_folder_is_left_alone(command, tmp_path):
    assert command(*QUICK, "--out", "a")[0] == 0
    kept = (tmp_path / "a/config.json").read_text()
    refused(command(*QUICK, "--out", "a", "--seed", 5), "holds checkpoints of its own", "another folder")
    refused(command(*QUICK, "--out", "a", "--resume", "a", "--seed", 5), "its seed is 0, this run's is 5")
    assert (tmp_path / "a/config.json").read_text() == kept
    refused(command(*QUICK, "--resume", "nowhere"), "nowhere holds no checkpoint")
    acting = ("run", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.05", "--seconds", "1")
    for folder, held in (("a", "checkpoints of a training"), ("a/run-000000000", "the record of a training")):
        code, out, err = command(*acting, "--policy", "a", "--out", folder)
        refused((code, out, err), held, "another folder")
        assert "coverage" not in out and "acting by" not in out
    assert (tmp_path / "a/config.json").read_text() == kept


@pytest.mark.realtime
def test_in_realtime(command, tmp_path):
    live = ("train", "--env", "CartPole-v1", "--hz", "100", "--batch-size", "8", "--warm-up", "50", "--workers", "4")
    slow = (*live, "--epsilon-ticks", "100", "--latency", "0.015", "--out", "a", "--save-every", "100")
    code, out, err = command(*slow, "--ticks", "250", "--json", "x.json")
    assert (code, err) == (0, "")
    assert "delay-only, realtime" in out and "evaluation  mean return" in out
    figures = read("x.json")
    assert figures["run"]["ticks"] == 250 and figures["run"]["delay_mean"] >= 1.5
    assert 10 <= figures["updates"] <= 201 and figures["staleness_max"] == 0
    again = command(*slow, "--ticks", "350", "--json", "y.json", "--resume", "a")
    assert again[0] == 0, again
    assert read("y.json")["run"]["ticks"] == 100
    assert read("a/run-000000250/config.json")["mode"] == "delay-only, realtime"
    refused(command(*live, "--evaluate-every", "100"), "--evaluate-every 100 needs --clock virtual")
    refused(command(*live, "--latency", "measured"), "--latency measured needs --clock virtual")


@pytest.mark.realtime
def test_the_networks_own_time(command):
    measured = ("train", "--env", "CartPole-v1", "--hz", "50", "--clock", "virtual", "--latency", "measured")
    short = ("--ticks", "200", "--warm-up", "100", "--evaluation-episodes", "1")
    code, out, err = command(*measured, *short, "--json", "x.json")
    assert (code, err) == (0, "") and "true-size, virtual" in out
    code, _, err = command(*("run", *measured[1:]), "--seconds", "1", "--out", "b")
    assert (code, err) == (0, "") and read("b/config.json")["mode"] == "true-size, virtual"


@pytest.mark.slow
def test_rainbow_and_learners_in_step(command):
    code, _, err = command(*QUICK, "--algorithm", "rainbow", "--learner", "parallel-batch", "--learners", "3")
    assert (code, err) == (0, "")


def test_the_classical_loop(command):
    code, _, err = command(*QUICK, "--learner", "in-loop", "--rule", "sequential", "--json", "x.json")
    assert (code, err) == (0, "")
    assert read("x.json")["updates"] > 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--learner", "in-loop"), ("--learner in-loop needs --rule sequential",)),
        (("--learner", "in-loop", "--rule", "sequential", "--learners", "2"), ("--learners 2", "leave it out")),
        (("--learner", "in-loop", "--rule", "sequential", "--update-every", "2"), ("--update-every 2",)),
        (("--save-every", "5"), ("--save-every 5 needs --out",)),
        (("--deep",), ("--deep needs 84x84 pictures",)),
        (("--env", "Pendulum-v1", "--algorithm", "dqn"), ("needs Discrete actions", "try --algorithm sac")),
        (("--algorithm", "sac"), ("needs Box actions", "try --algorithm dqn")),
        (("--undelayed-critic",), ("--undelayed-critic needs --algorithm sac",)),
        (("--env", "Pendulum-v1", "--hz", "20", "--target-ticks", "9"), ("--target-ticks 9 needs --algorithm dqn or",)),
        (("--width", "0"), ("--width 0",)),
        (("--clock", "realtime", "--update-latency", "0.1"), ("needs --clock virtual",)),
        (("--clock", "realtime", "--envs", "8"), ("--envs", "needs --clock virtual")),
        (("--envs", "0"), ("envs=0 must be a whole number from 1", "try envs=8")),
        (("--algorithm", "rainbow", "--epsilon-ticks", "9"), ("--epsilon-ticks 9 needs --algorithm dqn",)),
        (("--gamma", "2"), ("--gamma 2.0 must be greater than 0 and at most 1; try --gamma 0.99",)),
        (("--device", "nowhere"), ("device='nowhere' cannot be used", "try 'cpu'")),
        (("--config", "nowhere.json"), ("hocket train",)),
    ],
)
def test_mismatches_are_refused(command, options, words):
    refused(command(*QUICK, *options), *words)


def test_the_config_of_another_command_is_refused(command, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"options": {"seconds": 3}}))
    refused(command("train", "--config", "config.json"), "unknown options ['seconds']")


def test_networks_by_the_observations_shape():
    def network(env, **more):
        options = TrainArguments(env=env, **more)
        return make_network(options, make_algorithm(options))

    assert network("ALE/Boxing-v5", width=0.0625, frame_stack=2).trunk[0].in_channels == 2
    assert network("CartPole-v1", width=0.5).trunk[1].out_features == 32
    rainbow = network("CartPole-v1", algorithm="rainbow", pending=3)
    assert rainbow.pending == 3 and float(rainbow.head.support[-1]) > 10
    assert isinstance(make_algorithm(TrainArguments(algorithm="rainbow", n_step=5)), Rainbow)
    assert make_algorithm(TrainArguments(algorithm="rainbow", n_step=5)).n_step == 5


def test_minatars_network():
    import gymnasium as gym
    from minatar.gym import register_envs

    register_envs()
    try:
        options = TrainArguments(env="MinAtar/Breakout-v1", hz=15)
        assert make_network(options, make_algorithm(options)).trunk[1].in_channels == 4
    finally:
        for id in [id for id in gym.registry if id.startswith("MinAtar/")]:
            del gym.registry[id]


@pytest.fixture
def shown(tmp_path):
    """A hundred episodes of a policy that pushes towards the side the pole falls to."""
    env = gym.make("CartPole-v1")
    episodes = hocket.demonstrate(env, lambda seen: int(seen[2] + seen[3] > 0), episodes=20)
    return str(episodes.save(tmp_path / "shown.npz")), episodes.returns.mean()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ticks=1500 end before learning begins")
def test_it_begins_with_demonstrations(command, shown):
    path, mean = shown
    assert mean > 150
    world = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.01")
    quick = (*world, "--ticks", "1500", "--warm-up", "2000", "--evaluate-every", "1500", "--evaluation-episodes", "10")
    code, out, err = command(*quick, "--demonstrations", path, "--pretrain-updates", "600", "--json", "taught.json")
    assert (code, err) == (0, "")
    assert "pre-trained: 600 updates on 20 episodes of mean return" in out
    assert command(*quick, "--json", "untaught.json")[0] == 0
    taught, untaught = read("taught.json"), read("untaught.json")
    assert taught["updates"] == untaught["updates"] == 0
    assert taught["evaluations"][0]["mean_return"] > 100, "the weights of the beginning are evaluated"
    assert taught["final_mean"] > 100 > untaught["final_mean"]


def test_options_of_pretraining_that_do_not_fit(command, shown):
    path, _ = shown
    refused(command(*QUICK, "--margin", "0.5"), "--margin 0.5 needs --demonstrations")
    refused(command(*QUICK, "--demonstrations", path, "--algorithm", "rainbow"), "needs --algorithm dqn")
    refused(command(*QUICK, "--demonstration-share", "0.5"), "--demonstration-share 0.5 needs --demonstrations")
    refused(
        command(*QUICK, "--demonstrations", path, "--demonstration-share", "1"), "--demonstration-share 1.0 must be"
    )
    refused(command(*QUICK[:-6], "--demonstrations", "nothing.npz", "--pending", "0"), "nothing.npz is not there")
