import gc
import threading

import pytest
from processes_left import eventually, named_memory, workers_of_ours


@pytest.fixture
def nothing_left():
    """After the test no process that we forked lives, no thread of ours runs, and nothing named is mapped."""
    threads, memory = set(threading.enumerate()), named_memory()
    yield
    assert eventually(lambda: not workers_of_ours(), 3.0), workers_of_ours()
    gc.collect()  # an exception that was caught keeps its frames, and what they hold, in a cycle
    assert named_memory() <= memory
    assert not [t for t in threading.enumerate() if t not in threads and t.name.startswith("hocket")]
