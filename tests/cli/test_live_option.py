"""``--live``, as typed."""

import re
import socket

import pytest
from command_output import read, refused

from hocket.bench import demo as demonstration
from hocket.cli import demo_command
from hocket.instruments.live.live_page import LivePage

VIRTUAL = ("run", "--env", "CartPole-v1", "--seconds", "1", "--clock", "virtual", "--latency", "0.05")
SAID = re.compile(r"Live at http://127\.0\.0\.1:\d+/\?token=\S+\n")


@pytest.fixture
def shown(monkeypatch):
    """The runs that a page has shown."""
    runs, usual = [], LivePage.on_start

    def on_start(self, run):
        runs.append(run)
        usual(self, run)

    monkeypatch.setattr(LivePage, "on_start", on_start)
    return runs


@pytest.mark.realtime
def test_run(command, shown):
    code, out, err = command(*VIRTUAL, "--live", "--live-port", 0, "--out", "saved")
    assert (code, err) == (0, "") and SAID.match(out)
    (run,) = shown
    assert (run.name, run.ticks, run.env.render_mode) == ("CartPole-v1", 50, "rgb_array")
    assert not any("live" in name for name in read("saved/config.json")["options"]), "a repeated run has no page"


@pytest.mark.realtime
def test_train(command, shown):
    arguments = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.01", "--ticks", 60)
    code, out, err = command(*arguments, "--warm-up", 30, "--evaluation-episodes", 1, "--live", "--live-port", 0)
    assert (code, err) == (0, "") and SAID.match(out)
    assert [run.ticks for run in shown] == [60], "evaluations are not shown"


@pytest.mark.realtime
def test_demo(command, shown, monkeypatch):
    network = demonstration.Network(width=1 / 16, parameters=60_764, forward_s=0.001)
    monkeypatch.setattr(demo_command.demonstration, "choose_network", lambda env, tell: network)
    code, out, _ = command("demo", "--seconds", 0.2, "--live", "--live-port", 0)
    assert code == 0 and SAID.search(out)
    assert [run.rule for run in shown] == [rule for _, rule in demonstration.ARMS]
    assert {run.env.render_mode for run in shown} == {"rgb_array"}


def test_invalid_options_are_refused(command):
    refused(command(*VIRTUAL, "--live-port", 3), "--live-port 3 needs --live")
    refused(command(*VIRTUAL, "--live-host", "0.0.0.0"), "--live-host 0.0.0.0 needs --live")
    refused(command(*VIRTUAL, "--live", "--live-host", "here"), "host='here' is no address")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(command(*VIRTUAL, "--live", "--live-port", port), f"port {port}", "in use", "--live-port 0")
