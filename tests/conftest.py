"""One torch thread, a working Ctrl-C, hypothesis profiles, and checks for the tests of every folder."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest
from equal_priorities import keep_priorities
from hypothesis import HealthCheck, settings
from leftover_processes import alive, eventually, named_memory, processes_of_ours

# Two workers of pytest, or a test and a busy program, would wait for each other at the barriers of OpenMP. Read where
# numpy and torch are imported, here and in every process that a test starts.
for _library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# A program that a shell starts in the background ignores SIGINT, and so would all that the tests start.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests that need more or fewer examples than others multiply or divide `settings().max_examples`.
_ANY_SPEED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=20, **_ANY_SPEED)
settings.register_profile("ci", max_examples=50, print_blob=True, **_ANY_SPEED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session", autouse=True)
def _fork_server(request):
    """The fork server of the realtime tests has imported all slow modules before the first test.

    Unless all these tests run alone, child processes keep their priority.
    """
    realtime = [item for item in request.session.items if item.get_closest_marker("realtime")]
    if not all(item.get_closest_marker("alone") for item in realtime):
        keep_priorities()
    if realtime:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            [
                "hocket.drivers.executors.worker_process",
                "hocket.learn.learners.process",
                "hocket.learn.checkpoints.saver",
                "torch._dynamo",  # Adam imports it on its first use
            ]
        )
        process = context.Process(target=os.getpid)
        process.start()
        process.join()


def pytest_collection_finish():
    """Spare the garbage collector the objects that stay for as long as the tests run."""
    gc.freeze()


@pytest.fixture
def short_race(monkeypatch):
    """Plans that end long before their time limit, so that they are the same on a busy machine."""
    from hocket.analysis import race

    monkeypatch.setattr(race, "LOOK_TICKS", 400)
    monkeypatch.setattr(race, "PROMISING_TICKS", 1000)
    monkeypatch.setattr(race, "FINALS", ((4, 2000), (2, 4000)))


@pytest.fixture
def programs(monkeypatch):
    """The programs that the test has started with `subprocess`."""
    started, usual = [], subprocess.Popen.__init__

    def init(self, *args, **options):
        usual(self, *args, **options)
        started.append(self)

    monkeypatch.setattr(subprocess.Popen, "__init__", init)
    return started


@pytest.fixture
def nothing_left(programs):
    """The test leaves no process, none of the package's threads, and no named memory mapped.

    Anything left is reported once, as the error of this test, and ended, so that later tests are not affected.
    """
    processes, threads, memory = processes_of_ours(), set(threading.enumerate()), named_memory()
    yield

    def left_processes():
        return processes_of_ours() - processes

    def left_threads():
        return {thread for thread in threading.enumerate() if thread.name.startswith("hocket")} - threads

    eventually(lambda: not left_processes(), 3.0)
    eventually(lambda: not left_threads(), 4.0)  # a hanging thread cannot be killed; tests give theirs 2 s
    if named_memory() - memory:
        gc.collect()  # a caught exception keeps its frames and their objects in a cycle
    left = left_processes(), left_threads(), named_memory() - memory
    for pid in left[0]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, left[0])))
    for program in programs:
        with program:  # closes its pipes and takes its exit code: else a later test is warned of them
            pass
    assert left == (set(), set(), set())


@pytest.fixture
def one_thread():
    """One torch thread, and random numbers that do not depend on the tests before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _only_realtime_tests_use_the_wall_clock(request, monkeypatch):
    """A test without the marker ``realtime`` fails if it runs against the wall clock."""
    if request.node.get_closest_marker("realtime"):
        return

    def refuse(self, *args, **options):
        pytest.fail(f"{type(self).__name__} runs against the wall clock: mark this test realtime")

    for module, owner, method in WALL_CLOCK:
        if module in sys.modules:
            monkeypatch.setattr(getattr(sys.modules[module], owner), method, refuse)


WALL_CLOCK = [
    ("hocket.drivers.realtime_engine", "RealtimeEngine", "__init__"),
    ("hocket.drivers.executors.threads", "ThreadExecutor", "launch"),
    ("hocket.drivers.executors.processes", "ProcessExecutor", "launch"),
    ("hocket.learn.learners.pool", "LearnerProcesses", "start"),
    ("hocket.instruments.live.live_page", "LivePage", "on_start"),
]
