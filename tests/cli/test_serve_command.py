"""``hocket serve``, and ``hocket run`` by it."""

import os
import signal
import socket
from threading import Thread
from time import sleep

import numpy as np
import pytest
from access import TOKEN
from command_output import read, refused

from hocket.bench import chunks
from hocket.bench import outage as bench_outage
from hocket.bench import servers as bench_servers
from hocket.remote import PolicyServer, UnreachableError, WebSocketPolicy

POLICY = "def act(observation):\n    return int(observation[2] > 0)\n"
RUN = ("run", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.03", "--ticks", "20")


@pytest.fixture
def server():
    with PolicyServer(lambda observation: int(observation[2] > 0), port=0, token=TOKEN) as served:
        yield served


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(command, tmp_path, monkeypatch, nothing_left, number):
    (tmp_path / "policy.py").write_text(POLICY)
    monkeypatch.delenv("HOCKET_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers = []

    def ask():
        while not answers:
            try:
                policy = WebSocketPolicy(f"ws://127.0.0.1:{port}", token=TOKEN).build()
                answers.append(int(policy(np.array([0, 0, 1.0, 0]))))
            except UnreachableError:  # it has not started yet
                sleep(0.02)
        os.kill(os.getpid(), number)

    thread = Thread(target=ask, daemon=True)
    before = signal.getsignal(number)
    thread.start()
    code, out, err = command("serve", "--policy", "policy.py:act", "--port", port, "--token", TOKEN)
    thread.join()
    assert (code, err, answers) == (0, "", [1])
    assert f"hocket run --policy ws://127.0.0.1:{port}\n" in out and TOKEN not in out
    assert signal.getsignal(number) is before


def test_a_run_by_a_server(command, server, monkeypatch):
    code, out, err = command(*RUN, "--policy", server.url, "--token", TOKEN, "--out", "saved")
    assert (code, err) == (0, "") and "20" in out
    saved = read("saved/config.json")
    assert saved["options"]["policy"] == server.url and TOKEN not in str(saved)
    monkeypatch.setenv("HOCKET_TOKEN", TOKEN)
    code, out, err = command("run", "--config", "saved/config.json")
    assert (code, err) == (0, "") and "its code is run" not in out
    assert command(*RUN, "--policy", f"{server.url},{server.url.replace('127.0.0.1', 'localhost')}")[0] == 0


def test_refusals(command, server, monkeypatch):
    monkeypatch.delenv("HOCKET_TOKEN", raising=False)
    refused(command(*RUN, "--policy", server.url), "refused the token (HTTP 401)")
    refused(command(*RUN, "--policy", server.url, "--token", "wrong"), "refused the token (HTTP 401)")
    refused(command(*RUN, "--policy", "random", "--token", "x"), "--token x needs --policy ws://…")
    refused(command(*RUN, "--policy", "ws://"), "is not the address of a WebSocket server")
    refused(command("serve", "--policy", "nowhere.py:act"), "must be network, random, FILE.py:NAME")


@pytest.mark.realtime
def test_bench_remote(command):
    code, out, err = command("bench", "remote", "--count", 50, "--json", "x.json")
    assert (code, err) == (0, "") and "websockets: an echo" in out
    figures = read("x.json")
    assert figures["observation_bytes"] == 224 * 224 * 3 and figures["websocket_added_ratio"] > 0


@pytest.mark.realtime
def test_bench_chunks(command, monkeypatch):
    monkeypatch.setattr(chunks, "bench_remote", lambda count: {"websocket_added_ratio": count})
    code, out, err = command("bench", "chunks", "--seconds", 0.1, "--json", "x.json")
    assert (code, err) == (0, "") and "three staggered" in out
    figures = read("x.json")
    covered = [
        f"{name}_{key}" for name in ("one_in_flight", "staggered") for key in ("coverage", "delay_p50", "delay_p99")
    ]
    assert list(figures) == [*covered, "misaligned_steps", "fresh_steps", "websocket_added_ratio"]
    assert (figures["misaligned_steps"], figures["websocket_added_ratio"]) == (0, 10)


@pytest.mark.realtime
def test_bench_outage(command, monkeypatch):
    monkeypatch.setattr(bench_outage, "QUIET_S", 0.5)
    code, out, err = command("bench", "outage", "--seconds", 1, "--json", "x.json")
    assert (code, err) == (0, "") and "safe state, older_than_s=0.5: first called after" in out
    figures = read("x.json")
    assert figures["raised"] == 0 and figures["safe_state_s"] > 0.5 and figures["outage_s"] >= 1


@pytest.mark.realtime
def test_bench_servers(command, monkeypatch):
    monkeypatch.setattr(bench_servers, "KILL_EVERY_S", 0.5)
    code, out, err = command("bench", "servers", "--seconds", 1.5, "--json", "x.json")
    assert (code, err) == (0, "") and "one killed every 5 s" in out
    figures = read("x.json")
    assert figures["ticks"] == 75 and figures["kills"] >= 1 and figures["threads_left"] == []
