"""``hocket run --policy`` with a trained policy, as typed."""

import json
import shutil

import numpy as np
import pytest
import torch
from command_output import read, refused
from safetensors.torch import load_file, save_file

from hocket.cli.policies import Trained

pytestmark = pytest.mark.slow  # they train

QUICK = (
    *("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.03", "--rule", "max-time"),
    *("--workers", "3", "--width", "0.2", "--batch-size", "8", "--warm-up", "50", "--evaluation-episodes", "1"),
    *("--ticks", "300", "--save-every", "150", "--capacity", "300"),
)
RUN = ("run", "--clock", "virtual", "--latency", "0.03", "--ticks", "60")


@pytest.fixture
def trained(command, tmp_path):
    assert command(*QUICK, "--out", "t")[0] == 0
    return tmp_path / "t"


def test_it_acts_in_its_own_world_under_its_own_rule(command, trained):
    code, out, err = command(*RUN, "--policy", "t", "--out", "r", "--json", "x.json")
    assert (code, err) == (0, "")
    assert "acting by t/run-000000000/weights.safetensors" in out
    options = read("r/config.json")["options"]
    assert (options["env"], options["rule"], options["workers"]) == ("CartPole-v1", "max-time", "3")
    figures = read("x.json")
    assert figures["ticks"] == 60 and len(figures["workers"]) == 3 and figures["delay_mean"] == 2
    assert command("run", "--config", "r/config.json", "--json", "y.json")[0] == 0
    again = read("y.json")
    of_the_wall_clock = {"tick_loop_cpu_share", "step_p50_s", "step_p99_s", "overruns"}
    assert all(again[name] == figures[name] for name in figures.keys() - of_the_wall_clock)


def test_it_acts_by_its_weights(command, trained):
    weights = load_file(trained / "run-000000000/weights.safetensors")
    for name, preferred in (("a", 0), ("b", 1)):
        last = {key: value.clone() for key, value in weights.items()}
        bias = next(key for key in last if key.endswith("bias") and last[key].shape == (2,))
        last[bias] = torch.tensor([100.0, 0.0] if preferred == 0 else [0.0, 100.0])
        shutil.copytree(trained, name)
        save_file(last, f"{name}/run-000000000/weights.safetensors")
        assert command(*RUN, "--policy", name, "--out", f"{name}/r", "--default", "repeat")[0] == 0
        columns = np.load(f"{name}/r/ticks.npz")
        assert set(columns["action"][columns["inference"] >= 0].tolist()) == {preferred}


@pytest.mark.parametrize("workers", ["5", "2"])  # 2 is the usual number
def test_typed_options_override_those_of_the_training(command, trained, workers):
    assert command(*RUN, "--policy=t", "--workers", workers, "--hz", "25", "--out", "r")[0] == 0
    options = read("r/config.json")["options"]
    assert (options["env"], options["workers"], options["hz"]) == ("CartPole-v1", workers, 25.0)


def test_another_rule_has_a_schedule_of_its_own(command, trained):
    code, out, err = command(*RUN, "--policy", "t", "--rule", "sequential")
    assert (code, err) == (0, "") and "1 worker\n" in out


def test_locations_of_weights(command, trained):
    best = trained / "run-000000000/weights.safetensors"
    assert Trained.of(trained).weights == Trained.of(best.parent).weights == Trained.of(best).weights == best
    checkpoint = trained / "000000150/weights.safetensors"
    assert Trained.of(checkpoint.parent).weights == checkpoint
    # The training was resumed and interrupted.
    shutil.copytree(trained / "000000300", trained / "000000450")
    assert Trained.of(trained).weights == trained / "000000450/weights.safetensors"
    for folder in trained.glob("000*"):
        shutil.rmtree(folder)
    assert Trained.of(trained).weights == best


@pytest.mark.parametrize("head", [("--pending", "1", "--head", "actions"), ("--head", "newest")])
def test_late_binding_is_kept(command, head):
    late = (*head, "--rule", "tick-dispatch")
    assert command(*QUICK, *late, "--out", "t")[0] == 0
    code, _, err = command(*RUN, "--policy", "t", "--json", "x.json")
    assert (code, err) == (0, "") and read("x.json")["binds"] > 30


@pytest.mark.realtime
def test_in_realtime(command, trained):
    code, _, err = command("run", "--policy", "t", "--seconds", "1", "--threads", "2", "--json", "x.json")
    assert (code, err) == (0, "") and read("x.json")["coverage"] > 0


def test_the_planner_and_the_decomposition_take_it_too(command, trained):
    world = ("--policy", "t", "--env", "CartPole-v1")
    assert command("decompose", *world, "--latency", "0.03", "--seconds", "1", "--runs", "5")[0] == 0
    refused(command("plan", *world, "--latency", "0.03"), "--policy t needs a network that is measured")


def test_invalid_options_are_refused(command, trained, tmp_path):
    refused(command(*RUN, "--policy", "nowhere"), "--policy nowhere must be network, random, FILE.py:NAME")
    (tmp_path / "empty").mkdir()
    refused(command(*RUN, "--policy", "empty"), "--policy empty: there are no weights", "hocket train --out")
    refused(
        command(*RUN, "--policy", "t", "--env", "Acrobot-v1"), "fits no network for Acrobot-v1", "--env CartPole-v1"
    )
    refused(command(*RUN, "--policy", "t", "--width", "2"), "--width 2.0 needs --policy network")
    weights = trained / "run-000000000/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    refused(command(*RUN, "--policy", "t"), "weights.safetensors cannot be read", "another checkpoint")
    (trained / "run-000000000/config.json").write_text(json.dumps({"options": {"env": "CartPole-v1"}}))
    refused(command(*RUN, "--policy", str(weights)), "config.json is not that of a training")
    lonely = shutil.copy(weights, tmp_path / "empty")
    refused(command(*RUN, "--policy", str(lonely)), "has no config.json beside or above it")


def test_ticks_or_seconds(command):
    virtual = ("run", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.03")
    assert command(*virtual, "--ticks", "7", "--json", "x.json")[0] == 0 and read("x.json")["ticks"] == 7
    refused(command(*virtual, "--ticks", "0"), "--ticks 0 must be at least 1")
    refused(command(*virtual, "--ticks", "7", "--seconds", "1"), "--seconds 1.0 needs a run without --ticks")
