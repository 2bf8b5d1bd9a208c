"""A stand-in for a language model's server, for tests and examples without a network or a model."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class ChatServer:
    """Answers requests of OpenAI's chat completions on this machine, by a function in place of a model.

    Args:
        answer: the text of the reply to the last message's text. Connections are answered at the same time, in threads.

    Attributes:
        address: for `hocket.remote.ChatPolicy`.
        requests: the bodies of the requests so far.
    """

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._server = _Server(("127.0.0.1", 0), answer, self.requests)
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1/chat/completions"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="hocket-chat")
        self._thread.start()

    def close(self) -> None:
        """Close all connections; returns when the threads have ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them

    def __init__(self, address: tuple[str, int], answer: Callable[[str], str], requests: list[dict[str, Any]]) -> None:
        self.answer, self.requests = answer, requests
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def server_close(self) -> None:
        for connection in [*self.connections]:
            connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        """Answer one request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        message = {"role": "assistant", "content": self.server.answer(request["messages"][-1]["content"])}
        reply = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""
