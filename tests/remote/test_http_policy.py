"""A policy behind an HTTP server."""

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import numpy as np
import pytest

from hocket.errors import CancelledError
from hocket.policies.cancellation import watch
from hocket.remote import (
    AccessError,
    HTTPPolicy,
    Msgpack,
    RemotePolicyError,
    ReplyTimeoutError,
    UnreachableError,
    WireError,
)

OBSERVATION = np.array([1.5, -2.0])


class Answering(BaseHTTPRequestHandler):
    """Answers as its server says; notes requests and connections."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, reply = self.server.answer(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *args):
        pass


@pytest.fixture
def answering():
    """Starts a server that answers each body by a function; returns it, with its ``address``."""
    started = []

    def start(answer):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        server.answer, server.requests, server.connections = answer, [], 0
        server.handle_error = lambda request, address: None  # of clients that are gone
        server.address = f"http://127.0.0.1:{server.server_port}/act?robot=1"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


def test_json_by_one_connection(answering):
    server = answering(lambda body: (200, json.dumps({"actions": json.loads(body)["observation"]}).encode()))
    ask = HTTPPolicy(server.address, token="secret").build()
    assert [ask(OBSERVATION) for _ in range(3)] == [[1.5, -2.0]] * 3
    assert server.connections == 1
    path, headers, body = server.requests[0]
    assert path == "/act?robot=1" and body == b'{"observation": [1.5, -2.0]}'
    assert headers["Authorization"] == "Bearer secret" and headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"


def test_a_connection_that_was_reset_is_opened_again(answering, monkeypatch):
    server = answering(lambda body: (200, b'{"actions": 3}'))
    ask = HTTPPolicy(server.address).build()
    assert ask(OBSERVATION) == 3

    def reset():
        raise ConnectionResetError

    monkeypatch.setattr(ask._connection.channel, "receive_arrived", reset)
    assert ask(OBSERVATION) == 3
    assert server.connections == 2


def test_msgpack(answering):
    wire = Msgpack()
    server = answering(lambda body: (200, wire.pack({"chunk": wire.unpack(body)["observation"] + 1})))
    actions = HTTPPolicy(server.address, wire_format=wire, actions="chunk").build()(OBSERVATION)
    assert actions.tolist() == [2.5, -1.0]
    assert server.requests[0][1]["Content-Type"] == "application/msgpack"


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, AccessError, r"refused the token \(HTTP 401\)"),
        (404, WireError, "answered HTTP 404 where 200 is a reply; try the policy's own path\nits own words"),
        (429, UnreachableError, r"closed the connection \(HTTP 429\)"),
        (500, RemotePolicyError, r"raised \(HTTP 500\):\nits own words"),
        (503, UnreachableError, r"closed the connection \(HTTP 503\)"),
    ],
)
def test_other_statuses(answering, status, kind, message):
    statuses = [status, 200]
    server = answering(lambda body: (s := statuses.pop(0), b"its own words" if s > 200 else b'{"actions": 3}'))
    ask = HTTPPolicy(server.address).build()
    with pytest.raises(kind, match=message):
        ask(OBSERVATION)
    assert ask(OBSERVATION) == 3


def test_a_reply_that_is_too_large(answering):
    server = answering(lambda body: (200, b'{"actions": ' + b"1" * 5000 + b"}"))
    with pytest.raises(WireError, match="sent a reply of more than most_bytes=2000"):
        HTTPPolicy(server.address, most_bytes=2000).build()(OBSERVATION)


def test_a_silent_server(answering):
    go = Event()
    server = answering(lambda body: (go.wait(5) and 200, b'{"actions": 3}'))
    ask = HTTPPolicy(server.address, timeout_s=2).build()
    with pytest.raises(ReplyTimeoutError, match="did not reply within timeout_s"):
        ask(OBSERVATION)
    go.set()
    assert ask(OBSERVATION) == 3


def test_a_cancelled_inference_ends(answering):
    begun, go, stop, ended = Event(), Event(), Event(), []
    server = answering(lambda body: (begun.set(), go.wait(5)) and (200, b'{"actions": 3}'))

    def work():
        watch(stop.is_set)
        try:
            HTTPPolicy(server.address).build()(OBSERVATION)
        except CancelledError as error:
            ended.append(error)

    thread = Thread(target=work)
    thread.start()
    assert begun.wait(5)
    stop.set()
    thread.join(3)
    assert len(ended) == 1
    go.set()


def test_a_server_that_does_not_speak_http():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet():
            taken, _ = other.accept()
            with taken:
                taken.recv(1000)
                taken.sendall(b"500 a mail server\r\n\r\n")

        thread = Thread(target=greet)
        thread.start()
        with pytest.raises(WireError, match=r"does not speak HTTP .*; try its address and port"):
            HTTPPolicy("http://{}:{}".format(*other.getsockname())).build()(OBSERVATION)
        thread.join()
