"""A head that the tick loop calls itself, when a tick is due: what `LoneHead` and `ChunkHead` have in common."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from hocket.hooks.record import RunRecord
from hocket.policies.failures import FailureLimits, FailureLog, OnFailure
from hocket.spaces.codec import ActionCodec


class LoopHead:
    """Turns answers of a head into actions, and counts its failures.

    Args:
        codec: of the action space, for single actions.
        limits: of its failures in a row.
        on_failure: called beyond them, in place of raising.
        kind: names such heads in the error.

    Attributes:
        failures: its failures in a row.
    """

    def __init__(self, codec: ActionCodec, limits: FailureLimits, on_failure: OnFailure | None, kind: str) -> None:
        self.codec = codec
        self.failures = FailureLog(limits, kind, on_failure=on_failure)

    def action_of(self, answer: Any) -> Any:
        """The action that ``answer`` holds."""
        return self.codec.decode(self.codec.encode(answer)[0])

    def attempt(self, now_ns: int, action: Callable[..., Any], *inputs: Any) -> Any:
        """``action(*inputs)``, or None if it fails."""
        try:
            found = action(*inputs)
        except Exception:
            self.failures.failure(traceback.format_exc(), now_ns, 1)
            return None
        self.failures.success()
        return found

    def note_in(self, record: RunRecord) -> None:
        """Add the tracebacks of its failures to ``record``."""
        record.errors = [*record.errors, *self.failures.tracebacks]
