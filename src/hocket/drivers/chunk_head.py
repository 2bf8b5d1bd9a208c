"""A head on a chunk: corrects each of its actions when its tick is due, in the tick loop, on the newest observation.

Workers are free while a chunk plays, and the head is told all that is known when the tick is due, under both drivers.
The tick pays for it: it acts later by the time of the head, which must be quick. Source: the correction head of A2C2
(asynchronous action chunk correction).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Self

from numpy.typing import NDArray

from hocket.drivers.loop_head import LoopHead
from hocket.errors import PolicyError
from hocket.hooks.record import RunRecord
from hocket.policies.base import PolicyFactory
from hocket.policies.failures import USUAL_LIMITS, FailureLimits, OnFailure
from hocket.spaces.codec import ActionCodec


class ChunkHead(LoopHead):
    """Calls ``head`` on the rest of a chunk. Where that fails, the action is executed as it was planned.

    Args:
        head: ``head(plan[, pending_actions][, newest][, delay]) -> action``; see `PolicyFactory.build_chunk_head`.
        codec: of the action space.
        limits: of its failures in a row.
        on_failure: called beyond them, in place of raising.

    Attributes:
        uncorrected: the number of its failures.
    """

    def __init__(
        self,
        head: Callable[..., Any],
        codec: ActionCodec,
        limits: FailureLimits = USUAL_LIMITS,
        on_failure: OnFailure | None = None,
    ) -> None:
        LoopHead.__init__(self, codec.of_single_actions(), limits, on_failure, "heads of chunks")
        self._head = head
        self.uncorrected = 0

    @classmethod
    def of(
        cls,
        factory: PolicyFactory,
        codec: ActionCodec,
        limits: FailureLimits = USUAL_LIMITS,
        on_failure: OnFailure | None = None,
    ) -> Self | None:
        """The one of ``factory``; None if it has none.

        Raises:
            PolicyError: if it cannot be built.
        """
        if not factory.corrects:
            return None
        try:
            return cls(factory.build_chunk_head(), codec, limits, on_failure)
        except Exception as error:
            raise PolicyError(f"the head of the chunks could not be built:\n{traceback.format_exc()}") from error

    def corrected(self, plan: NDArray[Any], *inputs: NDArray[Any]) -> Any:
        """The action of the tick that the first action of ``plan`` is for; raises what the head raises."""
        return self.action_of(self._head(plan.copy(), *inputs))

    def __call__(self, now_ns: int, plan: NDArray[Any], *inputs: NDArray[Any]) -> Any:
        """The corrected action of the tick that is due at ``now_ns``, or None if the head fails."""
        action = self.attempt(now_ns, self.corrected, plan, *inputs)
        self.uncorrected += action is None
        return action

    def note_in(self, record: RunRecord) -> None:
        """Add the number and the tracebacks of its failures to ``record``."""
        LoopHead.note_in(self, record)
        record.uncorrected = self.uncorrected
