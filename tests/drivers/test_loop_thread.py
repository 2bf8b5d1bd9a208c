import ctypes
import gc
import sys
from time import monotonic_ns

import pytest

from hocket.drivers.loop_thread import collect_a_little, spin_until, steady_thread

PR_GET_TIMERSLACK = 30


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_as_before(enabled):
    was, frozen = gc.isenabled(), gc.get_freeze_count()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(RuntimeError), steady_thread():
            assert not gc.isenabled() and gc.get_freeze_count() > frozen
            raise RuntimeError
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.skipif(sys.platform != "linux", reason="timer slack is Linux's")
def test_the_timer_slack_is_as_before():
    prctl = ctypes.CDLL(None).prctl
    before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)
    with steady_thread():
        assert prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 1000
    assert prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == before


def test_young_garbage_is_collected_in_the_loop():
    class Cycle:
        pass

    gone = []
    with steady_thread():
        cycle = Cycle()
        cycle.itself = cycle
        import weakref

        weakref.finalize(cycle, gone.append, True)
        del cycle
        collect_a_little(63)
        assert not gone
        collect_a_little(64)
        assert gone


def test_spin_until_returns_after_its_time():
    until_ns = monotonic_ns() + 1_000_000
    spin_until(until_ns)
    assert monotonic_ns() >= until_ns
