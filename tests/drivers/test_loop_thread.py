import ctypes
import gc
import signal
import sys
import threading
from time import monotonic_ns

import pytest

from hocket.drivers.loop_thread import between_ticks, collect_a_little, spin_until, steady_thread

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


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_two_signals_wait_and_the_third_does_not(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), between_ticks() as interrupt:
        assert not interrupt.requested and interrupt.signal is None
        signal.raise_signal(number)
        assert interrupt.requested and interrupt.signal is number
        signal.raise_signal(signal.SIGINT)
        assert interrupt.signal is number  # the first one counts
        signal.raise_signal(number)
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_signal_while_there_is_nothing_to_lose_interrupts_at_once():
    with between_ticks() as interrupt:
        with pytest.raises(KeyboardInterrupt), interrupt.at_once():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert interrupt.signal is signal.SIGTERM


def test_a_loop_that_begins_ends_the_time_without_anything_to_lose():
    with between_ticks() as interrupt, interrupt.at_once():
        with between_ticks():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # the loop is over, and its record is not saved yet
    assert interrupt.signal is signal.SIGINT


def test_an_interrupt_that_raises_names_its_signal_and_does_not_last():
    with pytest.raises(KeyboardInterrupt) as info, between_ticks():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            signal.raise_signal(number)
    assert info.value.signal is signal.SIGTERM
    with between_ticks() as interrupt:
        assert not interrupt.requested


def test_inside_another_it_is_the_same_interrupt():
    with between_ticks() as outer:
        with between_ticks() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert inner is outer and outer.requested
        signal.raise_signal(signal.SIGTERM)  # the handlers are still there
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", SIGNALS)
def test_a_handler_of_the_users_own_is_left_alone(number):
    received = []
    before = signal.signal(number, lambda *args: received.append(True))
    try:
        with between_ticks() as interrupt:
            signal.raise_signal(number)
        assert received and not interrupt.requested
    finally:
        signal.signal(number, before)


def test_ignored_signals_stay_ignored():
    """An ignored SIGHUP, as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with between_ticks() as interrupt:
            signal.raise_signal(signal.SIGHUP)
        assert not interrupt.requested and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_have_no_signals():
    requested = []

    def loop():
        with between_ticks() as interrupt:
            requested.append(interrupt.requested)

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    assert requested == [False]
