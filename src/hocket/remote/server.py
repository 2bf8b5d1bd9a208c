"""`PolicyServer`: serves a policy by openpi's WebSocket protocol.

One thread runs the connections (asyncio); each worker is a thread with a policy of its own, so several requests are
answered at once. Peers need the token. What they send is decoded as msgpack, which runs no code of theirs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from hmac import compare_digest
from http import HTTPStatus
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from hocket.errors import ConfigurationError, PolicyError, check_whole
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.remote.policy import MOST_BYTES
from hocket.remote.server_worker import Job, ServerWorker
from hocket.remote.websocket import FORMAT, VERSION, VERSION_KEY

LOOPBACK, USUAL_PORT = "127.0.0.1", 8000
MOST_CONNECTIONS = 256
GOODBYE_S = 0.5
"""The time that workers and peers have to end."""

_logger = logging.getLogger(__name__)
_logger.addHandler(logging.NullHandler())


class PolicyServer:
    """Serves ``policy`` to `WebSocketPolicy`, and to openpi's own client. Use it as a context manager.

    A request is a map; the policy gets the value of ``"observation"`` if that is its only key, else the map. A policy
    that is told pending actions or its delay gets ``"observation"`` with ``"pending"`` and ``"delay"``. The reply is a
    map of ``"actions"``, what the policy returned, and ``"server_timing"``; a policy may also return such a map itself.
    If it raises, the peer is sent the traceback. Requests of one connection are answered in turn, those of several at
    once, as far as there are workers. A request whose connection closes is cancelled, see `hocket.policies.cancelled`.

    Args:
        policy: a factory, called once in every worker, or a function. Without a head.
        host: the address to listen on; the loopback is reached from this machine only.
        port: the port; 0 for any free one.
        token: what peers must show; None for a new one, see the attribute.
        workers: the number of threads that compute at once.
        most_bytes: the size of the largest request.

    Attributes:
        token: what peers must show.
    """

    def __init__(
        self,
        policy: PolicyFactory | Policy,
        *,
        host: str = LOOPBACK,
        port: int = USUAL_PORT,
        token: str | None = None,
        workers: int = 2,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        check_whole("port", port, least=0, most=65_535, example="0 for any that is free")
        check_whole("workers", workers, example=2)
        check_whole("most_bytes", most_bytes, example=MOST_BYTES)
        if token is not None and not (token.isascii() and token.isprintable() and len(token) >= 8):
            raise ConfigurationError("token=... must be 8 or more printable ASCII characters; try None for a new one")
        self._factory = as_factory(policy)
        if self._factory.head_s or self._factory.corrects:
            raise ConfigurationError(
                f"policy={policy!r} has a head, which must be called just before its tick, and a server is too far "
                "away; try to serve a policy in one stage"
            )
        self.token = token or secrets.token_urlsafe(16)
        self._host, self._port, self._most_bytes = host, port, most_bytes
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._workers = [ServerWorker(self._factory, self._jobs, number) for number in range(workers)]
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._waiting: set[Job] = set()  # that a connection waits for

    @property
    def url(self) -> str:
        """The address for `WebSocketPolicy`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{socket.gethostname() if host in ('0.0.0.0', '[::]') else host}:{self._port}"

    def open(self) -> None:
        """Build the policies, then listen.

        Raises:
            PolicyError: if a worker cannot build its policy, with its traceback.
            ConfigurationError: if the port or the address is not available.
        """
        bound = self._bound()
        try:
            for worker in self._workers:
                worker.thread.start()
            for worker in self._workers:
                if (failure := worker.built.get()) is not None:
                    raise PolicyError(f"a worker could not build its policy:\n{failure}")
            self._port = bound.getsockname()[1]
            ready: SimpleQueue[BaseException | None] = SimpleQueue()
            self._thread = Thread(target=self._run, args=(bound, ready), name="hocket-server", daemon=True)
            self._thread.start()
            if (error := ready.get()) is not None:
                raise error
        except BaseException:
            bound.close()
            self.close()
            raise

    def close(self) -> None:
        """Close all connections, cancel what is computed, and end the threads."""
        for worker in self._workers:
            worker.stop()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        give_up_s = monotonic() + 4 * GOODBYE_S
        for thread in (self._thread, *(worker.thread for worker in self._workers)):
            if thread is not None and thread.is_alive():
                thread.join(max(0.0, give_up_s - monotonic()))

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _bound(self) -> socket.socket:
        """A socket at the address, which refuses connections until the policies are built."""
        bound = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._host, self._port))
        except OSError as error:
            bound.close()
            raise ConfigurationError(
                f"port {self._port} on {self._host} is not available ({error.strerror or error}); try another, or "
                "port=0 for any that is free"
            ) from error
        return bound

    # -- the thread of the connections -----------------------------------------------------------------------

    def _run(self, bound: socket.socket, ready: SimpleQueue[BaseException | None]) -> None:
        try:
            asyncio.run(self._serve(bound, ready))
        except BaseException as error:
            ready.put(error)

    async def _serve(self, bound: socket.socket, ready: SimpleQueue[BaseException | None]) -> None:
        self._loop = asyncio.get_running_loop()
        async with serve(
            self._converse,
            sock=bound,
            compression=None,
            max_size=self._most_bytes,
            max_queue=2,
            close_timeout=GOODBYE_S,
            process_request=self._admit,
            logger=_logger,
        ):
            ready.put(None)
            await self._stop.wait()
            for job in self._waiting:
                job.reply.cancel()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a peer without the token, and one too many."""
        if request.path == "/healthz":
            return connection.respond(HTTPStatus.OK, "OK\n")
        kind, _, given = (*request.headers.get_all("Authorization"), "")[0].partition(" ")
        if kind not in ("Api-Key", "Bearer") or not compare_digest(given.encode(), self.token.encode()):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "401: the token is missing or wrong.\n")
        if len(connection.server.connections) >= MOST_CONNECTIONS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "503: too many connections.\n")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        """Send the metadata, then a reply to each request."""
        about = {
            VERSION_KEY: VERSION,
            "chunk_length": self._factory.chunk_length,
            "alignment": self._factory.alignment.name,
            "pending": self._factory.pending,
            "delay_told": self._factory.delay_told,
        }
        job: Job | None = None

        def abandon(_: object) -> None:
            if job is not None:
                job.abandoned = True

        closing = asyncio.ensure_future(connection.wait_closed())
        closing.add_done_callback(abandon)
        try:
            await connection.send(FORMAT.pack(about))
            async for message in connection:
                if self._stop.is_set():
                    break  # no worker is left
                job = Job(message, asyncio.get_running_loop())
                self._waiting.add(job)
                self._jobs.put(job)
                try:
                    await connection.send(await job.reply)
                finally:
                    self._waiting.discard(job)
        except ConnectionClosed:
            pass
        finally:
            abandon(None)
            closing.cancel()
