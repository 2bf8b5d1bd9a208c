import json
import math
import os
import signal
import threading

import gymnasium as gym
import numpy as np
import pytest
from recording_instruments import AtTheStart

import hocket
from hocket.core.trace import Trace
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, PolicyError
from hocket.policies.base import FunctionPolicy
from hocket.running.result import machine
from hocket.testing import replay

LISTING = gym.wrappers.TransformObservation(NullEnv(), list, gym.spaces.Sequence(gym.spaces.Discrete(2)))
VIRTUAL = hocket.Virtual(hz=60, latency=hocket.LogNormal(0.05, 0.3))


def still(observation):
    return 0


def run(**changes):
    arguments = {
        "env": NullEnv(episode_ticks=25),
        "policy": still,
        "rule": hocket.TickDispatch(4),
        "clock": VIRTUAL,
        "ticks": 100,
    }
    return hocket.run(**{**arguments, **changes})


def strict(path):
    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


# -- arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [0, -1, 1.5, "100", True, None, math.nan])
def test_ticks_are_a_positive_integer(ticks):
    with pytest.raises(ConfigurationError, match=r"ticks=.* must be a whole number from 1"):
        run(ticks=ticks)


@pytest.mark.parametrize("seed", [-1, 0.5, None, True, "0"])
def test_seed_is_an_integer_from_0(seed):
    with pytest.raises(ConfigurationError, match=r"seed=.* must be a whole number from 0"):
        run(seed=seed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "tick-dispatch"}, "rule='tick-dispatch' is not a rule; try"),
        ({"rule": hocket.TickDispatch}, "is not a rule; try"),
        ({"clock": "virtual"}, "clock='virtual' is not a clock; try"),
        ({"clock": hocket.Virtual}, "is not a clock; try"),
        ({"env": "CartPole-v1"}, "env='CartPole-v1' is not a gymnasium.Env; try"),
        ({"policy": 3}, "policy=3 is not callable"),
        ({"default": 1}, r"default=1 is not a default behaviour; try hocket.Fixed\(1\)"),
        ({"default": hocket.Fixed(7)}, "outside Discrete"),
        ({"learn": print}, "learn=.* would never be called under TickDispatch"),
        ({"learn": print, "rule": hocket.Sequential()}, "learn=.* would never be called under Sequential"),
        (
            {"clock": hocket.Virtual(hz=60, latency=hocket.Constant(0.01), learning=hocket.Constant(0.1))},
            r"^learning=Constant\(duration_s=0.1\) has no effect under TickDispatch",
        ),
        (
            {"clock": hocket.Virtual(hz=60, latency=hocket.Constant(0.01), head=hocket.Constant(0.001))},
            r"^head=Constant\(duration_s=0.001\) has no effect: the policy has one stage",
        ),
        (
            {"rule": hocket.Sequential(hocket.Learn.AFTER_INFERENCE)},
            r"^Sequential\(learn=.*\) learns, and there is nothing to call",
        ),
        ({"background": 1, "clock": hocket.Realtime(hz=60)}, "background=1 runs in virtual time"),
        (
            {"env": LISTING},
            r"observation space Sequence.* of NullEnv is not supported; .*try gymnasium.wrap",
        ),
    ],
)
def test_mismatches_are_refused_before_anything_starts(changes, message):
    with pytest.raises(hocket.HocketError, match=message):
        run(**changes)


def test_numpy_integers_are_integers():
    result = run(ticks=np.int64(10), seed=np.int64(3))
    assert result.summary().ticks == 10
    assert type(result.config["seed"]) is type(result.config["ticks"]) is int


# -- results ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize(
    "clock",
    [VIRTUAL, pytest.param(hocket.Realtime(hz=200, executor="threads"), marks=pytest.mark.realtime)],
    ids=["virtual", "realtime"],
)
def test_both_clocks_play_discrete_and_box_actions(id, clock):
    env = gym.make(id)
    action = 0 if id == "CartPole-v1" else np.zeros(1, np.float32)
    result = run(env=env, clock=clock, ticks=40, policy=lambda observation: action)
    assert result.summary().ticks == 40
    assert len(result.record.actions) == 40
    assert result.metrics(20).ticks.tick[0] == 21
    replay(result.record.trace, validate=True)


def test_the_same_seed_is_the_same_run():
    def rows(seed):
        result = run(env=gym.make("CartPole-v1"), default=hocket.RandomDefault(), seed=seed)
        return result.record.trace.rows, result.record.rewards, list(map(int, result.record.actions))

    assert rows(3) == rows(3)
    assert rows(3) != rows(4)


def test_sequential_learning_is_called():
    calls = []
    clock = hocket.Virtual(hz=60, latency=hocket.Constant(0.01), learning=hocket.Constant(0.02))
    rule = hocket.Sequential(hocket.Learn.AFTER_INFERENCE)
    run(rule=rule, clock=clock, learn=lambda: calls.append(1), ticks=40)
    assert len(calls) >= 10


def test_a_policy_that_keeps_failing_ends_the_run_with_its_traceback():
    with pytest.raises(PolicyError, match=r"(?s)in fails.*no network today"):
        run(policy=fails)


def fails(observation):
    raise ValueError("no network today")


