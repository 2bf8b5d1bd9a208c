import errno
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from hocket.errors import ConfigurationError
from hocket.ipc.child_processes import WithEnvironment, begin_as_child, check_children, preload
from hocket.ipc.signals import GROUP_SIGNALS

CONTEXT = multiprocessing.get_context("spawn")


def begin_and_tell(nice, connection, forbidden=""):
    if forbidden:

        def refuse(*arguments):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        setattr(os, forbidden, refuse)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    denied = begin_as_child(nice)
    connection.send((os.getpriority(os.PRIO_PROCESS, 0) - before, os.sched_getscheduler(0), denied))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the system has no such thing as idle processes")
@pytest.mark.parametrize(("nice", "policy"), [(10, "SCHED_OTHER"), (19, "SCHED_IDLE")])
def test_the_lowest_priority_runs_only_when_the_processor_is_idle(nice, policy):
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=begin_and_tell, args=(nice, there))
    process.start()
    stood_back, scheduled, denied = here.recv()
    process.join()
    assert scheduled == getattr(os, policy)
    assert stood_back == min(nice, 19 - os.nice(0))
    assert denied is None


@pytest.mark.parametrize("forbidden", ["nice", "sched_setscheduler"])
def test_a_child_that_may_not_lower_its_priority_continues_and_reports_it(forbidden):
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=begin_and_tell, args=(19, there, forbidden))
    process.start()
    _, scheduled, denied = here.recv()
    process.join()
    assert process.exitcode == 0 and scheduled == os.SCHED_OTHER
    assert denied == "the system denies a lower priority (nice=19): Operation not permitted"


def signalled(connection):
    """Begin as a child, get the signals of terminals and schedulers, and start a program that SIGTERM ends."""
    begin_as_child(0)
    for number in GROUP_SIGNALS:
        signal.raise_signal(number)
    program = subprocess.Popen(["sleep", "60"])
    program.terminate()
    connection.send(program.wait(timeout=30))


OF_ANOTHER = """
import multiprocessing, re, time
from multiprocessing import forkserver
from pathlib import Path
from hocket.ipc.child_processes import preload

if __name__ == "__main__":
    preload(())
    status = Path(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read_text()
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(20)
    print(re.search(r"SigBlk:\\s*(\\w+)", status)[1], process.exitcode)
    process.kill()
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
def test_the_fork_server_blocks_signals_to_all_and_the_children_of_others_do_not(tmp_path):
    script = tmp_path / "another.py"
    script.write_text(OF_ANOTHER)
    told = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True).stdout
    blocked, exitcode = told.split()
    assert all(int(blocked, 16) >> (number - 1) & 1 for number in GROUP_SIGNALS)
    assert int(exitcode) == -signal.SIGTERM


def test_a_child_leaves_signals_to_the_tick_loop_and_its_own_programs_do_not():
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=signalled, args=(there,))
    process.start()
    assert here.recv() == -signal.SIGTERM
    process.join()
    assert process.exitcode == 0


def tell_environment(connection):
    connection.send({name: os.environ.get(name) for name in ("HOCKET_TEST_NEW", "HOCKET_TEST_OLD")})


def test_children_have_the_environment_of_their_start(monkeypatch):
    """And not that of the start of the fork server."""
    context = multiprocessing.get_context("forkserver")
    monkeypatch.setenv("HOCKET_TEST_OLD", "old")
    found = []
    for value in ("1", "2"):
        monkeypatch.setenv("HOCKET_TEST_NEW", value)
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=WithEnvironment(tell_environment), args=(there,))
        process.start()
        found.append(here.recv())
        process.join()
        monkeypatch.delenv("HOCKET_TEST_OLD", raising=False)
    assert found == [
        {"HOCKET_TEST_NEW": "1", "HOCKET_TEST_OLD": "old"},
        {"HOCKET_TEST_NEW": "2", "HOCKET_TEST_OLD": None},
    ]


def refused_in_a_daemon(connection):
    try:
        check_children()
    except ConfigurationError as error:
        connection.send(str(error))


def test_a_daemonic_process_may_have_no_children():
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=refused_in_a_daemon, args=(there,), daemon=True)
    process.start()
    message = here.recv()
    process.join()
    assert "daemonic process" in message and "multiprocessing.Pool" in message and 'executor="threads"' in message


SCRIPT = """
import os, sys
import hocket
from hocket.envs.null import NullEnv

def policy(observation):
    return 1

if __name__ == "__main__":
    {before}
    for executor in ("threads", "processes"):
        try:
            hocket.run(NullEnv(), policy, hocket.TickDispatch(2), hocket.Realtime(hz=50, executor=executor), ticks=5)
            print(executor, "ran")
        except hocket.ConfigurationError as error:
            print(error)
"""


def output_of(*arguments, before="pass", **options):
    return subprocess.run(
        [sys.executable, *arguments], input=SCRIPT.format(before=before), capture_output=True, text=True, **options
    ).stdout.splitlines()


@pytest.mark.realtime
def test_a_script_on_standard_input_is_refused_by_name_and_runs_with_threads():
    ran, message = output_of("-")
    assert ran == "threads ran"
    assert "<stdin> is not a file" in message and "save it as a file" in message and 'executor="threads"' in message


@pytest.mark.realtime
def test_a_working_directory_that_is_gone_is_refused_by_name_and_runs_with_threads(tmp_path):
    folder, file = tmp_path / "gone", tmp_path / "script.py"
    folder.mkdir()
    file.write_text(SCRIPT.format(before="os.rmdir(os.getcwd())"))
    ran, message = output_of(str(file), cwd=folder)
    assert ran == "threads ran"
    assert "the working directory is gone (No such file or directory)" in message and "change to one" in message


@pytest.mark.realtime
def test_a_long_temporary_folder_is_refused_by_name_and_runs_with_threads(tmp_path):
    file, temp = tmp_path / "script.py", tmp_path / ("x" * 100)
    file.write_text(SCRIPT.format(before="pass"))
    temp.mkdir()
    ran, message = output_of(str(file), env={**os.environ, "TMPDIR": str(temp)})
    assert ran == "threads ran"
    assert "the path of the temporary folder is too long" in message and "107 are allowed" in message
    assert "try a shorter TMPDIR" in message


WATCH_DEV_SHM = """
    import _multiprocessing, multiprocessing.synchronize
    def full(*arguments):
        raise OSError(28, "No space left on device")
    class SemLock(_multiprocessing.SemLock):
        __new__ = full
    _multiprocessing.SemLock, usual = SemLock, _multiprocessing.SemLock
    SemLock._rebuild = usual._rebuild
"""


@pytest.mark.parametrize("name", ["hocket.ipc.nowhere", "hocket.nowhere.child_processes", "nowhere"])
def test_a_module_that_is_not_there_cannot_be_preloaded(name):
    with pytest.raises(ConfigurationError, match=f"preload names '{name}', which is no module here"):
        preload(("math", name))


@pytest.mark.realtime
def test_without_dev_shm_runs_work(tmp_path):
    """Full, read-only or absent: no named semaphore is made, and no other file there."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(before=WATCH_DEV_SHM))
    assert output_of(str(file)) == ["threads ran", "processes ran"]
