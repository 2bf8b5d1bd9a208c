"""Faults under both executors: counted, survived, or an end with the worker's traceback; no process is left."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from leftover_processes import alive, descendants, eventually, named_memory, workers_below, workers_of_ours
from recording_instruments import AtTheStart
from slow_policies import BrokenBuild, BrokenOnceMade, Sleeping, SlowBuild, Trouble

import hocket
from hocket.errors import ConfigurationError, PolicyError
from hocket.testing import replay

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]

HZ = 50
SOON = hocket.FailureLimits(outage_s=2.0, rounds=2)
KINDS = {"threads": hocket.Threads, "processes": hocket.Processes}
both = pytest.mark.parametrize("executor", KINDS.values(), ids=KINDS.keys())


def play(null_run, policy, executor, ticks=45, rule=None, **options):
    clock = hocket.Realtime(hz=HZ, executor=executor, **options)
    return null_run(rule or hocket.TickDispatch(3), clock, ticks, policy)


@both
@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_policy_that_cannot_be_built(null_run, executor, kind):
    began = time.monotonic()
    with pytest.raises(PolicyError, match="cannot find the weights") as caught:
        play(null_run, BrokenBuild(kind), executor())
    assert "in build" in str(caught.value)
    assert time.monotonic() - began < 20


@both
@pytest.mark.parametrize("trouble", ["raises", "leaves", "nan", "shape", "outside"])
def test_occasional_failures(null_run, executor, trouble):
    result = play(null_run, Trouble(trouble, every=10), executor())
    outcomes = result.summary().outcomes
    assert 3 <= outcomes["failed"] <= 5  # of about 45 observations, one in ten
    assert 0.75 <= result.summary().steady_coverage <= 0.95
    words = {"raises": "the policy's own words", "leaves": "SystemExit"}.get(trouble, "ActionError")
    assert words in result.record.errors[0]
    replay(result.record.trace, validate=True)


@both
def test_a_policy_that_always_raises(null_run, executor):
    with pytest.raises(PolicyError, match="the policy's own words") as caught:
        play(null_run, Trouble("raises"), executor())
    assert "in raises" in str(caught.value) and "inferences failed in a row" in str(caught.value)


@both
def test_a_policy_that_never_works_ends_a_long_run_within_the_limits(null_run, executor):
    limits = hocket.FailureLimits(outage_s=1.0, rounds=2)
    began = time.monotonic()
    with pytest.raises(PolicyError, match="the policy's own words"):
        play(null_run, Trouble("raises"), executor(), ticks=6000, failures=limits)
    assert time.monotonic() - began < 30  # of 120 s


@pytest.mark.alone
@both
def test_a_hanging_worker_is_replaced(null_run, executor):
    result = play(null_run, Trouble("hangs", every=35), executor(hang_s=0.3), ticks=80)
    assert 1 <= result.summary().outcomes["failed"] <= 3
    assert any("hung: no answer within hang_s=0.3" in error for error in result.record.errors)
    assert result.summary().steady_coverage >= 0.85
    assert len(result.summary().workers) >= 4
    replay(result.record.trace, validate=True)


@pytest.mark.alone
@pytest.mark.parametrize(("trouble", "code"), [("dies", -9), ("exits", 7)])
def test_a_worker_that_dies_is_replaced(null_run, trouble, code):
    result = play(null_run, Trouble(trouble, every=25), hocket.Processes(), ticks=140)
    assert 2 <= result.summary().outcomes["failed"] <= 7
    assert f"ended with exit code {code}" in result.record.errors[0]
    assert result.summary().steady_coverage >= 0.8
    assert len(result.summary().workers) >= 5
    replay(result.record.trace, validate=True)


@pytest.mark.alone
def test_every_worker_killed_from_outside(null_run):
    """SIGKILL to all eight in the middle, with the usual limits; coverage recovers."""

    def kill():
        def soon():
            time.sleep(0.4)
            for pid in workers_of_ours():
                os.kill(pid, signal.SIGKILL)

        threading.Thread(target=soon).start()

    clock = hocket.Realtime(hz=HZ, executor="processes")
    result = null_run(hocket.TickDispatch(8), clock, 300, Sleeping(0.03), instruments=[AtTheStart(kill)])
    assert len(result.summary().workers) >= 11
    assert result.metrics(after_tick=250).coverage >= 0.9
    assert "ended with exit code -9" in result.record.errors[0]
    replay(result.record.trace, validate=True)


def test_workers_that_die_at_every_call_end_the_run(null_run):
    with pytest.raises(PolicyError, match="ended with exit code -9"):
        play(null_run, Trouble("dies"), hocket.Processes(), ticks=5000, failures=SOON)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_replacement_that_cannot_be_built(null_run, tmp_path, hangs):
    """It is tried again while the others work; the error of the run names the reason."""
    flag = tmp_path / "made"

    def kill_one():
        flag.touch()
        for pid in workers_of_ours():
            os.kill(pid, signal.SIGKILL)

    words = "had not loaded its policy after start_s=1.5 s" if hangs else "no second time"
    policy = BrokenOnceMade(str(flag), hangs)
    clock = hocket.Realtime(hz=HZ, executor=hocket.Processes(start_s=1.5), failures=SOON)
    with pytest.raises(PolicyError, match=words):
        null_run(hocket.TickDispatch(3), clock, 2000, policy, instruments=[AtTheStart(kill_one)])


@both
def test_a_policy_that_takes_too_long_to_build(null_run, executor):
    with pytest.raises(PolicyError, match=r"(0 of 3 workers were ready|had not loaded its policy) after start_s=0\.5"):
        play(null_run, SlowBuild(1.5), executor(start_s=0.5))


def test_a_policy_that_does_not_travel(null_run):
    lock = threading.Lock()
    with pytest.raises(ConfigurationError, match=r"cannot be sent to a process.*PolicyFactory\.build"):
        play(null_run, lambda observation: 1 if lock else 0, hocket.Processes())


def test_an_environment_that_raises(null_run):
    class Breaking(hocket.Default):
        def bind(self, space, rng):
            def act(observation, last):
                if observation[0] > 5:
                    raise ZeroDivisionError
                return 0

            return act

    clock = hocket.Realtime(hz=HZ, executor="processes")
    with pytest.raises(ZeroDivisionError):
        null_run(hocket.Unstaggered(2), clock, 100, Sleeping(5.0), default=Breaking())


# -- whole programs ------------------------------------------------------------------------------------------

SCRIPT = """
import os, sys, time
import hocket
from hocket.envs.null import NullEnv

