import io
import re
import threading
import time

import pytest
from rich.console import Console

import hocket
from hocket.envs.null import NullEnv
from hocket.hooks.instrument import LearnerFigures, Progress
from hocket.instruments import progress_line as progress
from hocket.instruments.progress_line import ProgressLine, TrainingLine, training_figures


def run(console, ticks=40, env=None):
    clock = hocket.Realtime(hz=200, executor="threads")
    with ProgressLine(ticks, title="one free-running [worker]", console=console) as line:
        return hocket.run(
            env or NullEnv(), lambda observation: 0, hocket.Unstaggered(1), clock, ticks=ticks, instruments=[line]
        )


@pytest.mark.realtime
def test_silent_without_a_terminal():
    console = Console(file=io.StringIO())
    assert run(console).summary().ticks == 40
    assert console.file.getvalue() == ""


@pytest.mark.realtime
@pytest.mark.parametrize("width", [40, 80, 200])
def test_shows_coverage_and_delay_in_one_line(monkeypatch, width):
    monkeypatch.setattr(progress, "REFRESH_S", 0.02)
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    run(console)
    shown = console.file.getvalue()
    lines = [line for line in shown.replace("\n", "\r").split("\r") if "free" in line]
    assert len(lines) >= 2
    if width >= 80:
        assert all("[worker]" in line and ("/40  coverage " in line or "starting: " in line) for line in lines)
        assert any("delay 1" in line for line in lines)
        assert all(len(line.replace("\x1b[2K", "")) <= width for line in lines)


class SlowToBuild(hocket.PolicyFactory):
    """Its workers come up one after the other."""

    lock = threading.Lock()

    def build(self):
        with self.lock:
            time.sleep(0.1)
        return lambda observation: 0


def upward(counts):
    return sorted(set(counts)) == list(dict.fromkeys(counts))


@pytest.mark.realtime
@pytest.mark.parametrize("kind", [ProgressLine, TrainingLine])
def test_shows_how_many_workers_are_up(monkeypatch, kind):
    monkeypatch.setattr(progress, "REFRESH_S", 0.02)
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    heard = []

    class Hearing(hocket.Instrument):
        def on_worker_up(self, workers):
            heard.append(workers)

    with kind(20, title="slow", console=console) as line:
        hocket.run(
            NullEnv(), SlowToBuild(), hocket.TickDispatch(4), hocket.Realtime(hz=100, executor="threads"),
            ticks=20, instruments=[line, Hearing()],
        )  # fmt: skip
    counts = [int(count) for count in re.findall(r"starting: (\d) of 4 workers are up", console.file.getvalue())]
    assert upward(counts) and len(set(counts)) > 1
    assert heard == [1, 2, 3, 4]


@pytest.mark.realtime
def test_ends_with_a_run_that_fails(monkeypatch):
    monkeypatch.setattr(progress, "REFRESH_S", 0.02)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)

    class Broken(NullEnv):
        def step(self, action):
            time.sleep(0.05)
            raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        run(console, env=Broken())


def test_a_line_that_never_watched_ends_too():
    with ProgressLine(5, title="x", console=Console(file=io.StringIO(), force_terminal=True)):
        pass


NAN = float("nan")
STANDS = Progress(
    tick=60_000,
    coverage=0.98765,
    delay_ticks=3.25,
    episodes=7,
    episode_return=123.456,
    updates_per_s=1234.5,
    learner=LearnerFigures(5000, loss=0.012345, staleness=2.0),
)


def test_training_in_a_few_words():
    words = "coverage 0.988  delay 3.2  return 123.5  updates/s 1234  loss 0.0123  staleness 2.0"
    assert training_figures(STANDS, 200) == words
    assert training_figures(STANDS, 40) == "coverage 0.988  delay 3.2  return 123.5"
    nothing = Progress(
        tick=0,
        coverage=NAN,
        delay_ticks=NAN,
        episodes=0,
        episode_return=NAN,
        updates_per_s=0,
        learner=LearnerFigures(0),
    )
    assert training_figures(nothing, 200) == "updates/s 0"


@pytest.mark.realtime
@pytest.mark.parametrize("width", [40, 80, 200])
def test_training_in_one_line(monkeypatch, width):
    monkeypatch.setattr(progress, "REFRESH_S", 0.02)
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with TrainingLine(100_000, title="ALE/NameThisGame-v5", console=console) as line:
        line.on_training(STANDS)
        time.sleep(0.2)
    shown = console.file.getvalue()
    lines = [line for line in shown.replace("\n", "\r").split("\r") if "ALE" in line]
    assert lines
    if width >= 80:
        assert any("60000/100000  coverage 0.988" in line for line in lines)
        assert all(len(line.replace("\x1b[2K", "")) <= width for line in lines)
    assert ("staleness 2.0" in shown) == (width == 200)


def test_training_is_silent_without_a_terminal():
    console = Console(file=io.StringIO())
    with TrainingLine(9, title="x", console=console) as line:
        line.on_training(STANDS)
        line.on_evaluation(3, 1.0)
    assert console.file.getvalue() == ""
