import os
import sys
from threading import Thread

import pytest
from slow_policies import Sleeping

import hocket
from hocket import realtime_priority
from hocket.drivers.loop_thread import missing_priority
from hocket.errors import ConfigurationError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="real-time priorities are Linux's here")


def standing():
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def granted(priority):
    """True if the system grants this process a real-time priority."""
    with realtime_priority(priority) as got:
        return got == priority


@pytest.fixture
def privileged():
    if not granted(1):
        pytest.skip("needs the right to real-time priorities")


def beside(call):
    """The result of ``call`` in a new thread."""
    found = []
    thread = Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_it_is_given_and_taken_back(privileged):
    before = standing()
    with pytest.raises(RuntimeError), realtime_priority(7) as got:
        assert got == 7
        assert standing() == (os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 7)
        raise RuntimeError
    assert standing() == before


def test_niceness_is_as_before(privileged):
    def nice_before_and_after():
        before = os.nice(0)
        os.nice(3)  # of this thread alone
        with realtime_priority(1):
            pass
        return os.nice(0) - before

    assert beside(nice_before_and_after) == 3


def test_threads_started_meanwhile_have_ordinary_priority(privileged):
    with realtime_priority(1):
        assert beside(standing) == (os.SCHED_OTHER, 0)


def test_a_higher_priority_stays(privileged):
    with realtime_priority(5), realtime_priority(2) as got:
        assert got == 5
        assert standing()[1] == 5


@pytest.mark.parametrize("forbidden", ["sched_setscheduler", "sched_getscheduler", "sched_getparam"])
def test_without_the_right_nothing_changes(monkeypatch, forbidden):
    def refuse(*_):
        raise PermissionError

    before = standing()
    with monkeypatch.context() as sandbox:
        sandbox.setattr(os, forbidden, refuse)
        with realtime_priority(1) as got:
            assert got == 0
    assert standing() == before


@pytest.mark.realtime
def test_a_run_without_the_right_warns_once_and_names_the_remedy(monkeypatch, null_run):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    for priority in (0, 2):
        clock = hocket.Realtime(hz=100, executor="threads", priority=priority)
        result = null_run(hocket.TickDispatch(2), clock, 5, Sleeping(0.001))
        notes = [line for line in str(result.summary()).splitlines() if line.startswith("note ")]
        assert len(notes) == len(result.record.notes) == bool(priority)
    assert "does not grant real-time priority 2" in notes[0]
    assert "'USER - rtprio 2' to /etc/security/limits.conf" in notes[0] and "--cap-add SYS_NICE" in notes[0]


def test_one_that_may_not_let_its_children_inherit_again_still_becomes_ordinary(privileged, monkeypatch):
    set_scheduler = os.sched_setscheduler

    def as_for_users(pid, policy, parameters):
        if not policy & os.SCHED_RESET_ON_FORK:
            raise PermissionError
        set_scheduler(pid, policy, parameters)

    before = standing()
    try:
        monkeypatch.setattr(os, "sched_setscheduler", as_for_users)
        with realtime_priority(1):
            pass
        assert standing() == (before[0] | os.SCHED_RESET_ON_FORK, 0)
    finally:
        set_scheduler(0, before[0], os.sched_param(before[1]))


def test_zero_asks_for_nothing():
    before = standing()
    with realtime_priority(0) as got:
        assert got == 0
        assert standing() == before


@pytest.mark.realtime
@pytest.mark.parametrize("priority", [0, 3])
def test_a_run_records_the_priority_of_its_loop(priority, null_run):
    before = standing()
    result = null_run(
        hocket.TickDispatch(2), hocket.Realtime(hz=100, executor="threads", priority=priority), 30, Sleeping(0.015)
    )
    expected = priority if granted(3) else 0
    assert result.summary().priority == expected
    assert ("at real-time priority 3" in str(result.summary())) is bool(expected)
    assert [missing_priority(priority, expected)] == (result.record.notes or [None])
    assert standing() == before


REFUSED = r"priority=.* must be a whole number from 0 to 99; try 1, or 0 for an ordinary thread"


@pytest.mark.parametrize("priority", [-1, 100, 1.5, True])
def test_invalid_priorities_are_refused(priority):
    with pytest.raises(ConfigurationError, match=REFUSED):
        hocket.Realtime(hz=60, priority=priority)
    with (
        pytest.raises(ConfigurationError, match=REFUSED),
        realtime_priority(priority),
    ):
        pass
