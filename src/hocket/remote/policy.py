"""Policies that servers compute: factories whose workers hold one connection each.

A worker whose server fails continues with another one. See `hocket.remote.servers`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from time import monotonic
from typing import Any, Self

from hocket.errors import CancelledError, ConfigurationError, check_whole
from hocket.policies.base import Alignment, Policy, PolicyFactory, check_alignment
from hocket.policies.cancellation import sleep_until_cancelled
from hocket.remote.connection import Connection, Terms
from hocket.remote.errors import RemoteError, RemotePolicyError, ReplyTimeoutError, UnreachableError, WireError
from hocket.remote.http import HTTPConnection, checked_url
from hocket.remote.servers import Servers
from hocket.remote.websocket import WebSocketConnection, checked_uri
from hocket.remote.wire_format import Json, WireFormat

MOST_BYTES = 2**24
WARM_UP_S = 100.0
"""The time that a server may take for its first reply, to zeros: it may compile its network then."""
OBSERVATION, PENDING, DELAY, ACTIONS = "observation", "pending", "delay", "actions"
"""The keys of requests and replies."""


def told_keys(policy: PolicyFactory) -> tuple[str, ...]:
    """The keys of what a request holds beside the observation, in the order of the policy's arguments."""
    return (*((PENDING,) if policy.pending else ()), *((DELAY,) if policy.delay_told else ()))


