"""The page's server process: reads the board, and writes to it only the time of the last request.

A viewer asks for each frame, so one that does not read is sent nothing more, and a hidden page costs nothing.
Viewers need the token in the printed address, because other users of this machine can reach the port too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from importlib.resources import files
from socket import socket
from time import monotonic, monotonic_ns
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hocket.instruments.live.board import LiveBoard
from hocket.instruments.live.frames import Viewer, frame
from hocket.ipc.child_processes import begin_as_child

FRAMES_PER_S = 60
POLL_S = 0.004
HEARTBEAT_S = 0.25
GOODBYE_S = 0.5
MESSAGE_BYTES = 1024
"""Limit of one message from a viewer, in bytes."""
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOT_WELCOME = "403: open the address that hocket printed, with its token.\n"


@dataclass(frozen=True, slots=True)
class Door:
    """Admits connections that carry the token and do not come from another site's page.

    Args:
        token: the token that the address must carry.
    """

    token: str

    def admits(self, connection: HTTPConnection) -> bool:
        """Return True if this connection may see the run."""
        given = connection.query_params.get("token", "").encode(errors="replace")
        if not compare_digest(given, self.token.encode()):
            return False
        origin = connection.headers.get("origin")
        try:
            return origin is None or urlsplit(origin).netloc == connection.headers.get("host", "")
        except ValueError:  # such as http://[
            return False


def page_files() -> dict[str, tuple[bytes, str]]:
    """Return the page's files by name, with their types."""
    found = {}
    for file in files(__package__).joinpath("page").iterdir():
        suffix = file.name[file.name.rindex(".") :]
        if suffix in TYPES:
            found[file.name] = file.read_bytes(), TYPES[suffix]
    return found


def application(board: LiveBoard, door: Door) -> Starlette:
    """Return the application: the page, its files, and ``/frames`` for its WebSocket."""
    known = page_files()

    async def page(request: Request) -> Response:
        if not door.admits(request):
            return PlainTextResponse(NOT_WELCOME, 403, HEADERS)
        content, kind = known["index.html"]
        return Response(content, headers=HEADERS, media_type=kind)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in known:
            return PlainTextResponse("404: the page has no such file.\n", 404, HEADERS)
        content, kind = known[name]
        return Response(content, headers=HEADERS, media_type=kind)

    async def frames(viewer: WebSocket) -> None:
        if not door.admits(viewer):
            await viewer.close(1008)
            return
        await viewer.accept()
        try:
            await _show(board, viewer)
        except (WebSocketDisconnect, RuntimeError):  # disconnected, perhaps in the middle of a frame
            return
        except KeyError:  # a text message, which the protocol does not have
            await viewer.close(1003)

    return Starlette(routes=[Route("/", page), Route("/{name}", file), WebSocketRoute("/frames", frames)])


async def _show(board: LiveBoard, connection: WebSocket) -> None:
    """Send one frame for each request, as soon as there is something new and at most every 1/60 s."""
    viewer, sent_s = Viewer(), 0.0
    while True:
        await connection.receive_bytes()
        board.look(monotonic_ns())
        await asyncio.sleep(sent_s + 1 / FRAMES_PER_S - monotonic())
        give_up_s = monotonic() + HEARTBEAT_S
        message = None
        while message is None:
            if not viewer.is_up_to_date(board) or monotonic() > give_up_s:
                message = frame(board, viewer, monotonic_ns())
            if message is None:
                await asyncio.sleep(POLL_S)
        sent_s = monotonic()
        await connection.send_bytes(message)


class _Server(uvicorn.Server):
    """Leaves signals alone: the tick loop handles Ctrl-C, and dismisses this server when the run has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(board: LiveBoard, listening: socket, token: str, nice: int) -> None:
    """Serve until dismissed, or until the run's process has ended; runs in its own process."""
    begin_as_child(nice)

    @asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        leaving = asyncio.create_task(leave())
        board.welcome()
        yield
        leaving.cancel()

    async def leave() -> None:
        while not board.dismissed:
            await asyncio.sleep(0.05)
        await asyncio.sleep(GOODBYE_S if server.server_state.connections else 0.0)  # time to see the end
        server.should_exit = True

    app = application(board, Door(token))
    app.router.lifespan_context = watching
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
        ws_max_size=MESSAGE_BYTES,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    server.run(sockets=[listening])
