import socket
from contextlib import ExitStack
from threading import Thread

import pytest
from access import TOKEN

from hocket.remote import Msgpack, PolicyServer, WebSocketPolicy

NO_METADATA = Msgpack().pack({})


@pytest.fixture(autouse=True)
def _nothing_left(nothing_left):
    """No test leaves a thread of the package."""


@pytest.fixture
def served():
    """Serves a policy until the end of the test; returns the `PolicyServer`."""
    with ExitStack() as stack:

        def serve(policy, **options):
            return stack.enter_context(PolicyServer(policy, **{"port": 0, "token": TOKEN, "workers": 1, **options}))

        yield serve


@pytest.fixture
def asking():
    """A worker's policy that asks servers by WebSocket, with time enough on a busy machine."""

    def ask(*servers, **options):
        return WebSocketPolicy(servers, **{"token": TOKEN, "timeout_s": 30, "connect_s": 10, **options}).build()

    return ask


@pytest.fixture
def scripted():
    """A WebSocket server that does for each connection what a function says; returns its address."""
    from websockets.sync.server import serve

    with ExitStack() as stack:

        def start(script, metadata=NO_METADATA):
            def converse(connection):
                connection.send(metadata)
                script(connection)

            server = stack.enter_context(serve(converse, "127.0.0.1", 0, compression=None, close_timeout=0.1))
            thread = Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return "ws://{}:{}".format(*server.socket.getsockname())

        yield start


@pytest.fixture
def listening():
    """A socket that takes connections and is silent, as a machine that hangs is; returns its address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield "{}:{}".format(*silent.getsockname())
