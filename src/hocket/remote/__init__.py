"""Policies behind a network: factories whose workers ask servers, and a server of policies.

Needs the extra ``hocket[remote]``.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hocket.errors import MissingExtraError
from hocket.public import exports

if missing := [name for name in ("msgpack", "websockets", "h11") if find_spec(name) is None]:
    raise MissingExtraError(f"A policy behind a network ({', '.join(missing)})", "remote")

if TYPE_CHECKING:
    from hocket.remote.chat import ChatPolicy as ChatPolicy
    from hocket.remote.errors import AccessError as AccessError
    from hocket.remote.errors import NoActionError as NoActionError
    from hocket.remote.errors import RemoteError as RemoteError
    from hocket.remote.errors import RemotePolicyError as RemotePolicyError
    from hocket.remote.errors import ReplyTimeoutError as ReplyTimeoutError
    from hocket.remote.errors import UnreachableError as UnreachableError
    from hocket.remote.errors import WireError as WireError
    from hocket.remote.policy import HTTPPolicy as HTTPPolicy
    from hocket.remote.policy import RemotePolicy as RemotePolicy
    from hocket.remote.policy import WebSocketPolicy as WebSocketPolicy
    from hocket.remote.server import PolicyServer as PolicyServer
    from hocket.remote.wire_format import Json as Json
    from hocket.remote.wire_format import Msgpack as Msgpack
    from hocket.remote.wire_format import WireFormat as WireFormat
else:
    __all__, __getattr__, __dir__ = exports(__name__)
