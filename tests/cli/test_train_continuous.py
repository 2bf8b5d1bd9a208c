"""``hocket train`` and ``hocket run`` with continuous actions, as typed."""

import json
from dataclasses import replace

import pytest
from command_output import read, refused

from hocket.cli.options.train import TrainArguments, make_algorithm, make_network, with_algorithm
from hocket.learn.algorithms.sac import SAC
from hocket.models.actor_and_critics import ActorCritic

pytestmark = pytest.mark.slow  # they train

PENDULUM = ("train", "--env", "Pendulum-v1", "--clock", "virtual", "--latency", "0.12", "--workers", "3")
SMALL = (*PENDULUM, "--width", "0.05", "--batch-size", "8", "--warm-up", "50", "--evaluation-episodes", "1")
QUICK = (*SMALL, "--ticks", "260", "--capacity", "300")


def test_it_is_the_usual_algorithm_for_a_box(command, tmp_path):
    code, out, err = command(*QUICK, "--json", "x.json", "--out", "t", "--save-every", "100")
    assert (code, err) == (0, "")
    figures = read("x.json")
    assert figures["run"]["ticks"] == 260 and figures["updates"] == 260 - 50 + 1  # one a tick
    assert -2000 < figures["final_mean"] < 0
    # 2.4 ticks late: 3.
    assert "newest: late binding, told the 2 actions executed since and the newest observation" in out
    options = read("t/config.json")["options"]
    assert [options[name] for name in ("algorithm", "head", "pending", "default")] == ["sac", "newest", 2, "repeat"]
    again = command("train", "--config", "t/config.json", "--resume", "t", "--out", "t", "--ticks", "300")
    assert again[0] == 0, again
    code, out, err = command("run", "--policy", "t", "--clock", "virtual", "--latency", "0.12", "--ticks", "60")
    assert (code, err) == (0, "") and "acting by t/run-000000000/weights.safetensors" in out


@pytest.mark.parametrize(
    "options",
    [
        ("--undelayed-critic",),
        ("--undelayed-critic", "--head", "none"),
        ("--head", "actions", "--pending", "4", "--default", "noop"),
        ("--learner", "parallel-batch", "--learners", "2", "--update-every", "4"),
        ("--learners", "2", "--update-latency", "0.2"),
    ],
)
def test_its_options(command, options):
    code, _, err = command(*QUICK, "--json", "x.json", *options)
    assert (code, err) == (0, "") and read("x.json")["updates"] > 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epsilon-ticks", "9"), ("--epsilon-ticks 9 needs --algorithm dqn; with --algorithm sac leave it out",)),
        (("--target-ticks", "9"), ("--target-ticks 9 needs --algorithm dqn or rainbow",)),
        (("--bfloat16",), ("--bfloat16 needs --algorithm dqn or rainbow",)),
        (("--algorithm", "rainbow"), ("--algorithm rainbow needs Discrete actions", "try --algorithm sac")),
        (("--newest-units", "8"), ("--newest-units 8 needs --algorithm dqn or rainbow",)),
        (("--deep",), ("--deep needs 84x84 pictures",)),
        (("--env", "CartPole-v1", "--undelayed-critic"), ("--undelayed-critic needs --algorithm sac",)),
    ],
)
def test_mismatches_are_refused(command, options, words):
    refused(command(*QUICK, *options), *words)


def test_the_network():
    options = with_algorithm(TrainArguments(env="Pendulum-v1", pending=3, undelayed_critic=True, n_step=2, gamma=0.9))
    algorithm = make_algorithm(options)
    assert algorithm == SAC(gamma=0.9, n_step=2, undelayed_critic=True)
    network = make_network(options, algorithm)
    assert isinstance(network, ActorCritic) and (network.pending, network.critics.late_inputs) == (3, (0, False))
    widths = [layer.out_features for layer in network.head if hasattr(layer, "out_features")]
    assert widths == [256, 256, 2]
    late = make_network(replace(options, head="newest", pending=4, undelayed_critic=False), SAC())
    assert late.critics.late_inputs == (4, True)
    half = make_network(with_algorithm(TrainArguments(env="Pendulum-v1", width=0.5)), SAC())
    assert half.head[0].out_features == 128
    assert json.dumps(options.algorithm) == '"sac"'
