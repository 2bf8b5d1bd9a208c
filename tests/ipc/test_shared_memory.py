import errno
import mmap
import multiprocessing
import os
import threading

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.ipc.shared_memory import CACHE_LINE, Parcel, SharedArrays, read_text, write_text

PARTS = {"counter": ((1,), np.dtype(np.int64)), "pictures": ((3, 5), np.dtype(np.uint8))}


def test_arrays_are_zero_apart_and_aligned():
    arrays = SharedArrays(PARTS)
    assert arrays["pictures"].shape == (3, 5)
    assert not arrays["pictures"].any()
    assert arrays.nbytes == 2 * CACHE_LINE
    assert arrays["pictures"].ctypes.data % CACHE_LINE == 0


def test_arrays_outlive_the_descriptor_and_nothing_has_a_name():
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    arrays = SharedArrays(PARTS)
    arrays.close()
    arrays.close()
    arrays["counter"][0] = 7
    assert arrays["counter"].tolist() == [7]
    assert (set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()) <= before


def count_up(arrays, times, together):
    together.wait()
    for _ in range(times):
        with arrays.locked():
            seen = int(arrays["counter"][0])
            os.sched_yield()  # let the other one in, if it can come in
            arrays["counter"][0] = seen + 1


def test_the_lock_excludes_processes():
    context = multiprocessing.get_context("forkserver")
    arrays, together = SharedArrays(PARTS), context.Barrier(2)
    children = [context.Process(target=count_up, args=(arrays, 5000, together)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert arrays["counter"].tolist() == [10_000]


def add_received_number(parcel):
    arrays, amount = parcel.open()
    with arrays.locked():
        arrays["counter"][0] += amount()


@pytest.mark.slow
def test_a_parcel_carries_arrays_and_functions_to_every_process():
    context = multiprocessing.get_context("forkserver")
    arrays = SharedArrays(PARTS)
    parcel = Parcel((arrays, lambda: 5))
    for _ in range(3):
        child = context.Process(target=add_received_number, args=(parcel,))
        child.start()
        child.join()
    assert arrays["counter"].tolist() == [15]


def test_unpicklable_objects_are_refused_at_once():
    with pytest.raises(TypeError, match="lock"):
        Parcel((SharedArrays(PARTS), threading.Lock()))
    Parcel(SharedArrays(PARTS))


def test_a_text_is_kept_from_its_end():
    room = np.full(8, 7, np.uint8)
    write_text(room, "raised x")
    assert read_text(room) == "raised x"
    write_text(room, "a much longer one")
    assert read_text(room) == "nger one"
    write_text(room, "é")
    assert read_text(room) == "é"
    write_text(room, "")
    assert read_text(room) == ""


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EMFILE])
def test_memory_that_the_system_refuses_is_named(monkeypatch, number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(mmap, "mmap", refuse)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(ConfigurationError, match=rf"refuses 2 MiB of shared memory \({os.strerror(number)}\).*try"):
        SharedArrays({"frames": ((2, 2**20), np.dtype(np.uint8))})
    assert set(os.listdir("/proc/self/fd")) == before
