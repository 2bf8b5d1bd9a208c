import os
import resource
import sys
import threading

import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.ipc import process_limits
from hocket.ipc.process_limits import PROCESS_BYTES, check_room


@pytest.fixture
def roomy(monkeypatch):
    """A machine that has room for everything."""
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    monkeypatch.setattr(process_limits, "_number", lambda file: None)
    monkeypatch.setattr(process_limits, "_cgroups", lambda controller: ["/sys/fs/cgroup/a", "/sys/fs/cgroup"])
    monkeypatch.setattr(process_limits, "_threads_of_system", lambda: 0)
    monkeypatch.setattr(process_limits, "_threads_of_user", lambda: 0)
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: None)
    check_room(1_000_000)


def test_open_files(roomy, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024 if what == resource.RLIMIT_NOFILE else -1, -1))
    check_room(480)  # two for each, and 64
    message = r"481 worker processes cannot be started here: the limit of open files is 1024 \(ulimit -n\), which is "
    with pytest.raises(ConfigurationError, match=message + r"enough for 480; try workers=\d+.*executor=\"threads\""):
        check_room(481)


@pytest.mark.parametrize("folder", ["/sys/fs/cgroup/a", "/sys/fs/cgroup"])
def test_threads_of_the_container(roomy, monkeypatch, folder):
    """Those that exist in it count, and a parent's limit too."""
    numbers = {f"{folder}/pids.max": 200, f"{folder}/pids.current": 60}
    monkeypatch.setattr(process_limits, "_number", numbers.get)
    check_room(70)
    message = rf"71 .* is 200 \({folder}/pids\.max\), and 60 exist, which is enough for 70"
    with pytest.raises(ConfigurationError, match=message):
        check_room(71)


def test_a_container_that_is_full(roomy, monkeypatch):
    monkeypatch.setattr(process_limits, "_number", lambda file: 200 if "pids" in file else None)
    with pytest.raises(ConfigurationError, match="and 200 exist, which is enough for 0; try workers=1,"):
        check_room(1)


@pytest.mark.parametrize("name", ["threads-max", "pid_max"])
def test_threads_of_the_system(roomy, monkeypatch, name):
    monkeypatch.setattr(process_limits, "_number", lambda file: 1000 if file.endswith(name) else None)
    monkeypatch.setattr(process_limits, "_threads_of_system", lambda: 801)
    check_room(99)
    with pytest.raises(ConfigurationError, match=rf"is 1000 \(.*/{name}\), and 801 exist, which is enough for 99"):
        check_room(100)


def test_threads_of_the_user(roomy, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda what: (300 if what == resource.RLIMIT_NPROC else -1, -1))
    monkeypatch.setattr(process_limits.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(process_limits, "_threads_of_user", lambda: 100)
    check_room(100)
    with pytest.raises(ConfigurationError, match=r"is 300 \(ulimit -u\), and 100 exist, which is enough for 100"):
        check_room(101)
    monkeypatch.setattr(process_limits.os, "geteuid", lambda: 0)
    check_room(101)  # not root's


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_are_counted():
    own = len(os.listdir("/proc/self/task"))
    stop, before = threading.Event(), process_limits._threads_of_user()
    assert process_limits._threads_of_system() >= before >= own
    started = [threading.Thread(target=stop.wait) for _ in range(500)]
    try:
        for thread in started:
            thread.start()
        # Others come and go meanwhile.
        assert process_limits._threads_of_user() - before > 250
        assert process_limits._threads_of_system() >= own + 500
    finally:
        stop.set()
        for thread in started:
            thread.join()


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("0::/\n", ["/sys/fs/cgroup"]),
        ("0::/user/1\n", ["/sys/fs/cgroup/user/1", "/sys/fs/cgroup/user", "/sys/fs/cgroup"]),
        ("4:memory:/b\n3:pids:/a\n", ["/sys/fs/cgroup/pids/a", "/sys/fs/cgroup/pids"]),
        ("nonsense", ["/sys/fs/cgroup"]),
    ],
)
def test_control_groups_up_to_the_root(monkeypatch, text, folders):
    monkeypatch.setattr(process_limits.Path, "read_text", lambda path: text)
    assert process_limits._cgroups("pids") == folders


def test_memory(roomy, monkeypatch):
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: 20 * PROCESS_BYTES)
    check_room(20)
    with pytest.raises(ConfigurationError, match=r"0\.1 GiB of memory are free, and each needs at least 7 MiB"):
        check_room(21)


def test_the_limits_of_this_machine_can_be_read():
    check_room(1)
    assert process_limits._available_bytes() > 2**20


def test_thousands_of_learners_are_refused_before_the_first_starts(monkeypatch):
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: 2**30)
    with pytest.raises(ConfigurationError, match=r"5000 learner processes cannot .*; try learners=\d+$"):
        check_room(5000, of="learner")


def test_thousands_of_workers_are_refused_before_the_first_starts(monkeypatch):
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: 2**30)
    with pytest.raises(ConfigurationError, match=r"5000 worker processes cannot be started here"):
        hocket.run(NullEnv(), lambda observation: 1, hocket.TickDispatch(5000), hocket.Realtime(hz=50), ticks=5)