@pytest.mark.realtime
def test_an_interrupt_keeps_the_record(tmp_path):
    def interrupt():
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(hocket.RunInterrupted) as caught:
        run(clock=hocket.Realtime(hz=100, executor="threads"), ticks=6000, instruments=[AtTheStart(interrupt)])
    result = caught.value.result
    summary = result.summary()
    assert summary.interrupted and 1 <= summary.ticks < 6000
    result.save(tmp_path)
    with np.load(tmp_path / "ticks.npz") as ticks:
        assert len({len(ticks[name]) for name in ticks.files}) == 1
    assert strict(tmp_path / "summary.json")["interrupted"]


# -- the run folder --------------------------------------------------------------------------------------------


def test_a_saved_run_can_be_read_back(tmp_path):
    result = run()
    assert result.save(tmp_path / "new" / "run") == tmp_path / "new" / "run"
    folder = tmp_path / "new" / "run"
    names = ["config.json", "episodes.npz", "inferences.npz", "report.html", "run.json", "summary.json"]
    names += ["ticks.npz", "trace.bin", "trace.json"]
    assert sorted(p.name for p in folder.iterdir()) == names
    with np.load(folder / "ticks.npz") as ticks:
        assert ticks["tick"].tolist() == list(range(1, 101))
        assert (ticks["inference"] >= 0).sum() / 100 == result.summary().coverage
        assert ticks["truncated"].nonzero()[0].tolist() == [24, 49, 74, 99]
        assert {len(ticks[name]) for name in ticks.files} == {100}
    with np.load(folder / "inferences.npz") as inferences:
        seconds = (inferences["finished_ns"] - inferences["started_ns"])[inferences["finished_ns"] >= 0] / 1e9
    assert seconds.tolist() == result.metrics().inferences.durations_s.tolist()
    measured = hocket.Empirical.from_file(folder / "inferences.npz")
    assert sorted(measured.durations_s) == sorted(seconds)
    run(clock=hocket.Virtual(hz=60, latency=measured))
    trace = Trace.load(folder / "trace.bin")
    assert trace.rows == result.record.trace.rows
    replay(trace)
    summary = strict(folder / "summary.json")
    assert summary["coverage"] == result.summary().coverage
    assert summary["workers"]["0"]["inferences"] > 0


def test_a_folder_is_written_again(tmp_path):
    run(ticks=10).save(tmp_path)
    run(ticks=20).save(tmp_path)
    assert strict(tmp_path / "summary.json")["ticks"] == 20
    assert len(list(tmp_path.iterdir())) == 9


def test_a_run_without_any_answer_is_saved_as_strict_json(tmp_path):
    result = run(clock=hocket.Virtual(hz=60, latency=hocket.Constant(100.0)), ticks=5)
    result.save(tmp_path)
    summary = strict(tmp_path / "summary.json")
    assert summary["coverage"] == 0 and summary["delay_mean"] is None and summary["return_mean"] is None
    assert summary["outcomes"]["discarded"] == 4
    with pytest.raises(ConfigurationError, match="durations_s is empty"):
        hocket.Empirical.from_file(tmp_path / "inferences.npz")


def test_the_config_holds_all_that_a_repetition_needs(tmp_path):
    clock = hocket.Virtual(hz="59.7275", latency=hocket.PerWorker(hocket.LogNormal(0.05, 0.3), (1.0, 1.5)))
    run(clock=clock, seed=5, default=hocket.RepeatLast(), config={"width": 3}).save(tmp_path)
    config = strict(tmp_path / "config.json")
    assert config["rule"]["name"] == "TickDispatch" and config["rule"]["workers"] == 4
    assert config["clock"]["name"] == "Virtual" and config["clock"]["hz"] == "59.7275"
    law = {"name": "LogNormal", "mean_s": 0.05, "sigma": 0.3}
    assert config["clock"]["latency"] == {"name": "PerWorker", "law": law, "factors": [1.0, 1.5]}
    assert (config["env"], config["ticks"], config["seed"], config["width"]) == ("NullEnv", 100, 5, 3)
    assert config["default"] == "RepeatLast()"
    assert config["policy"] == "still" and config["mode"] == "delay-only, virtual"
    assert config["machine"].get("cpu", "?") != config["machine"]["processor"]
    assert config["machine"]["packages"]["numpy"] == np.__version__


@pytest.mark.realtime
def test_config_of_a_realtime_run(tmp_path):
    run(clock=hocket.Realtime(hz=200, executor="threads", overrun=hocket.Overrun.SKIP), ticks=5).save(tmp_path)
    clock = strict(tmp_path / "config.json")["clock"]
    assert clock["name"] == "Realtime" and clock["overrun"] == "skip" and clock["executor"].startswith("Threads(")


def test_disk_errors_are_clear_and_leave_no_partial_file(tmp_path):
    (tmp_path / "file").write_text("")
    result = run(ticks=10)
    with pytest.raises(ConfigurationError, match=r"file/run cannot be written \(Not a directory\); try another place"):
        result.save(tmp_path / "file" / "run")
    (tmp_path / "run" / "trace.bin").mkdir(parents=True)  # in the way
    with pytest.raises(ConfigurationError, match=r"trace\.bin cannot be written"):
        result.save(tmp_path / "run")
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.endswith(".part")]


def test_machine_is_described():
    assert machine()["cpus"] == os.cpu_count()
    assert "hocket" in machine()["packages"]


def test_a_function_policy_can_answer_in_chunks():
    result = run(policy=FunctionPolicy(lambda observation: [0, 1] * 4, chunk_length=8), rule=hocket.TickDispatch(1))
    alone = run(rule=hocket.TickDispatch(1))
    assert result.summary().coverage > 2 * alone.summary().coverage
