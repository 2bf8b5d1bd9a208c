"""Checks and encodes actions, checks what environments give, and holds the default behaviours."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.spaces.checked_env import CheckedEnv as CheckedEnv
    from hocket.spaces.codec import ActionCodec as ActionCodec
    from hocket.spaces.codec import OutOfBounds as OutOfBounds
    from hocket.spaces.codec import PendingActions as PendingActions
    from hocket.spaces.defaults import BoundDefault as BoundDefault
    from hocket.spaces.defaults import Default as Default
    from hocket.spaces.defaults import Fallback as Fallback
    from hocket.spaces.defaults import Fixed as Fixed
    from hocket.spaces.defaults import HoldThenStop as HoldThenStop
    from hocket.spaces.defaults import RandomDefault as RandomDefault
    from hocket.spaces.defaults import RepeatLast as RepeatLast
    from hocket.spaces.observation_check import ObservationCheck as ObservationCheck
else:
    __all__, __getattr__, __dir__ = exports(__name__)
