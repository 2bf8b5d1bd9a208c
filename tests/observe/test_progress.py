import io
import time

import pytest
from rich.console import Console

import hocket
from hocket.envs.null import NullEnv
from hocket.observe import progress
from hocket.observe.progress import ProgressLine


def run(console, ticks=40, env=None):
    clock = hocket.Realtime(hz=200, executor="threads")
    with ProgressLine(ticks, title="one free-running [worker]", console=console) as line:
        return hocket.run(
            env or NullEnv(), lambda observation: 0, hocket.Unstaggered(1), clock, ticks=ticks, watch=line.watch
        )


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
        assert all("[worker]" in line and "/40  coverage " in line for line in lines)
        assert any("delay 1" in line for line in lines)
        assert all(len(line.replace("\x1b[2K", "")) <= width for line in lines)


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