def policy(observation):
    time.sleep({latency})
    return 1

class Says(hocket.Instrument):
    def on_start(self, run):
        print("running", flush=True)

    def on_stop(self):
        {last}

{guard}
    print("begun", flush=True)
    try:
        hocket.run(NullEnv((4, 84, 84)), policy, hocket.TickDispatch(3), hocket.Realtime(hz=50, executor="{executor}"),
                   ticks={ticks}, instruments=[Says()])
    except {caught} as interrupted:
        summary = interrupted.result.summary()
        print(interrupted.signal.name, summary.ticks, summary.outcomes["failed"], flush=True)
        sys.exit(128 + interrupted.signal)
    print("ended", flush=True)
"""


def script(
    tmp_path: Path,
    *,
    executor="processes",
    latency=0.05,
    ticks=10_000,
    guard='if __name__ == "__main__":',
    caught="hocket.RunInterrupted",
    last="pass",
    **environment,
):
    path = tmp_path / "script.py"
    words = {"executor": executor, "latency": latency, "ticks": ticks, "guard": guard, "caught": caught, "last": last}
    path.write_text(SCRIPT.format(**words))
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def until_running(process):
    while line := process.stdout.readline():
        if line == "running\n":
            time.sleep(0.3)
            return
    raise AssertionError(process.communicate(timeout=10)[1])


def test_without_the_main_guard(tmp_path):
    process = script(tmp_path, guard="if True:")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PolicyError" in error and "guard it with: if __name__ == '__main__':" in error


@pytest.mark.parametrize("latency", [0.05, 30])
def test_a_parent_killed_leaves_nothing(tmp_path, latency):
    """Even if every worker is in the middle of a long inference."""
    process = script(tmp_path, latency=latency)
    until_running(process)
    below, memory = descendants(process.pid), named_memory(process.pid)
    assert len(workers_below(process.pid)) == 3
    process.kill()
    process.communicate(timeout=20)
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    assert not any(map(os.path.exists, memory))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("executor", KINDS)
def test_a_signal_to_a_script_and_all_below_it(tmp_path, executor, number):
    """Ctrl-C, a scheduler's end, a closed terminal; and once more while the run ends."""
    process = script(tmp_path, executor=executor, latency=30, last=f"os.kill(os.getpid(), {int(number)})")
    until_running(process)
    below, memory = descendants(process.pid), named_memory(process.pid)
    os.killpg(process.pid, number)
    output, error = process.communicate(timeout=20)
    assert process.returncode == 128 + number, error
    name, ticks, failed = output.splitlines()[-1].split()
    assert name == number.name and int(ticks) >= 10 and failed == "0"  # workers ignore signals; the loop handles them
    assert "Traceback" not in error
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    assert not any(map(os.path.exists, memory))


