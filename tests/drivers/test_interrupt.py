import signal
import threading

import pytest

from hocket.drivers.interrupt import between_ticks

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
