"""`hocket bench remote`: round trips of an observation of 150 KB, in turns.

The client of `hocket.remote` and that of ``websockets`` ask the same bare echo server, so their ratio is what the
client adds: packing, looking for cancellations, unpacking. Beside them the client asks a `PolicyServer`, which answers
with a chunk of actions. The servers are processes of their own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.sync.client import connect

from hocket.core.cadence import NS_PER_S
from hocket.policies.base import Policy, PolicyFactory
from hocket.remote import Msgpack, PolicyServer, WebSocketPolicy

OBSERVATION = np.arange(224 * 224 * 3, dtype=np.uint8).reshape(224, 224, 3)
"""150,528 bytes."""
CHUNK = np.zeros((50, 7), np.float32)
TOKEN = "only for this benchmark"
BLOCK, WARM_UP = 50, 50
GOODBYE_S = 5.0


def idle(observation: Any) -> Any:
    """A policy that takes no time, with the answer of a big one."""
    return CHUNK


def serve_policy(starter: Any, policy: PolicyFactory | Policy, workers: int, port: int = 0) -> None:
    """Serve ``policy`` until ``starter``, the other end of `server_process`, says so."""
    with PolicyServer(policy, port=port, token=TOKEN, workers=workers) as server:
        starter.send(server.url)
        starter.recv()


def _serve_bare(starter: Any) -> None:
    async def echo(connection: ServerConnection) -> None:
        await connection.send(Msgpack().pack({}))  # the metadata
        async for message in connection:
            await connection.send(message)

    async def serve() -> None:
        async with serve_websockets(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
            host, port = next(iter(server.sockets)).getsockname()
            starter.send(f"ws://{host}:{port}")
            await asyncio.get_running_loop().run_in_executor(None, starter.recv)

    asyncio.run(serve())


@contextmanager
def server_process(serve: Callable[..., None], *arguments: Any, killed: bool = False) -> Iterator[str]:
    """Run ``serve(starter, *arguments)`` in a process; yields the address that it sends.

    It ends when it is sent something; with ``killed``, by SIGKILL.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, *arguments), daemon=True)
    process.start()
    try:
        yield here.recv()
        if not killed:
            here.send(None)
            process.join(GOODBYE_S)
    finally:
        process.kill()
        process.join()
        here.close()
        there.close()


def bench_remote(*, count: int = 2000) -> dict[str, Any]:
    """``count`` round trips of each kind, one after another, in turns of `BLOCK`."""
    with server_process(serve_policy, idle, 1) as address, server_process(_serve_bare) as bare_address:
        served = WebSocketPolicy(address, token=TOKEN).build()
        echoing = WebSocketPolicy(bare_address, actions="observation").build()
        message = OBSERVATION.tobytes()
        with connect(bare_address, compression=None, max_size=None) as connection:
            connection.recv()

            def bare() -> None:
                connection.send(message)
                connection.recv()

            calls: dict[str, Callable[[], Any]] = {
                "bare": bare,
                "websocket": partial(echoing, OBSERVATION),
                "served": partial(served, OBSERVATION),
            }
            took_ns: dict[str, list[int]] = {name: [] for name in calls}
            for call in calls.values():
                for _ in range(WARM_UP):
                    call()
            while len(took_ns["bare"]) < count:
                for name, call in calls.items():
                    for _ in range(BLOCK):
                        began_ns = perf_counter_ns()
                        call()
                        took_ns[name].append(perf_counter_ns() - began_ns)
    figures: dict[str, Any] = {"observation_bytes": OBSERVATION.nbytes}
    for name, ns in took_ns.items():
        p50, p99 = np.percentile(ns, (50, 99)) / NS_PER_S
        figures |= {f"{name}_p50_s": float(p50), f"{name}_p99_s": float(p99)}
    figures["websocket_added_ratio"] = figures["websocket_p50_s"] / figures["bare_p50_s"]
    figures["served_ratio"] = figures["served_p50_s"] / figures["bare_p50_s"]
    return figures
