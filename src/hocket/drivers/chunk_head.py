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

from hocket.errors import PolicyError
from hocket.policies.base import PolicyFactory
from hocket.spaces.codec import ActionCodec


class ChunkHead:
    """Calls ``head`` on the rest of a chunk.

    Args:
        head: ``head(plan[, pending_actions][, newest][, delay]) -> action``; see `PolicyFactory.build_chunk_head`.
        codec: of the action space.
    """

    def __init__(self, head: Callable[..., Any], codec: ActionCodec) -> None:
        self._head = head
        self._codec = ActionCodec(codec.space)

    @classmethod
    def of(cls, factory: PolicyFactory, codec: ActionCodec) -> Self | None:
        """The one of ``factory``; None if it has none.

        Raises:
            PolicyError: if it cannot be built.
        """
        if not factory.corrects:
            return None
        try:
            return cls(factory.build_chunk_head(), codec)
        except Exception as error:
            raise PolicyError(f"the head of the chunks could not be built:\n{traceback.format_exc()}") from error

    def __call__(self, plan: NDArray[Any], *inputs: NDArray[Any]) -> Any:
        """The action of the tick that the first action of ``plan`` is for.

        Raises:
            PolicyError: if the head raises, with its traceback.
        """
        try:
            return self._codec.decode(self._codec.encode(self._head(plan.copy(), *inputs))[0])
        except Exception as error:
            raise PolicyError(f"the head failed on a chunk:\n{traceback.format_exc()}") from error
