"""One connection of one worker to one server, and the errors that it ends with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hocket.remote.channel import Channel
from hocket.remote.errors import AccessError, ReplyTimeoutError, UnreachableError, WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a connection, besides its server's address.

    Args:
        token: what the server asks for; None for nothing.
        most_bytes: the size of the largest reply.
    """

    token: str | None = field(repr=False)
    most_bytes: int


class Connection(ABC):
    """A connection that carries one request at a time. After an error of it, except `RemotePolicyError`, close it.

    Args:
        address: of the server.
        channel: to it.
    """

    def __init__(self, address: str, channel: Channel) -> None:
        self.address = address
        self.channel = channel

    @abstractmethod
    def request(self, value: Any, until_s: float) -> Any:
        """Send ``value``; return the reply.

        Raises:
            HocketError: a `RemoteError`, if there is no usable reply by ``until_s``.
            CancelledError: if the inference that runs in this thread was cancelled.
        """

    @abstractmethod
    def is_alive(self) -> bool:
        """Return True if the server has not closed it so far. Never waits."""

    def close(self) -> None:
        """Close it at once."""
        self.channel.close()


@contextmanager
def named_errors(address: str, *, connecting: bool = False) -> Iterator[None]:
    """Inside, errors of the network become those of hocket."""
    try:
        yield
    except TimeoutError as error:
        if connecting:
            raise UnreachableError(
                f"{address} did not answer within connect_s; is the machine on, and the address right?"
            ) from error
        raise ReplyTimeoutError(
            f"{address} did not reply within timeout_s; is its policy slow, or the network lost? Try a larger timeout_s"
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{address} cannot be reached ({error.strerror or error}); is the server running, and the address right?"
        ) from error


def lost(address: str, reason: str) -> UnreachableError:
    """The error of a server that closed the connection."""
    return UnreachableError(f"{address} closed the connection ({reason}); was the server stopped?")


def refused(address: str, status: int) -> AccessError:
    """The error of a server that wants another token."""
    return AccessError(f"{address} refused the token (HTTP {status}); try the one that hocket serve printed")


def too_large(address: str, most_bytes: int) -> WireError:
    """The error of a reply above the limit."""
    return WireError(f"{address} sent a reply of more than most_bytes={most_bytes}; try a larger most_bytes")
