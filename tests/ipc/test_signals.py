import os
import signal
import threading

import pytest

from hocket.ipc.signals import GROUP_SIGNALS, delayed_signals


@pytest.fixture
def another_thread():
    """One that does not block signals, such as those of torch."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.parametrize("number", GROUP_SIGNALS)
def test_signals_have_their_effect_at_the_end(number, another_thread):
    received, done = [], []
    usual = signal.signal(number, lambda *arguments: received.append(number))
    try:
        with delayed_signals():
            os.kill(os.getpid(), number)  # to any thread of the process
            signal.raise_signal(number)  # to this one
            done = [sum(range(10_000)), list(received)]  # long enough for a handler
        assert done[1] == [] and received
    finally:
        signal.signal(number, usual)


def test_ctrl_c_interrupts_at_the_end(another_thread):
    done = []
    with pytest.raises(KeyboardInterrupt), delayed_signals():
        os.kill(os.getpid(), signal.SIGINT)
        done.append(sum(range(10_000)))
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(GROUP_SIGNALS)


def test_an_ignored_signal_stays_ignored():
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with delayed_signals():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)


def test_elsewhere_than_in_the_main_thread():
    def delayed():
        with delayed_signals():
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    masks = []
    thread = threading.Thread(target=delayed)
    thread.start()
    thread.join()
    assert set(GROUP_SIGNALS) <= masks[0] and not set(GROUP_SIGNALS) & masks[1]
