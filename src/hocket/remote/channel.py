"""A TCP or TLS connection whose calls end at a deadline, and when the inference that waits for them is cancelled.

It has no thread: the worker that asks sends and receives itself, so nothing is left behind, and no thread has to be
woken for an answer.
"""

from __future__ import annotations

import socket
import ssl
from time import monotonic
from typing import Self

from hocket.policies.cancellation import stop_if_cancelled

LOOK_S = 0.01
"""The time between two looks for a cancellation."""
PART_BYTES = 2**18
"""The most bytes that are received at once."""


class Channel:
    """Bytes to and from one server.

    Args:
        connected: a socket.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    def to(cls, host: str, port: int, *, secure: bool, until_s: float) -> Self:
        """Connect, with TLS if ``secure``.

        Raises:
            OSError: if that is not possible; `TimeoutError` at ``until_s``.
        """
        plain = socket.create_connection((host, port), timeout=max(0.001, until_s - monotonic()))
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not secure:
                return cls(plain)
            return cls(ssl.create_default_context().wrap_socket(plain, server_hostname=host))
        except BaseException:
            plain.close()
            raise

    def send(self, data: bytes, until_s: float) -> None:
        """Send all of ``data``.

        Raises:
            CancelledError: if the inference that runs in this thread was cancelled.
            OSError: if the connection is lost; `TimeoutError` at ``until_s``.
        """
        left = memoryview(data)
        while left:
            self._wait_at_most(until_s)
            try:
                left = left[self._socket.send(left) :]
            except TimeoutError:
                continue

    def receive(self, until_s: float) -> bytes:
        """Wait for some bytes; none are the end of the stream.

        Raises:
            CancelledError: if the inference that runs in this thread was cancelled.
            OSError: if the connection is lost; `TimeoutError` at ``until_s``.
        """
        while True:
            self._wait_at_most(until_s)
            try:
                return self._socket.recv(PART_BYTES)
            except TimeoutError:
                continue

    def _wait_at_most(self, until_s: float) -> None:
        """Let the next wait on the socket last until the next look at the latest."""
        stop_if_cancelled()
        left_s = until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left_s, LOOK_S))

    def receive_arrived(self) -> bytes | None:
        """The bytes that have arrived, without waiting; None if there are none, no bytes at the end of the stream.

        Raises:
            OSError: if the connection is lost.
        """
        self._socket.setblocking(False)
        try:
            return self._socket.recv(PART_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def close(self) -> None:
        """Close it at once, whatever the other end does."""
        self._socket.close()

    def __del__(self) -> None:
        self._socket.close()  # of a worker that ended without a word: no warning of an unclosed socket
