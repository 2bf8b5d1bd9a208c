import multiprocessing
import os
import time

import pytest
from leftover_processes import named_memory

from hocket.ipc import semaphores
from hocket.ipc.semaphores import SharedSemaphores

CONTEXT = multiprocessing.get_context("spawn")


def answer(shared):
    """Wait for semaphore 0 twice, and release semaphore 1 each time."""
    for _ in range(2):
        shared[0].acquire()
        shared[1].release()


@pytest.mark.parametrize("named", [False, True])
def test_two_processes_take_turns(named, monkeypatch):
    if named:
        monkeypatch.setattr(semaphores, "_is_glibc", lambda: False)
    shared = SharedSemaphores(3)
    process = CONTEXT.Process(target=answer, args=(shared,))
    process.start()
    assert not shared[1].acquire(False)
    for _ in range(2):
        shared[0].release()
        assert shared[1].acquire(True, 30)
    process.join()
    assert process.exitcode == 0 and not shared[2].acquire(False)
    shared.close()


def test_they_count_and_are_reset_to_zero():
    shared = SharedSemaphores(2)
    for _ in range(3):
        shared[0].release()
    assert [shared[0].acquire(False) for _ in range(4)] == [True, True, True, False]
    shared[0].release()
    shared[1].release()
    shared.reset(0)
    assert not shared[0].acquire(False) and shared[1].acquire(False)


def test_waiting_ends_in_time():
    shared = SharedSemaphores(1)
    began = time.monotonic()
    assert not shared[0].acquire(True, 0.05)
    assert 0.04 <= time.monotonic() - began < 10


@pytest.mark.skipif(not semaphores._is_glibc(), reason="named semaphores elsewhere")
def test_they_have_no_names():
    before, listed = named_memory(), set(os.listdir("/dev/shm"))
    shared = SharedSemaphores(100)
    mine = {name for name in set(os.listdir("/dev/shm")) - listed if f"/dev/shm/{name}" in named_memory()}
    assert not mine and named_memory() == before
    shared.close()
