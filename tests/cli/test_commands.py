"""The ``hocket`` command, as typed."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from command_output import read, refused

import hocket
from hocket.bench import adaptation, rules
from hocket.bench import demo as demonstration
from hocket.core.trace import Trace

CARTPOLE = ("run", "--env", "CartPole-v1", "--seconds", "1")
VIRTUAL = (*CARTPOLE, "--clock", "virtual", "--latency", "0.05")

WITHOUT = """
import sys
from importlib.machinery import PathFinder
from hocket.cli import main

module, find_spec = sys.argv.pop(1), PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name == module else find_spec(name, *more)
main()
"""
"""The command on a machine that lacks the module named first."""


# -- help ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "demo",
        "run",
        "train",
        "envs",
        "bench",
        "bench overhead",
        "bench jitter",
        "bench rules",
        "bench adapt",
        "bench virtual",
        "bench live",
        "bench chunks",
        "bench outage",
        "bench servers",
    ],
)
def test_every_command_explains_itself_in_80_columns(command, arguments):
    code, out, err = command(*arguments.split(), "--help")
    assert (code, err) == (0, "")
    assert "usage: hocket" in out and "--help" in out
    assert max(map(len, out.splitlines()[1:])) <= 80  # the usage line is tyro's own


def test_no_command_is_a_call_for_help(command):
    assert command() == command("--help")
    assert command("bench") == command("bench", "--help")


def test_version(command):
    assert command("--version") == (0, f"hocket {version('hocket')}\n", "")


def test_a_command_that_does_not_exist(command):
    code, _, err = command("play")
    assert code == 2 and "play" in err


def test_it_runs_as_a_module_and_into_a_closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hocket", "envs"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert "Traceback" not in done.stderr


def test_envs(command):
    code, out, err = command("envs")
    assert (code, err) == (0, "")
    assert "ALE/Boxing-v5" in out and "Pendulum-v1" in out
    assert max(map(len, out.splitlines())) <= 80


# -- hocket run ------------------------------------------------------------------------------------------------


@pytest.mark.realtime
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "ALE/Boxing-v5"])
@pytest.mark.parametrize("clock", [("--executor", "threads"), ("--clock", "virtual", "--latency", "0.03")])
def test_environments_on_both_clocks(command, env, clock):
    code, out, err = command("run", "--env", env, "--seconds", 0.5, *clock, "--width", "0.1", "--json", "x.json")
    assert (code, err) == (0, "")
    assert "coverage" in out and "p99" in out
    summary = read("x.json")
    assert summary["coverage"] > 0
    assert summary["ticks"] == {"CartPole-v1": 25, "Pendulum-v1": 10, "ALE/Boxing-v5": 30}[env]


@pytest.mark.realtime
def test_worker_processes(command):
    code, out, _ = command(*CARTPOLE, "--policy", "random", "--overrun", "skip", "--hz", "30", "--default", "random")
    assert code == 0 and "30" in out


@pytest.mark.parametrize("rule", ["tick-dispatch", "max-time", "expected-time", "unstaggered", "sequential"])
@pytest.mark.parametrize("default", ["noop", "repeat", "random"])
def test_every_rule_and_default(command, rule, default):
    code, out, err = command(*VIRTUAL, "--rule", rule, "--default", default)
    assert (code, err) == (0, "")
    assert ("1 worker\n" in out) == (rule == "sequential")


def test_automatic_workers_and_quantile(command):
    code, _, err = command(
        *VIRTUAL, "--workers", "auto", "--quantile", "auto", "--predictability", "0.99", "--seconds", 20, "--out", "r"
    )
    assert (code, err) == (0, "")
    rule = Trace.load("r/trace.bin").rule
    assert rule == hocket.TickDispatch("auto", quantile="auto", predictability=0.99)
    assert len(read("r/summary.json")["workers"]) > 1


@pytest.mark.parametrize(
    "latency",
    ["0", "0.1", "lognormal:0.1:0.3", "gamma:0.1:4", "heavy:0.1", "heavy:0.1:0.05:3", "list.txt", "list.json"],
)
def test_latency_forms(command, tmp_path, latency):
    (tmp_path / "list.txt").write_text("0.1\n0.2\n")
    (tmp_path / "list.json").write_text("[0.1, 0.2]")
    code, out, _ = command(*VIRTUAL, "--latency", latency)
    assert code == 0 and "50" in out


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ("-1", "must be a finite number greater than 0"),
        ("nan", "must be a finite number greater than 0"),
        ("inf", "must be a finite number greater than 0"),
        ("lognormal:0.2", "lognormal:0.2 has 1 numbers after lognormal; try"),
        ("lognormal:0.2:0.3:1", "has 3 numbers after lognormal; try"),
        ("gamma:0.2:x", "could not convert string to float: 'x'; try"),
        ("heavy:-1", "mean_s=-1.0 must be a finite number greater than 0"),
        ("missing.txt", "latency file missing.txt cannot be read"),
        ("empty.txt", "latency file empty.txt: durations_s is empty"),
        ("words.txt", "latency file words.txt cannot be read"),
        ("broken.npz", "latency file broken.npz cannot be read"),
    ],
)
def test_invalid_latencies_are_refused(command, tmp_path, latency, message):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "words.txt").write_text("fast slow")
    np.savez(tmp_path / "broken.npz", other=np.zeros(3))
    refused(command(*VIRTUAL, "--latency", latency), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--env", "CartPool-v1", "--hz", 50), "did you mean CartPole-v1"),
        (("--env", "Nothing-v0"), "is no registered environment"),
        (("--env", "hocket/Null-v0"), "has no rate of its own; give one, such as --hz 30"),
        (("--env", "FrozenLake-v1", "--hz", 10), "network needs observations of one Box, and FrozenLake-v1 has Discr"),
        (("--hz", 0), "hz=0.0 must be greater than 0"),
        (("--hz", -1), "hz=-1.0 must be greater than 0"),
        (("--hz", "nan"), "hz=nan"),
        (("--seconds", 0), "--seconds 0.0 must be greater than 0"),
        (("--seconds", -2), "--seconds -2.0 must be greater than 0"),
        (("--seconds", "inf"), "--seconds inf must be greater than 0"),
        (("--workers", 0), "workers=0 must be a whole number from 1"),
        (("--workers", "many"), "--workers many must be a number or auto"),
        (("--workers", "auto", "--rule", "max-time"), "--workers auto needs --rule tick-dispatch"),
        (("--workers", 3, "--rule", "sequential"), "--workers 3 needs a rule of several workers"),
        (("--quantile", 1), "quantile=1.0 must lie in (0, 1)"),
        (("--quantile", "high"), "--quantile high must be a number or auto"),
        (("--quantile", "0.5", "--rule", "max-time"), "--quantile 0.5 needs --rule tick-dispatch"),
        (("--predictability", 0.9), "--predictability 0.9 needs --quantile auto"),
        (("--executor", "threads"), "--executor threads needs --clock realtime"),
        (("--policy", "random", "--width", 3), "--width 3.0 needs --policy network"),
        (("--clock", "realtime"), "--latency 0.05 needs --clock virtual"),
        (("--width", 0), "--width 0.0 must be greater than 0"),
        (("--width", "nan"), "--width nan must be greater than 0"),
        (("--deep",), "--deep needs 84x84 pictures"),
        (("--frame-stack", 0), "--frame-stack 0 must be at least 1"),
        (("--threads", 0), "--threads 0 must be at least 1"),
        (("--device", "nowhere"), "device='nowhere' cannot be used"),
        (("--device", "meta"), "it computes nothing; try 'cpu'"),
        (("--policy", "random", "--device", "cuda"), "--device cuda needs --policy network"),
        (("--seed", -1), "--seed -1 must be at least 0; try --seed 0"),
        (("--repeat-action-probability", 0.5), "is for Atari games only"),
        (("--rule", "fastest"), "fastest"),
        (("--ticks", 5), "--ticks"),
    ],
)
def test_invalid_options_are_refused(command, arguments, message):
    refused(command(*VIRTUAL, *arguments), message)


def test_virtual_time_needs_a_latency(command):
    refused(command(*CARTPOLE, "--clock", "virtual"), "--clock virtual needs --latency")


def test_networks_and_learners_need_observations_of_one_box(command):
    run = ("run", "--env", "Blackjack-v1", "--hz", "30", "--seconds", "1", "--clock", "virtual", "--latency", "0.01")
    for more in (), ("--frame-stack", "2"):
        refused(command(*run, *more), "an untrained network needs observations of one Box", "FlattenObservation")
    train = ("train", "--env", "Blackjack-v1", "--hz", "30", "--ticks", "9")
    refused(command(*train), "training needs observations of one Box, and Blackjack-v1 has Tuple", "FlattenObservation")
    code, out, _ = command(*run, "--policy", "random")
    assert code == 0 and "coverage    1.000" in out


def test_places_that_cannot_be_written_are_refused_before_the_run(command, tmp_path):
    (tmp_path / "file").write_text("")
    for option in ("--out", "--json"):
        code, out, err = command(*VIRTUAL, option, "file/x")
        refused((code, out, err), "cannot be written")
        assert "coverage" not in out
    refused(command(*VIRTUAL, "--json", "."), "is a folder; give a file")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("torch", VIRTUAL, "hocket[train]"),
        ("ale_py", ("run",), "hocket[atari]"),
        ("cv2", ("run",), "hocket[atari]"),
        ("matplotlib", ("demo",), "hocket[report]"),
    ],
)
def test_a_missing_extra_is_named(module, arguments, extra):
    command = [sys.executable, "-c", WITHOUT, module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"pip install '{extra}'" in done.stderr


def test_a_saved_run_repeats_to_the_identical_trace(command):
    law = ("--latency", "lognormal:0.05:0.3", "--default", "random", "--seed", 7, "--release-early")
    assert command(*VIRTUAL, *law, "--policy", "random", "--out", "first")[0] == 0
    assert command("run", "--config", "first/config.json", "--out", "second")[0] == 0
    assert command("run", "--config=second/config.json", "--seed", 8, "--out", "third")[0] == 0
    first, second, third = (Path(f"{name}/trace.bin").read_bytes() for name in ("first", "second", "third"))
    assert first == second != third
    with np.load("first/ticks.npz") as one, np.load("second/ticks.npz") as two:
        assert one["action"].tolist() == two["action"].tolist()
    configs = [read(f"{name}/config.json") for name in ("first", "second")]
    assert {**configs[0], "policy": ""} == {**configs[1], "policy": ""}


def test_invalid_configs_are_refused(command, tmp_path):
    (tmp_path / "words.json").write_text("not json")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "odd.json").write_text('{"options": {"speed": 3}}')
    refused(command("run", "--config"), "--config needs a file")
    refused(command("run", "--config", "missing.json"), "No such file")
    refused(command("run", "--config", "words.json"), "is not the config.json of a saved hocket run")
    refused(command("run", "--config", "list.json"), "is not the config.json of a saved hocket run")
    refused(command("run", "--config", "other.json"), "has no options")
    refused(command("run", "--config", "odd.json"), "unknown options ['speed']")


def test_brackets_are_printed_as_they_are(command):
    code, out, _ = command(*VIRTUAL, "--out", "runs[red]")
    assert code == 0 and "Saved in runs[red]" in out


# -- hocket bench and demo -------------------------------------------------------------------------------------


@pytest.mark.realtime
def test_bench_jitter(command):
    small = ("--hz", 50, "--workers", 2, "--latency", 0.01, "--seconds", 0.5, "--executor", "threads")
    code, out, err = command("bench", "jitter", *small, "--json", "new/x.json")
    assert (code, err) == (0, "") and "tick lateness p99" in out
    keys = ["coverage", "lateness_p50_s", "lateness_p99_s", "tick_loop_cpu_share"]
    assert list(read("new/x.json")) == keys


@pytest.mark.realtime
def test_bench_adapt(command, monkeypatch):
    for name, value in (("FIXED", (1,)), ("WARM_UP_S", 0.5), ("SLOWER_AFTER_S", 0.5)):
        monkeypatch.setattr(adaptation, name, value)
    code, out, err = command("bench", "adapt", "--seconds", 0.5, "--json", "x.json")
    assert (code, err) == (0, "") and "workers=auto" in out
    keys = ["regret_by_workers", "best_workers", "auto_regret", "auto_minus_best"]
    assert list(read("x.json")) == [*keys, "coverage_before", "recovery_s", "coverage_after"]


@pytest.mark.realtime
def test_bench_overhead(command):
    code, out, err = command("bench", "overhead", "--count", 20, "--json", "x.json")
    assert (code, err) == (0, "") and "multiprocessing.Queue" in out
    assert list(read("x.json")) == ["p50_s", "p99_s", "queue_p50_s", "pipe_p50_s", "semaphore_p50_s"]


def test_bench_virtual(command):
    code, out, err = command("bench", "virtual", "--ticks", 200, "--workers", 3, "--json", "x.json")
    assert (code, err) == (0, "") and "ticks/s with 3 workers" in out
    assert list(read("x.json")) == ["workers", "ticks_per_s"]


def test_bench_rules(command, monkeypatch):
    every = [c for c in rules.cells() if c.workers in (1, 12) and c.law == "constant" and c.hz == 60]
    monkeypatch.setattr(rules, "cells", lambda quick: iter(every))
    code, out, err = command("bench", "rules", "--seeds", 1, "--ticks", 60, "--json", "x.json")
    assert (code, err) == (0, "")
    assert "Tick ρ=0.999" in out and "the worst ten" in out
    assert max(map(len, out.splitlines())) <= 90
    rows = read("x.json")
    assert len(rows) == len(every) == 12
    keys = {"law", "hz", "workers", "chunk", "rule", "predictability", "coverage", "bound", "delay_mean", "delay_p99"}
    assert set(rows[0]) == keys | {"regret_per_tick"}
    assert [row["rule"] for row in rows if row["predictability"] == 0.9] == ["TickDispatch(quantile=auto)"]


@pytest.mark.parametrize(
    "arguments",
    [
        "jitter --hz 0", "jitter --hz -1", "jitter --hz nan", "jitter --workers 0", "jitter --latency -0.1",
        "jitter --latency nan", "jitter --seconds 0", "jitter --seconds -1", "overhead --count 0", "rules --seeds 0",
        "adapt --seconds 0", "chunks --seconds 0", "chunks --seconds nan",
        "rules --ticks -5", "virtual --workers 0", "virtual --ticks 0",
    ],
)  # fmt: skip
def test_benchmarks_refuse_invalid_options(command, arguments):
    _, option, value = arguments.split()
    refused(command("bench", *arguments.split()), f"{option} {value}", " must be ", "; try ")


@pytest.mark.realtime
def test_demo(command, monkeypatch):
    network = demonstration.Network(width=1 / 16, parameters=60_764, forward_s=0.0267)
    monkeypatch.setattr(demonstration, "choose_network", lambda env, tell: network)
    code, out, err = command("demo", "--seconds", 0.3, "--out", "d", "--json", "x.json")
    assert (code, err) == (0, "")
    assert "two staggered" in out and Path("d/lanes.png").exists()
    assert max(map(len, out.splitlines())) <= 80
    rows = read("x.json")
    assert list(rows[0]) == ["rule", "workers", "coverage", "delay_mean", "lateness_p99_s"] and len(rows) == 4


@pytest.mark.parametrize("seconds", [0, -1, "nan"])
def test_demo_refuses_invalid_options(command, seconds):
    refused(command("demo", "--seconds", seconds), "--seconds", "must be greater than 0")
