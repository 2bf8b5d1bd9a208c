"""A connection by openpi's WebSocket protocol: the server sends its metadata, then a reply to each request in turn.

Metadata, requests and replies are binary messages of `Msgpack`; a text message is the traceback of a policy that
raised. Source: openpi's ``websocket_client_policy.py`` and ``websocket_policy_server.py``.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from time import monotonic
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import WebSocketURI, parse_uri

from hocket.errors import ConfigurationError
from hocket.remote.channel import Channel
from hocket.remote.connection import Connection, Terms, lost, named_errors, refused, too_large
from hocket.remote.errors import RemotePolicyError, WireError
from hocket.remote.wire_format import Msgpack

VERSION_KEY, VERSION = "hocket_protocol", 1
"""The version of what hocket's server adds to openpi's protocol, in the metadata."""
FORMAT = Msgpack()
PONG_S = 1.0
"""The time to send an answer to a ping."""


def checked_uri(address: str) -> WebSocketURI:
    """``address`` in parts.

    Raises:
        ConfigurationError: if it is none of a WebSocket server.
    """
    try:
        return parse_uri(address)
    except (InvalidURI, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{address!r} is not the address of a WebSocket server ({error}); try ws://127.0.0.1:8000"
        ) from error


class WebSocketConnection(Connection):
    """A connection to a policy server.

    Attributes:
        metadata: what the server says of itself.
    """

    def __init__(self, address: str, channel: Channel, protocol: ClientProtocol, most_bytes: int) -> None:
        super().__init__(address, channel)
        self.metadata: dict[str, Any] = {}
        self._protocol = protocol
        self._most_bytes = most_bytes
        self._frames: deque[Frame] = deque()

    @classmethod
    def to(cls, address: str, terms: Terms, until_s: float) -> Self:
        """Connect, and read the metadata.

        Raises:
            HocketError: a `RemoteError`, if that is not possible by ``until_s``.
        """
        uri = checked_uri(address)
        with named_errors(address, connecting=True):
            channel = Channel.to(uri.host, uri.port, secure=uri.secure, until_s=until_s)
            made = cls(address, channel, ClientProtocol(uri, max_size=terms.most_bytes), terms.most_bytes)
            try:
                made._open(terms.token, until_s)
            except BaseException:
                channel.close()
                raise
        return made

    def _open(self, token: str | None, until_s: float) -> None:
        """Shake hands, and read the metadata."""
        protocol = self._protocol
        asked = protocol.connect()
        if token is not None:
            asked.headers["Authorization"] = f"Api-Key {token}"
        protocol.send_request(asked)
        self._flush(until_s)
        while protocol.state is CONNECTING and protocol.handshake_exc is None:
            self._receive(until_s)
        if (error := protocol.handshake_exc) is not None:
            status = error.response.status_code if isinstance(error, InvalidStatus) else 0
            if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise refused(self.address, status)
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise lost(self.address, f"HTTP {status}")
            raise WireError(f"{self.address} is no policy server: {error}; try its address and port") from error
        metadata = self._message(until_s)
        if not isinstance(metadata, dict):
            raise WireError(
                f"{self.address} sent {type(metadata).__name__} where openpi's protocol has a map of metadata; is it a "
                "policy server?"
            )
        version = metadata.get(VERSION_KEY, VERSION)
        if version != VERSION:
            raise WireError(
                f"{self.address} speaks version {version} of the protocol, and this hocket version {VERSION}; try the "
                "same hocket on both sides"
            )
        self.metadata = metadata

    def request(self, value: Any, until_s: float) -> Any:
        data = FORMAT.pack(value)
        with named_errors(self.address):
            self._protocol.send_binary(data)
            self._flush(until_s)
            return self._message(until_s)

    def is_alive(self) -> bool:
        with named_errors(self.address):
            while self._protocol.state is OPEN and (data := self.channel.receive_arrived()) is not None:
                self._take(data, monotonic() + PONG_S)
        return self._protocol.state is OPEN

    def _message(self, until_s: float) -> Any:
        """The value of the next message.

        Raises:
            HocketError: a `RemoteError`, if it is a text, the traceback of the policy.
        """
        parts: list[Any] = []
        kind = Opcode.BINARY
        while True:
            while not self._frames:
                self._check()
                self._receive(until_s)
            frame = self._frames.popleft()
            if frame.opcode in (Opcode.BINARY, Opcode.TEXT):
                kind = frame.opcode
            parts.append(frame.data)
            if frame.fin:
                break
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if kind is Opcode.TEXT:
            raise RemotePolicyError(f"the policy at {self.address} raised:\n{bytes(data).decode(errors='replace')}")
        return FORMAT.unpack(data)

    def _check(self) -> None:
        """Raise if no more frames will come."""
        protocol = self._protocol
        if isinstance(protocol.parser_exc, PayloadTooBig):
            raise too_large(self.address, self._most_bytes)
        if protocol.state is OPEN:
            return
        closed = protocol.close_rcvd
        if closed is not None and closed.code == CloseCode.MESSAGE_TOO_BIG:
            raise WireError(
                f"{self.address} refused a request as too large ({closed.reason}); try a smaller observation, or "
                "hocket serve --most-bytes"
            )
        raise lost(self.address, str(closed or protocol.parser_exc))

    def _receive(self, until_s: float) -> None:
        """Wait for some bytes."""
        self._take(self.channel.receive(until_s), until_s)

    def _take(self, data: bytes, until_s: float) -> None:
        """Take in bytes, and answer what the protocol answers by itself, such as pings."""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
                self._frames.append(event)
        if self._protocol.state is OPEN:
            self._flush(until_s)

    def _flush(self, until_s: float) -> None:
        for data in self._protocol.data_to_send():
            self.channel.send(data, until_s)