def test_an_interrupt_that_is_not_caught_has_one_traceback(tmp_path):
    process = script(tmp_path, caught="ZeroDivisionError")
    until_running(process)
    below, memory = descendants(process.pid), named_memory(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode in (1, -signal.SIGINT, 130)
    assert "RunInterrupted" in error and error.count("Traceback") == 1
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    assert not any(map(os.path.exists, memory))


def test_a_killed_group_leaves_no_semaphores_and_its_folder_goes_at_the_next_start(tmp_path):
    temp = Path(tempfile.mkdtemp())  # the path of a socket has a limit that pytest's folders come close to
    (temp / "pymp-another").mkdir()  # not hocket's
    killed = script(tmp_path, TMPDIR=str(temp))
    until_running(killed)
    assert named_memory(killed.pid) == set()
    below = descendants(killed.pid)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=20)
    assert eventually(lambda: not any(map(alive, below)), 6.0)
    (left,) = {folder.name for folder in temp.glob("pymp-*")} - {"pymp-another"}

    living = script(tmp_path, TMPDIR=str(temp))
    until_running(living)
    (lives,) = {folder.name for folder in temp.glob("pymp-*")} - {"pymp-another"}
    assert lives != left  # the folder of the dead one is gone

    after = script(tmp_path, TMPDIR=str(temp), ticks=5)
    output, error = after.communicate(timeout=60)
    assert output.endswith("ended\n"), error
    assert {folder.name for folder in temp.glob("pymp-*")} == {"pymp-another", lives}

    os.killpg(living.pid, signal.SIGINT)
    living.communicate(timeout=20)
    assert [folder.name for folder in temp.glob("pymp-*")] == ["pymp-another"]
    shutil.rmtree(temp)


def test_ctrl_c_on_the_command_line(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "hocket", "run", "--env", "CartPole-v1", "--hz", "50", "--policy", "random"]
    process = subprocess.Popen(
        [*command, "--seconds", "300", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert eventually(lambda: len(workers_below(process.pid)) == 2, 30.0)
    time.sleep(2.0)
    below = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert "interrupted" in output and "Traceback" not in error
    assert {"config.json", "summary.json", "ticks.npz", "inferences.npz", "trace.bin"} <= set(os.listdir(out))
    assert eventually(lambda: not any(map(alive, below)), 6.0)
