"""Each way in which a server fails has an error with a name, and leaves a worker that can ask again."""

import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from threading import enumerate as enumerate_threads
from time import monotonic
from urllib.request import urlopen

import numpy as np
import pytest
from access import TOKEN, until_cancelled
from websockets.sync.client import connect

from hocket.errors import ConfigurationError, HocketError, PolicyError
from hocket.policies.base import FunctionPolicy, PolicyFactory, TwoStage
from hocket.remote import (
    AccessError,
    Msgpack,
    PolicyServer,
    RemoteError,
    RemotePolicyError,
    ReplyTimeoutError,
    UnreachableError,
    WebSocketPolicy,
    WireError,
)

OBSERVATION = np.zeros(3, np.float32)


def test_the_errors_are_one_tree():
    for kind in (AccessError, RemotePolicyError, ReplyTimeoutError, UnreachableError, WireError):
        assert issubclass(kind, RemoteError) and issubclass(kind, HocketError)


def test_nothing_listens(asking):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"ws://127.0.0.1:{port} cannot be reached .*; is the server running"):
        asking(f"ws://127.0.0.1:{port}")


def test_no_such_host(asking):
    with pytest.raises(UnreachableError, match=r"ws://no-such-host.invalid cannot be reached"):
        asking("ws://no-such-host.invalid")


def test_a_machine_that_hangs(asking, listening):
    with pytest.raises(UnreachableError, match="did not answer within connect_s; is the machine on"):
        asking(f"ws://{listening}", connect_s=0.05)


@pytest.mark.parametrize("token", [None, "the wrong token"])
def test_a_wrong_token(served, asking, token):
    with pytest.raises(AccessError, match=r"refused the token \(HTTP 401\); try the one that hocket serve printed"):
        asking(served(len).url, token=token)


def test_another_version_of_the_protocol(scripted, asking):
    address = scripted(lambda connection: connection.recv(), Msgpack().pack({"hocket_protocol": 2}))
    with pytest.raises(WireError, match="speaks version 2 of the protocol, and this hocket version 1; try the same"):
        asking(address)


def test_another_protocol(scripted, asking):
    with pytest.raises(WireError, match="sent list where openpi's protocol has a map of metadata"):
        asking(scripted(lambda connection: None, Msgpack().pack([])))
    with pytest.raises(WireError, match="bytes are not msgpack"):
        asking(scripted(lambda connection: None, b"\xc1"))


def test_a_server_of_something_else(asking):
    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(WireError, match=r"is no policy server: .*HTTP.*; try its address and port"):
            asking(f"ws://127.0.0.1:{server.server_port}")
        thread.join()


def test_a_policy_that_raises_is_quoted_and_asked_again(served, asking):
    def policy(observation):
        if observation.shape != (3,):
            raise ValueError(f"shape {observation.shape}, not (3,)")
        return 1

    ask = asking(served(policy).url)
    for _ in range(2):
        with pytest.raises(RemotePolicyError, match=r"raised:\nTraceback[^$]*ValueError: shape \(4, 4\), not \(3,\)"):
            ask(np.zeros((4, 4)))
        assert int(ask(OBSERVATION)) == 1


def test_an_answer_that_does_not_travel(served, asking):
    with pytest.raises(RemotePolicyError, match=r"WireError: .* cannot be sent: ndarray of object does not travel"):
        asking(served(lambda observation: object()).url)(OBSERVATION)


def test_a_request_that_does_not_travel(served, asking):
    ask = asking(served(lambda observation: 1).url)
    with pytest.raises(WireError, match="cannot be sent: object does not travel"):
        ask({"observation": object()})
    assert int(ask(OBSERVATION)) == 1


def test_a_request_that_is_too_large(served, asking):
    ask = asking(served(lambda observation: 1, most_bytes=1000).url)
    with pytest.raises(WireError, match=r"refused a request as too large .*; try a smaller observation, or"):
        ask(np.zeros(1000))
    assert int(ask(OBSERVATION)) == 1


def test_a_reply_that_is_too_large(served, asking):
    ask = asking(served(lambda observation: np.zeros(len(observation) * 1000)).url, most_bytes=2000)
    with pytest.raises(WireError, match="sent a reply of more than most_bytes=2000; try a larger most_bytes"):
        ask(OBSERVATION)
    assert ask(OBSERVATION[:0]).shape == (0,)


def test_a_reply_that_cannot_be_read(scripted, asking):
    ask = asking(scripted(lambda connection: (connection.recv(), connection.send(b"\xc1"))))
    with pytest.raises(WireError, match="1 bytes are not msgpack"):
        ask(OBSERVATION)


@pytest.mark.parametrize("reply", [[1, 2], {"action": 1}])
def test_a_reply_without_actions(scripted, asking, reply):
    ask = asking(scripted(lambda connection: (connection.recv(), connection.send(Msgpack().pack(reply)))))
    with pytest.raises(WireError, match=r"a reply has .*; actions='actions' must be one of them; try another"):
        ask(OBSERVATION)


