"""A connection by HTTP: a request is the body of a POST, and its reply the body of the response."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import h11

from hocket.errors import ConfigurationError
from hocket.remote.channel import Channel
from hocket.remote.connection import Connection, Terms, lost, named_errors, refused, too_large
from hocket.remote.errors import RemotePolicyError, WireError
from hocket.remote.wire_format import WireFormat

AWAY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""The statuses of a server that is not there, by a proxy that is, or that has too much to do."""
PORTS = {"http": 80, "https": 443}
MOST_TEXT = 4000
"""Characters of a server's complaint that a message shows."""


def checked_url(address: str) -> SplitResult:
    """``address`` in parts.

    Raises:
        ConfigurationError: if it is none of an HTTP server.
    """
    try:
        parts = urlsplit(address)
        plain = address.isascii() and " " not in address
        if parts.scheme not in PORTS or not parts.hostname or parts.port == 0 or not plain:
            raise ValueError("it needs http or https, a host, and no spaces")
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{address!r} is not the address of an HTTP server ({error}); try http://127.0.0.1:8000/act"
        ) from error
    return parts


class HTTPConnection(Connection):
    """A connection that the server keeps open between requests, if it likes."""

    def __init__(self, address: str, channel: Channel, terms: Terms, wire_format: WireFormat) -> None:
        super().__init__(address, channel)
        parts = checked_url(address)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = [
            ("Host", parts.netloc.rpartition("@")[2]),
            ("Content-Type", wire_format.content_type),
            ("Accept", wire_format.content_type),
        ]
        if terms.token is not None:
            self._headers.append(("Authorization", f"Bearer {terms.token}"))
        self._most_bytes = terms.most_bytes
        self._format = wire_format
        self._protocol = h11.Connection(h11.CLIENT)

    @classmethod
    def to(cls, address: str, terms: Terms, wire_format: WireFormat, until_s: float) -> Self:
        """Connect.

        Raises:
            HocketError: a `RemoteError`, if that is not possible by ``until_s``.
        """
        parts = checked_url(address)
        assert parts.hostname is not None
        with named_errors(address, connecting=True):
            port, secure = parts.port or PORTS[parts.scheme], parts.scheme == "https"
            return cls(address, Channel.to(parts.hostname, port, secure=secure, until_s=until_s), terms, wire_format)

    def request(self, value: Any, until_s: float) -> Any:
        body = self._format.pack(value)
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        with named_errors(self.address):
            try:
                for event in (
                    h11.Request(method="POST", target=self._target, headers=headers),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.channel.send(self._protocol.send(event) or b"", until_s)
                status, reply = self._response(until_s)
                if self._protocol.their_state is h11.DONE:
                    self._protocol.start_next_cycle()
            except h11.RemoteProtocolError as error:
                raise WireError(f"{self.address} does not speak HTTP ({error}); try its address and port") from error
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise refused(self.address, status)
        if status in AWAY:
            raise lost(self.address, f"HTTP {status}")
        text = reply.decode(errors="replace")[:MOST_TEXT]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RemotePolicyError(f"the policy at {self.address} raised (HTTP {status}):\n{text}")
        if status != HTTPStatus.OK:
            raise WireError(
                f"{self.address} answered HTTP {status} where 200 is a reply; try the policy's own path\n{text}"
            )
        return self._format.unpack(reply)

    def _response(self, until_s: float) -> tuple[int, bytes]:
        """The status and the body of the response."""
        status, body = 0, bytearray()
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                data = self.channel.receive(until_s)
                if not data and self._protocol.their_state is h11.SEND_RESPONSE:
                    raise lost(self.address, "before its response")
                self._protocol.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._most_bytes:
                    raise too_large(self.address, self._most_bytes)
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)
            elif isinstance(event, h11.ConnectionClosed):
                raise lost(self.address, "before its response")

    def is_alive(self) -> bool:
        with named_errors(self.address):
            return self._protocol.our_state is h11.IDLE and self.channel.receive_arrived() is None
