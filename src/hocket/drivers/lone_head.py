"""A head that acts alone in the first ticks of an episode, in the tick loop, while no inference has acted yet.

Every worker may be busy then, so the tick loop calls it, in place of the default and on the newest observation: what
both drivers know when the tick is due. It is as quick as a head must be.
"""

from __future__ import annotations

import traceback
from typing import Any, Self

import numpy as np

from hocket.errors import PolicyError
from hocket.policies.base import PolicyFactory, Stages
from hocket.spaces.codec import NOTHING_PENDING, ActionCodec, PendingActions
from hocket.spaces.observations import copied

NO_DELAY = np.zeros(1, np.int64)


class LoneHead:
    """Calls the head of ``policy`` without features.

    Args:
        policy: that tells its head the delay.
        pending: the number of pending actions that the head takes.
        codec: of the action space.

    Attributes:
        pending_actions: as the head is given them: all unknown.
    """

    def __init__(self, policy: Stages, pending: int, codec: ActionCodec) -> None:
        self._policy = policy
        self._codec = codec
        self.pending_actions: PendingActions = NOTHING_PENDING
        if pending:
            self.pending_actions = codec.unknown_actions(pending)

    @classmethod
    def of(cls, factory: PolicyFactory, codec: ActionCodec, example: Any) -> Self | None:
        """The one of ``factory``, which has been called twice on ``example``; None if its head does not act alone.

        Raises:
            PolicyError: if it cannot be built or called.
        """
        try:
            policy = factory.build_alone()
            if policy is None:
                return None
            alone = cls(policy, factory.pending, codec)
            factory.warm_up_alone(policy, *alone.inputs(example))
        except Exception as error:
            raise PolicyError(f"the policy could not be built:\n{traceback.format_exc()}") from error
        return alone

    @property
    def version(self) -> int:
        """Of the weights that the last action is by."""
        return int(getattr(self._policy, "version", 0))

    def inputs(self, newest: Any) -> tuple[Any, ...]:
        """The head's inputs beside None for features."""
        pending_actions = (self.pending_actions.copy(),) if len(self.pending_actions) else ()
        return (*pending_actions, copied(newest), NO_DELAY.copy())

    def __call__(self, newest: Any) -> Any:
        """The action of the next tick.

        Raises:
            PolicyError: if the head raises, with its traceback.
        """
        try:
            return self._codec.decode(self._codec.encode(self._policy.head(None, *self.inputs(newest)))[0])
        except Exception as error:
            raise PolicyError(f"the head failed without features:\n{traceback.format_exc()}") from error