@dataclass(frozen=True)
class RemotePolicy(PolicyFactory):
    """A policy that one of ``servers`` computes. Each worker holds one connection, so N workers ask N times at once.

    A request is the observation if that is a map of other keys, else ``{"observation": observation}``. With pending
    actions, or told its delay, it is ``{"observation": observation, "pending": pending_actions, "delay": delay}``, or
    as much of that. Arrays may have any shape, and any dtype of bools, numbers and texts.

    Connections are spread over the servers. A server that cannot be reached, or is silent for ``timeout_s``, is left
    out for a pause that doubles; requests that it has not answered go to another one. An inference fails with a
    `RemoteError` if no server has answered it. A cancelled inference closes its connection.

    Args:
        servers: the address of a server, or those of several with the same policy.
        token: the servers' token, if they ask for one.
        chunk_length: the most actions of one answer.
        alignment: the ticks that they are for, if there may be more than one.
        pending: the number of pending actions that the policy gets.
        delay_told: tell the policy its expected delay, in ticks.
        as_request: makes the request from the observation, and the pending actions and the delay if the policy gets
            them; returns a map.
        actions: the key of the actions in the reply, or a function that takes them out of it.
        timeout_s: the time for one inference, the way there and back included.
        connect_s: the time to connect to a server; it counts as a part of ``timeout_s``.
        most_bytes: the size of the largest reply.
    """

    servers: str | Sequence[str]
    _: KW_ONLY
    token: str | None = field(default=None, repr=False)
    chunk_length: int = 1
    alignment: Alignment = Alignment.OBSERVATION
    pending: int = 0
    delay_told: bool = False
    as_request: Callable[..., Any] | None = None
    actions: str | Callable[[Any], Any] = ACTIONS
    timeout_s: float = 5.0
    connect_s: float = 1.0
    most_bytes: int = MOST_BYTES
    _pool: Servers = field(init=False, repr=False, compare=False)
    """The state of the servers, shared by the workers of a process."""
    waits = True

    def __post_init__(self) -> None:
        several = isinstance(self.servers, Sequence) and not isinstance(self.servers, str)
        addresses: tuple[Any, ...] = tuple(self.servers) if several else (self.servers,)
        if not addresses or len(set(addresses)) < len(addresses):
            raise ConfigurationError(f"servers={self.servers!r} must be one address, or several that differ")
        for address in addresses:
            self._check_address(address)
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise ConfigurationError("token=... must be a text of printable ASCII characters; try token=None for none")
        check_whole("chunk_length", self.chunk_length, example=50)
        check_alignment(self.alignment)
        check_whole("pending", self.pending, least=0, example=0)
        check_whole("most_bytes", self.most_bytes, example=MOST_BYTES)
        for name in ("timeout_s", "connect_s"):
            if not (isinstance(value := getattr(self, name), int | float) and value > 0):
                raise ConfigurationError(f"{name}={value!r} must be greater than 0 seconds; try 1.0")
        object.__setattr__(self, "servers", addresses)
        object.__setattr__(self, "_pool", Servers(addresses))

    @staticmethod
    @abstractmethod
    def _check_address(address: str) -> None:
        """Refuse an address that is none of such a server."""

    @abstractmethod
    def _connection_to(self, address: str, until_s: float) -> Connection:
        """A connection to the server at ``address``.

        Raises:
            HocketError: a `RemoteError`, if there is none by ``until_s``.
        """

    def build(self) -> Policy:
        """Connect to a server.

        Raises:
            HocketError: a `RemoteError`, if that is not possible with any.
        """
        return RemoteWorker(self)

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Ask for actions once, with zeros: a server may compile its network at the first request."""
        assert isinstance(policy, RemoteWorker)
        with suppress(RemotePolicyError):  # whether it likes zeros does not matter
            policy.actions(example, WARM_UP_S)

    @property
    def _terms(self) -> Terms:
        """The terms of its connections."""
        return Terms(token=self.token, most_bytes=self.most_bytes)


@dataclass(frozen=True)
class WebSocketPolicy(RemotePolicy):
    """A policy behind a server of openpi's WebSocket protocol: ``hocket serve``, `PolicyServer`, or openpi's own.

    Addresses are such as ``ws://127.0.0.1:8000``, or ``wss://…`` with TLS. See `RemotePolicy` for requests and options.
    """

    @staticmethod
    def _check_address(address: str) -> None:
        checked_uri(address)

    def _connection_to(self, address: str, until_s: float) -> WebSocketConnection:
        return WebSocketConnection.to(address, self._terms, until_s)

    @classmethod
    def of_server(cls, servers: str | Sequence[str], **options: Any) -> Self:
        """Such a policy, with ``chunk_length``, ``alignment``, ``pending`` and ``delay_told`` of a server of hocket's.

        Raises:
            HocketError: a `RemoteError`, if no server answers.
        """
        asking = cls(servers, **options)
        metadata = RemoteWorker(asking).metadata
        told = {name: metadata[name] for name in ("chunk_length", "pending", "delay_told") if name in metadata}
        if "alignment" in metadata:
            told["alignment"] = Alignment.__members__.get(str(metadata["alignment"]))  # None is refused below
        return replace(asking, **told)


@dataclass(frozen=True)
class HTTPPolicy(RemotePolicy):
    """A policy behind an HTTP server: a POST of the request, answered by a reply with the actions.

    Addresses are such as ``http://127.0.0.1:8000/act``. The token is sent as ``Authorization: Bearer …``. See
    `RemotePolicy` for requests and options.

    Args:
        wire_format: of bodies, `Json` or `Msgpack`.
    """

    wire_format: WireFormat = field(default_factory=Json)

    @staticmethod
    def _check_address(address: str) -> None:
        checked_url(address)

    def _connection_to(self, address: str, until_s: float) -> HTTPConnection:
        return HTTPConnection.to(address, self._terms, self.wire_format, until_s)


class RemoteWorker:
    """A worker's policy: asks a server, and another one if that fails.

    Args:
        policy: its factory.
    """

    def __init__(self, policy: RemotePolicy) -> None:
        self._policy = policy
        self._servers = policy._pool
        self._connection: Connection | None = None
        if self._connect(monotonic() + policy.timeout_s) is None:
            raise self._servers.failure()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the connected server."""
        return getattr(self._connection, "metadata", {})

    def __call__(self, *inputs: Any) -> Any:
        """The actions for an observation."""
        return self.actions(inputs, self._policy.timeout_s)

    def actions(self, inputs: tuple[Any, ...], timeout_s: float) -> Any:
        """The actions in the reply to ``inputs``.

        Raises:
            HocketError: a `RemoteError`, if there is no usable one after ``timeout_s``.
            CancelledError: if the inference that runs in this thread was cancelled.
        """
        reply = self._reply(self._request(*inputs), timeout_s)
        taken = self._policy.actions
        if callable(taken):
            return taken(reply)
        if not isinstance(reply, Mapping) or taken not in reply:
            found = f"the keys {[*reply]}" if isinstance(reply, Mapping) else f"no keys: it is {type(reply).__name__}"
            raise WireError(f"a reply has {found}; actions={taken!r} must be one of them; try another")
        return reply[taken]

    def _request(self, observation: Any, *told: Any) -> Any:
        if (made := self._policy.as_request) is not None:
            return made(observation, *told)
        if told:
            return {OBSERVATION: observation, **dict(zip(told_keys(self._policy), told, strict=True))}
        whole = isinstance(observation, Mapping) and observation.keys() != {OBSERVATION}
        return observation if whole else {OBSERVATION: observation}

    def _reply(self, request: Any, timeout_s: float) -> Any:
        """The reply of the first server that gives one."""
        until_s = monotonic() + timeout_s
        while (connection := self._usable(until_s)) is not None:
            try:
                reply = connection.request(request, until_s)
            except RemotePolicyError:
                self._servers.answered(connection.address)
                raise
            except UnreachableError as error:
                self._leave(error)
                continue
            except ReplyTimeoutError as error:
                self._leave(error)
                self._pause()
                raise
            except CancelledError:
                self._leave(self._servers.unanswered(connection.address))
                raise
            except BaseException:  # its reply, if there is one, must not be taken for that of another request
                self._leave()
                raise
            self._servers.answered(connection.address)
            return reply
        self._pause()
        raise self._servers.failure()

    def _usable(self, until_s: float) -> Connection | None:
        """The connection, or another one if it is lost, or if a server that was away has returned."""
        if self._connection is not None and not _is_alive(self._connection):
            self._leave()
        if self._connection is None:
            return self._connect(until_s)
        if (address := self._servers.take(instead_of=self._connection.address)) is not None:
            moved = self._open(address, until_s)
            if moved is not None:
                self._leave()
                self._connection = moved
        return self._connection

    def _connect(self, until_s: float) -> Connection | None:
        """A connection to the first server that takes one; None if none does."""
        while self._connection is None and (address := self._servers.take()) is not None:
            self._connection = self._open(address, until_s)
        return self._connection

    def _open(self, address: str, until_s: float) -> Connection | None:
        """A connection to the server that was taken; None if that is not possible."""
        try:
            return self._policy._connection_to(address, min(until_s, monotonic() + self._policy.connect_s))
        except RemoteError as error:
            self._servers.leave(address, error)
            return None
        except BaseException:
            self._servers.leave(address)
            raise

    def _leave(self, error: RemoteError | None = None) -> None:
        """Close the connection; with ``error`` its server has failed."""
        if (connection := self._connection) is not None:
            self._connection = None
            connection.close()
            self._servers.leave(connection.address, error)

    def _pause(self) -> None:
        """Wait until a server may be tried, so that failures do not follow each other at once."""
        sleep_until_cancelled(self._servers.pause_s())

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._leave()


def _is_alive(connection: Connection) -> bool:
    try:
        return connection.is_alive()
    except RemoteError:
        return False
