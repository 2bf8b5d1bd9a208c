"""The servers of one policy, as all workers of a process know them: which answer, and which to try again when."""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from time import monotonic
from typing import Any

from hocket.remote.errors import RemoteError, ReplyTimeoutError, UnreachableError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
"""The pause after a failure doubles from the first to the longest, while other servers answer."""
LONGEST_WAIT_S = 1.0
"""The longest pause while no server answers."""
MOST_UNANSWERED = 3
"""A server that has let so many requests in a row be cancelled without a reply is left out, as one that is silent."""


@dataclass(slots=True)
class _State:
    connections: int = 0
    failures: int = 0
    """In a row."""
    unanswered: int = 0
    """Cancelled requests since the last reply or failure."""
    retry_s: float = 0.0
    """The time from which on it may be tried."""
    error: RemoteError | None = None


class Servers:
    """Spreads connections over servers, and leaves out those that failed, for a pause that doubles each time.

    Thread-safe. A pickled one knows of no failures.

    Args:
        addresses: of the servers.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        self._states = {address: _State() for address in addresses}
        self._lock = RLock()  # a worker that is collected leaves its server, in any thread, perhaps inside the lock

    def __reduce__(self) -> tuple[Any, ...]:
        return Servers, (self._addresses,)

    def take(self, *, instead_of: str | None = None) -> str | None:
        """The server with the fewest connections that may be tried, counting one more for it; None if there is none.

        Args:
            instead_of: a server with a connection; then only one with at least two fewer is taken, so that work
                returns to a server that was away.
        """
        if instead_of is not None and len(self._states) == 1:
            return None
        now_s = monotonic()
        with self._lock:
            usable = [address for address, state in self._states.items() if state.retry_s <= now_s]
            if instead_of is not None:
                most = self._states[instead_of].connections - 2
                usable = [address for address in usable if self._states[address].connections <= most]
            if not usable:
                return None
            address = min(usable, key=lambda address: self._states[address].connections)
            self._states[address].connections += 1
            return address

    def leave(self, address: str, error: RemoteError | None = None) -> None:
        """Count a connection less; with ``error`` the server has failed."""
        with self._lock:
            state = self._states[address]
            state.connections -= 1
            if error is not None:
                pause_s = min(FIRST_PAUSE_S * 2 ** min(state.failures, 16), LONGEST_PAUSE_S)
                state.failures += 1
                state.unanswered = 0
                state.retry_s, state.error = monotonic() + pause_s, error

    def unanswered(self, address: str) -> RemoteError | None:
        """Count a cancelled request; return the failure of a server that is silent, if another one can be asked."""
        with self._lock:
            state = self._states[address]
            state.unanswered += 1
            if state.unanswered < MOST_UNANSWERED or len(self._states) == 1:
                return None
        return ReplyTimeoutError(f"{address} had not replied to {MOST_UNANSWERED} requests in a row when they expired")

    def answered(self, address: str) -> None:
        """Forget the failures of a server that answers."""
        state = self._states[address]
        if state.failures or state.unanswered:
            with self._lock:
                state.failures, state.unanswered, state.retry_s, state.error = 0, 0, 0.0, None

    def pause_s(self) -> float:
        """The time until some server may be tried: at most `LONGEST_WAIT_S`, to which it shortens the first pause."""
        with self._lock:
            first = min(self._states.values(), key=lambda state: state.retry_s)
            first.retry_s = min(first.retry_s, monotonic() + LONGEST_WAIT_S)
            return max(0.0, first.retry_s - monotonic())

    def failure(self) -> RemoteError:
        """The error to raise where no server can be used."""
        errors = {address: state.error for address, state in self._states.items() if state.error is not None}
        if len(self._addresses) == 1 and errors:
            (error,) = errors.values()
            return type(error)(str(error))
        listed = "; ".join(str(error) for error in errors.values())
        return UnreachableError(f"none of {len(self._addresses)} servers can be used: {listed or 'all are paused'}")
