"""When failures stop being survivable: the run ends with the policy's own traceback, not with a timeout."""

from __future__ import annotations

from hocket.errors import ConfigurationError, PolicyError

KEPT = 20


def check_failure_limit(limit: int) -> None:
    """Refuse a limit that is no positive integer."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(f"failure_limit={limit!r} must be an integer of at least 1; try 5")


class FailureLog:
    """Counts failures in a row; any success starts the count anew."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_a_row = 0
        self.tracebacks: list[str] = []

    def success(self) -> None:
        """An inference finished."""
        self._in_a_row = 0

    def failure(self, traceback: str) -> None:
        """An inference failed or a worker was lost.

        Raises:
            PolicyError: if that was the last failure in a row that is tolerated.
        """
        self._in_a_row += 1
        self.tracebacks.append(traceback)
        del self.tracebacks[:-KEPT]
        if self._in_a_row >= self._limit:
            raise PolicyError(
                f"{self._in_a_row} inferences failed in a row, and none succeeded between; the last one:\n{traceback}"
            )
