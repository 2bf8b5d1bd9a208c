"""Environments: any Gymnasium one, at a rate."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.envs.atari import make_atari as make_atari
    from hocket.envs.catalog import KnownEnvironment as KnownEnvironment
    from hocket.envs.catalog import RealtimeSpec as RealtimeSpec
    from hocket.envs.catalog import known_environments as known_environments
    from hocket.envs.catalog import make_env as make_env
    from hocket.envs.catalog import natural_hz as natural_hz
    from hocket.envs.catalog import natural_spec as natural_spec
    from hocket.envs.induced_delay import InducedDelay as InducedDelay
    from hocket.envs.null import NullEnv as NullEnv
    from hocket.envs.preprocessing import grey_frames as grey_frames
    from hocket.envs.preprocessing import stack_frames as stack_frames
    from hocket.envs.state import reseed as reseed
    from hocket.envs.state import restore as restore
    from hocket.envs.state import snapshot as snapshot
    from hocket.envs.state import take_snapshot as take_snapshot
    from hocket.envs.verification import verify_snapshot as verify_snapshot
else:
    __all__, __getattr__, __dir__ = exports(__name__)