def test_a_slow_server_and_a_half_open_connection(scripted, asking):
    """Both are silent. The next request has a connection of its own, so a late reply cannot be taken for its own."""
    connections = []

    def script(connection):
        connections.append(connection)
        connection.recv()
        if len(connections) > 1:
            connection.send(Msgpack().pack({"actions": 7}))
        connection.recv()

    ask = asking(scripted(script), timeout_s=2)
    with pytest.raises(ReplyTimeoutError, match="did not reply within timeout_s; is its policy slow, or the network"):
        ask(OBSERVATION)
    assert ask(OBSERVATION) == 7
    assert len(connections) == 2


def test_a_server_that_is_killed_while_it_computes(scripted, asking):
    def script(connection):
        connection.recv()
        connection.socket.shutdown(socket.SHUT_RDWR)

    ask = asking(scripted(script))
    began_s = monotonic()
    with pytest.raises(UnreachableError, match="closed the connection"):
        ask(OBSERVATION)
    assert monotonic() - began_s < 10  # timeout_s is 30: it does not wait for a dead server


def test_a_connection_that_was_closed_between_requests_costs_no_inference(scripted, asking):
    answered, closed = [], Event()

    def script(connection):
        connection.recv()
        connection.send(Msgpack().pack({"actions": len(answered)}))
        answered.append(1)
        connection.close_timeout = 0
        connection.close()
        closed.set()

    ask = asking(scripted(script))
    for expected in range(3):
        assert ask(OBSERVATION) == expected
        assert closed.wait(5)
        closed.clear()


# -- of the server ----------------------------------------------------------------------------------------------


def test_a_port_that_is_taken(served):
    port = int(served(len).url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is not available .*; try another"):
        PolicyServer(len, port=port).open()


def test_a_policy_that_cannot_be_built():
    class Broken(PolicyFactory):
        def build(self):
            raise RuntimeError("no weights")

    with pytest.raises(PolicyError, match=r"a worker could not build its policy:\n[^$]*RuntimeError: no weights"):
        PolicyServer(Broken(), port=0, workers=2).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": TwoStage(len, len)}, "has a head, .* try to serve a policy in one stage"),
        ({"policy": TwoStage(FunctionPolicy(len, chunk_length=2), len)}, "has a head, .* try to serve"),
        ({"token": "short"}, "token=... must be 8 or more printable ASCII characters"),
        ({"port": 70_000}, "port=70000 must be a whole number from 0 to 65535"),
        ({"workers": 0}, "workers=0 must be a whole number from 1"),
        ({"most_bytes": 0}, "most_bytes=0 must be a whole number from 1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        PolicyServer(**{"policy": FunctionPolicy(len), **options})


def test_a_token_is_made_unless_given():
    tokens = {PolicyServer(len).token for _ in range(2)}
    assert len(tokens) == 2 and all(len(token) >= 16 for token in tokens)


def test_its_health_is_told_without_the_token(served):
    with urlopen(served(len).url.replace("ws:", "http:") + "/healthz") as response:
        assert response.read() == b"OK\n"


def test_texts_and_lists_are_no_requests(served):
    server = served(len)
    with connect(server.url, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as connection:
        connection.recv()
        connection.send("a text")
        assert connection.recv() == "WireError: a request is a text message; it must be a binary one, of msgpack"
        connection.send(Msgpack().pack([1]))
        assert connection.recv().startswith("WireError: a request is list; it must be a map")


def test_requests_that_come_while_it_closes_do_not_hold_it_up(served):
    server = served(lambda observation: 1)
    asks = [WebSocketPolicy(server.url, token=TOKEN).build() for _ in range(3)]
    running = [Thread(target=ask_until_it_fails, args=(ask,)) for ask in asks]
    for thread in running:
        thread.start()
    server.close()
    for thread in running:
        thread.join(5)
    assert not any(thread.is_alive() for thread in [*running, *server_threads()])


def ask_until_it_fails(ask):
    with suppress(RemoteError):
        while True:
            ask(OBSERVATION)


def server_threads():
    return [thread for thread in enumerate_threads() if thread.name.startswith("hocket-server")]


def test_a_client_that_vanishes_leaves_no_work_behind(served):
    """Its inference is cancelled, and the only worker answers others."""
    begun, ended = Event(), Event()
    server = served(until_cancelled(begun, ended))
    vanishing = WebSocketPolicy(server.url, token=TOKEN, timeout_s=2).build()
    with pytest.raises(ReplyTimeoutError):
        vanishing(np.ones(1))
    assert begun.is_set() and ended.wait(5)
    assert int(WebSocketPolicy(server.url, token=TOKEN).build()(np.zeros(1))) == 1
