"""Results are saved before they are printed however a command ends, and the exit status names the end."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import pytest
from command_output import read

import hocket
from hocket.cli import run_command
from hocket.cli.outcome import conclude
from hocket.cli.output import Output, shown
from hocket.errors import ConfigurationError, HocketError, PolicyError

RUN = ("run", "--env", "CartPole-v1", "--ticks", "20", "--clock", "virtual", "--latency", "0.05", "--policy", "random")
LEARN = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.02", "--batch-size", "8")
TRAIN = (
    *LEARN,
    "--warm-up",
    "20",
    "--evaluation-episodes",
    "1",
    "--ticks",
    "60",
    "--capacity",
    "100",
    "--width",
    "0.2",
)
FILES = {"config.json", "summary.json", "ticks.npz", "trace.bin", "report.html"}


def typed(*arguments, out=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-m", "hocket", *map(str, arguments)],
        stdout=out,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=100,
    )


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [RUN, TRAIN])
def test_a_full_disk_behind_standard_output(tmp_path, arguments):
    with open("/dev/full", "w") as full:
        done = typed(*arguments, "--out", tmp_path / "r", "--json", tmp_path / "x.json", out=full)
    assert done.returncode == 1
    assert done.stderr == b"hocket: standard output cannot be written (No space left on device)\n"
    (run,) = tmp_path.glob("r/run-*") if arguments is TRAIN else [tmp_path / "r"]
    assert {file.name for file in run.iterdir()} >= FILES
    assert read(tmp_path / "x.json")


@pytest.mark.slow
def test_a_closed_pipe(tmp_path):
    writer = closed_pipe()
    done = typed(*RUN, "--out", tmp_path / "r", "--json", tmp_path / "x.json", out=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
    assert {file.name for file in (tmp_path / "r").iterdir()} >= FILES and read(tmp_path / "x.json")["ticks"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("envs",), ("bench", "virtual", "--ticks", "5")])
def test_every_command_reports_a_lost_standard_output(arguments):
    with open("/dev/full", "w") as full:
        done = typed(*arguments, out=full)
    assert done.returncode == 1
    assert done.stderr == b"hocket: standard output cannot be written (No space left on device)\n"


@pytest.mark.slow
def test_a_terminal_that_lacks_characters(tmp_path):
    done = typed(*RUN, "--out", tmp_path / "r", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"a tick at rho = 0.99" in done.stdout and b"?" not in done.stdout
    for arguments in (("run", "--help"), ("envs",)):
        assert typed(*arguments, PYTHONIOENCODING="ascii").returncode == 0
    done = typed("run", "--env", "Größe ρ", PYTHONIOENCODING="ascii")
    assert (
        done.returncode == 2 and done.stderr.startswith(b"hocket: ") and b"Gro" in done.stderr and b"rho" in done.stderr
    )


def test_spellings_of_what_a_terminal_lacks(monkeypatch):
    class Ascii:
        encoding = "ascii"

    assert shown("ρ ± 3 µs …") == "ρ ± 3 µs …"
    monkeypatch.setattr(sys, "stdout", Ascii())
    assert shown("ρ ± 3 µs … é 木 a\udcff") == "rho +- 3 us ... e \\u6728 a\\udcff"


def test_a_lost_stream_drops_what_is_written_and_keeps_the_reason():
    class Full:
        encoding = "utf-8"

        def write(self, text):
            raise OSError(errno.ENOSPC, "full")

    output = Output(Full())
    assert output.write("abc") == 3 and output.lost.errno == errno.ENOSPC and not output.isatty()
    output.write("more")
    output.flush()
    assert Output(None).lost.errno == errno.EBADF


# -- errors and signals ----------------------------------------------------------------------------------------


@pytest.fixture
def result():
    env, clock = gym.make("CartPole-v1"), hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    return hocket.run(env, lambda observation: 0, hocket.TickDispatch(2), clock, ticks=7, config={"mode": "delay-only"})


def ended_by(error, result):
    error.result = result

    def execute(options):
        raise error

    return execute


def test_an_error_that_carries_its_result_is_raised_once_that_is_saved(command, monkeypatch, result, tmp_path):
    monkeypatch.setattr(run_command, "execute", ended_by(PolicyError("worker 1 failed"), result))
    code, out, err = command("run", "--env", "CartPole-v1", "--out", "r", "--json", "x.json")
    assert code == 2 and err == "hocket: worker 1 failed\n"
    assert "coverage" in out and "Saved in r" in out
    assert len(hocket.load(tmp_path / "r").record.ticks) == 7 and read("x.json")["ticks"] == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_exit_status_names_the_signal(command, monkeypatch, result, number):
    interrupted = hocket.RunInterrupted(result)
    interrupted.signal = number
    monkeypatch.setattr(run_command, "execute", ended_by(interrupted, result))
    code, out, err = command("run", "--env", "CartPole-v1", "--out", "r")
    assert (code, err) == (128 + number, "") and "Saved in r" in out


def test_a_training_that_is_interrupted_keeps_its_run(command, monkeypatch, result, tmp_path):
    import torch

    from hocket.cli import train_command
    from hocket.training.evaluation import unplayed

    training = hocket.TrainResult(
        run=replace(result, config={**result.config, "head": "none", "options": {"head": "none"}}),
        copies=[],
        network=torch.nn.Linear(2, 2),
        evaluations=[],
        final=unplayed(7),
        updates=1,
        losses=[0.5],
        stalenesses=[0],
        started_ns=[0],
        landed_ns=[10],
    )
    monkeypatch.setattr(train_command, "execute", ended_by(hocket.RunInterrupted(result), training))
    code, out, _ = command("train", "--env", "CartPole-v1", "--out", "t", "--json", "x.json")
    assert code == 130 and "Saved in t, without a checkpoint" in out and "none: the training ended before" in out
    saved = hocket.load(tmp_path / "t/run-000000000")
    assert len(saved.record.ticks) == 7 and saved.learning.losses.tolist() == [0.5]
    assert (tmp_path / "t/run-000000000/weights.safetensors").is_file()
    assert read("x.json")["run"]["ticks"] == 7 and read("x.json")["final_mean"] is None


def test_signals_wait_until_all_is_saved():
    saved = []

    def save(result):
        signal.raise_signal(signal.SIGINT)
        saved.append(result)

    with pytest.raises(KeyboardInterrupt):
        conclude(lambda: 3, save=[save, save], show=lambda result: saved.append("shown"))
    assert saved == [3, 3, "shown"]


def test_a_signal_before_the_first_run_ends_the_work_at_once():
    def work():
        signal.raise_signal(signal.SIGTERM)
        done.append("more")

    done = []
    with pytest.raises(KeyboardInterrupt) as caught:
        conclude(work, save=[done.append], show=done.append)
    assert done == [] and caught.value.signal is signal.SIGTERM


@pytest.mark.parametrize("ends", ["at its end", "by Ctrl-C"])
def test_a_signal_after_the_run_waits_until_all_is_saved(ends):
    """While, for example, the live page ends, or the environment closes."""
    env, clock = gym.make("CartPole-v1"), hocket.Virtual(hz=50, latency=hocket.Constant(0.01))

    def until(record):
        if ends == "by Ctrl-C" and len(record.ticks) == 5:
            signal.raise_signal(signal.SIGINT)
        return len(record.ticks) == 7

    def work():
        try:
            return hocket.run(env, lambda observation: 0, hocket.TickDispatch(2), clock, ticks=9, until=until)
        finally:
            signal.raise_signal(signal.SIGTERM)
            done.append("closed")

    done = []
    with pytest.raises(KeyboardInterrupt) as caught:
        conclude(work, save=[lambda result: done.append(len(result.record.ticks))], show=lambda result: None)
    assert done == ["closed", 7 if ends == "at its end" else 6]
    assert caught.value.signal is (signal.SIGTERM if ends == "at its end" else signal.SIGINT)


def test_a_failed_save_does_not_prevent_the_others(capsys):
    saved = []

    def full(result):
        raise ConfigurationError("the disk is full")

    with pytest.raises(ConfigurationError, match="the disk is full"):
        conclude(lambda: 3, save=[full, saved.append], show=saved.append)
    assert saved == [3, 3]


@pytest.mark.parametrize("status", [0, 5, None])
def test_an_exit_within_a_policy_is_no_success(command, tmp_path, status):
    (tmp_path / "mine.py").write_text(f"import sys\ndef act(observation): sys.exit({status})\n")
    code, _, err = command(*RUN[:-1], "mine.py:act")
    assert code == 2 and f"sys.exit({status})" in err
    with pytest.raises(HocketError, match=r"sys\.exit\(0\)"):
        conclude(lambda: sys.exit(0), save=(), show=lambda result: None)


def test_the_demo_saves_each_arm(command, monkeypatch, result):
    from hocket.bench import demo
    from hocket.cli import demo_command

    def play(rule, network, **more):
        if rule == demo.ARMS[1][1]:
            raise hocket.RunInterrupted(result)
        return result

    network = demo.Network(width=1 / 16, parameters=60_764, forward_s=0.0267)
    monkeypatch.setattr(demo, "choose_network", lambda env, tell: network)
    monkeypatch.setattr(demo_command.demonstration, "play", play)
    assert command("demo", "--out", "d")[0] == 130
    for arm in ("sequential", "one-free-running-worker"):
        assert len(hocket.load(f"d/{arm}").record.ticks) == 7
