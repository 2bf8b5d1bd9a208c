"""``hocket serve``: serves a policy to runs on other machines, or in other processes."""

from __future__ import annotations

import os
import signal
from threading import Event

from hocket.cli import console
from hocket.cli.policies import TOKEN_VARIABLE, load_policy
from hocket.ipc.signals import GROUP_SIGNALS


def serve(
    *,
    policy: str,
    port: int = 8000,
    host: str = "127.0.0.1",
    token: str | None = None,
    workers: int = 2,
    most_bytes: int = 2**24,
) -> None:
    """Serve a policy by openpi's WebSocket protocol, until Ctrl-C or SIGTERM.

    hocket run --policy ws://127.0.0.1:8000 --token TOKEN acts by it.

    Args:
        policy: FILE.py:NAME, a function or a factory.
        port: the port; 0 for any free one.
        host: the address to listen on; 127.0.0.1 is reached from this machine only. Connections are not encrypted.
        token: the token that clients must show; HOCKET_TOKEN if not given, else a new one is printed.
        workers: threads that compute at once, each with a policy of its own.
        most_bytes: the size of the largest request.
    """
    from hocket.remote.server import PolicyServer

    given = token or os.environ.get(TOKEN_VARIABLE)
    server = PolicyServer(
        load_policy(policy), host=host, port=port, token=given, workers=workers, most_bytes=most_bytes
    )
    with server:
        stop = Event()
        handled = [number for number in GROUP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in handled}
        try:
            console.say(f"{policy} at {server.url}, {workers} at a time; Ctrl-C stops it")
            console.say(f"hocket run --policy {server.url}" + ("" if given else f" --token {server.token}"))
            stop.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
