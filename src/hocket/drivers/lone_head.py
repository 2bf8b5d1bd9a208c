"""A head that acts alone in the first ticks of an episode, in the tick loop, while no inference has acted yet.

Every worker may be busy then, so the tick loop calls it, in place of the default and on the newest observation: what
both drivers know when the tick is due. It is as quick as a head must be. Where it fails, the default acts.
"""

from __future__ import annotations

import traceback
from typing import Any, Self

import numpy as np

from hocket.drivers.loop_head import LoopHead
from hocket.errors import PolicyError
from hocket.policies.base import PolicyFactory, Stages
from hocket.policies.failures import USUAL_LIMITS, FailureLimits, OnFailure
from hocket.spaces.codec import NOTHING_PENDING, ActionCodec, PendingActions
from hocket.spaces.observations import copied

NO_DELAY = np.zeros(1, np.int64)


class LoneHead(LoopHead):
    """Calls the head of ``policy`` without features.

    Args:
        policy: that tells its head the delay.
        pending: the number of pending actions that the head takes.
        codec: of the action space.
        limits: of its failures in a row.
        on_failure: called beyond them, in place of raising.

    Attributes:
        pending_actions: as the head is given them: all unknown.
    """

    def __init__(
        self,
        policy: Stages,
        pending: int,
        codec: ActionCodec,
        limits: FailureLimits = USUAL_LIMITS,
        on_failure: OnFailure | None = None,
    ) -> None:
        LoopHead.__init__(self, codec, limits, on_failure, "heads without features")
        self._policy = policy
        self.pending_actions: PendingActions = NOTHING_PENDING
        if pending:
            self.pending_actions = codec.unknown_actions(pending)

    @classmethod
    def of(
        cls,
        factory: PolicyFactory,
        codec: ActionCodec,
        example: Any,
        limits: FailureLimits = USUAL_LIMITS,
        on_failure: OnFailure | None = None,
    ) -> Self | None:
        """The one of ``factory``, which has been called twice on ``example``; None if its head does not act alone.

        Raises:
            PolicyError: if it cannot be built or called.
        """
        try:
            policy = factory.build_alone()
            if policy is None:
                return None
            alone = cls(policy, factory.pending, codec, limits, on_failure)
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

    def __call__(self, now_ns: int, newest: Any) -> Any:
        """The action of the tick that is due at ``now_ns``, or None if the head fails."""
        return self.attempt(now_ns, lambda: self.action_of(self._policy.head(None, *self.inputs(newest))))
