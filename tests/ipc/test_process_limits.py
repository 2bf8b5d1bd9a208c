import resource

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
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: None)
    check_room(1_000_000)


def test_open_files(roomy, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024 if what == resource.RLIMIT_NOFILE else -1, -1))
    check_room(480)  # two for each, and 64
    message = r"481 worker processes cannot be started here: the limit of open files is 1024 \(ulimit -n\), which is "
    with pytest.raises(ConfigurationError, match=message + r"enough for 480; try workers=\d+.*executor=\"threads\""):
        check_room(481)


def test_threads_of_the_system(roomy, monkeypatch):
    monkeypatch.setattr(process_limits, "_number", lambda file: 200 if file.endswith("pids.max") else None)
    check_room(100)
    with pytest.raises(ConfigurationError, match=r"101 .* is 200 \(/sys.*/pids\.max\), which is enough for 100"):
        check_room(101)


def test_threads_of_the_user(roomy, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda what: (300 if what == resource.RLIMIT_NPROC else -1, -1))
    monkeypatch.setattr(process_limits.os, "geteuid", lambda: 1000)
    check_room(150)
    with pytest.raises(ConfigurationError, match=r"is 300 \(ulimit -u\), which is enough for 150"):
        check_room(151)
    monkeypatch.setattr(process_limits.os, "geteuid", lambda: 0)
    check_room(151)  # not root's


def test_memory(roomy, monkeypatch):
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: 20 * PROCESS_BYTES)
    check_room(20)
    with pytest.raises(ConfigurationError, match=r"0\.1 GiB of memory are free, and each needs at least 7 MiB"):
        check_room(21)


def test_the_limits_of_this_machine_can_be_read():
    check_room(1)
    assert process_limits._available_bytes() > 2**20


def test_thousands_of_workers_are_refused_before_the_first_starts(monkeypatch):
    monkeypatch.setattr(process_limits, "_available_bytes", lambda: 2**30)
    with pytest.raises(ConfigurationError, match=r"5000 worker processes cannot be started here"):
        hocket.run(NullEnv(), lambda observation: 1, hocket.TickDispatch(5000), hocket.Realtime(hz=50), ticks=5)
