"""A worker of `PolicyServer`: a thread with a policy of its own, which turns requests into replies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from traceback import format_exc
from typing import Any

import numpy as np

from hocket.policies.base import Policy, PolicyFactory, built
from hocket.policies.cancellation import stop_if_cancelled, watch
from hocket.remote.errors import WireError
from hocket.remote.policy import ACTIONS, OBSERVATION, PENDING, told_keys
from hocket.remote.websocket import FORMAT


class Job:
    """A request that a connection waits for.

    Args:
        request: the message.
        loop: that of the connection.

    Attributes:
        reply: a message: bytes, or a text if the policy raised.
        abandoned: True once the connection is closed.
    """

    __slots__ = ("_loop", "abandoned", "reply", "request")

    def __init__(self, request: bytes | str, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.reply: asyncio.Future[bytes | str] = loop.create_future()
        self.abandoned = False
        self._loop = loop

    def answer(self, reply: bytes | str) -> None:
        """Give the reply, from the worker's thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._set, reply)

    def _set(self, reply: bytes | str) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)


class ServerWorker:
    """Takes jobs from a queue that it shares with other workers.

    Args:
        factory: of the policy.
        jobs: the queue; None ends one worker.
        number: of the worker.

    Attributes:
        built: gets None once the policy is built, or the traceback of the error.
        thread: of the worker.
    """

    def __init__(self, factory: PolicyFactory, jobs: SimpleQueue[Job | None], number: int) -> None:
        self.built: SimpleQueue[str | None] = SimpleQueue()
        self.thread = Thread(target=self._run, name=f"hocket-server-worker-{number}", daemon=True)
        self._factory = factory
        self._jobs = jobs
        self._job: Job | None = None
        self._stopping = False

    def stop(self) -> None:
        """Cancel what it computes, and end it."""
        self._stopping = True
        self._jobs.put(None)

    def _run(self) -> None:
        watch(self._is_cancelled)
        try:
            policy = built(self._factory)
        except BaseException:
            self.built.put(format_exc())
            return
        self.built.put(None)
        while (job := self._jobs.get()) is not None:
            self._job = job
            reply = self._reply(policy, job.request)
            if not self._is_cancelled():  # else the connection closes, and its client asks another server
                job.answer(reply)

    def _is_cancelled(self) -> bool:
        return self._stopping or (self._job is not None and self._job.abandoned)

    def _reply(self, policy: Policy, message: bytes | str) -> bytes | str:
        try:
            stop_if_cancelled()
            inputs = self._inputs(message)
            began_s = perf_counter()
            answer = policy(*inputs)
            took_ms = 1000 * (perf_counter() - began_s)
            whole = isinstance(answer, Mapping) and ACTIONS in answer
            reply = dict(answer) if whole else {ACTIONS: np.asarray(answer)}
            return FORMAT.pack({**reply, "server_timing": {"infer_ms": took_ms}})
        except WireError as error:
            return f"WireError: {error}"
        except BaseException:
            return format_exc()

    def _inputs(self, message: bytes | str) -> tuple[Any, ...]:
        """The arguments of the policy for a message."""
        if isinstance(message, str):
            raise WireError("a request is a text message; it must be a binary one, of msgpack")
        unpacked, told = FORMAT.unpack(message), told_keys(self._factory)
        if not isinstance(unpacked, dict):
            raise WireError(f"a request is {type(unpacked).__name__}; it must be a map, such as {{'observation': …}}")
        request = _writable(unpacked)
        if not told:
            return (request[OBSERVATION],) if request.keys() == {OBSERVATION} else (request,)
        pending = self._factory.pending
        if request.keys() != {OBSERVATION, *told} or (pending and len(np.atleast_1d(request[PENDING])) != pending):
            needed = " and ".join(f"'{key}'" for key in (OBSERVATION, *told))
            raise WireError(
                f"a request has the keys {[*request]}; this policy needs {needed}, of {pending} pending actions; try "
                f"WebSocketPolicy(..., pending={pending}, delay_told={self._factory.delay_told})"
            )
        return tuple(request[key] for key in (OBSERVATION, *told))


def _writable(value: Any) -> Any:
    """``value`` with copies of its arrays, which a policy may change, and tuples, which travel as lists."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    return tuple(map(_writable, value)) if isinstance(value, list) else value
