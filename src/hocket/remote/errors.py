"""The errors of policies behind a network."""

from __future__ import annotations

from hocket.errors import HocketError


class RemoteError(HocketError):
    """A policy behind a network gave no usable answer."""


class UnreachableError(RemoteError):
    """A server could not be connected to, or closed the connection."""


class AccessError(RemoteError):
    """A server refused the token."""


class ReplyTimeoutError(RemoteError):
    """A server was silent for longer than its client waits."""


class WireError(RemoteError):
    """A message that is not of the protocol, of another version of it, or too large."""


class RemotePolicyError(RemoteError):
    """A policy raised on its server; the message carries its traceback there."""


class NoActionError(RemoteError):
    """A language model's reply names no action."""
