"""Environments: any Gymnasium one, at a rate. Importing this registers ``hocket/Null-v0`` and the Game Boy games."""

from hocket.envs.atari import make_atari
from hocket.envs.catalog import KnownEnvironment, known_environments, make_env, natural_hz, natural_spec
from hocket.envs.gameboy.make import register_gameboy
from hocket.envs.null import NullEnv, register_null
from hocket.envs.spec import RealtimeSpec
from hocket.spaces import ActionCodec, check_spaces

register_null()
register_gameboy()

__all__ = [
    "ActionCodec",
    "KnownEnvironment",
    "NullEnv",
    "RealtimeSpec",
    "check_spaces",
    "known_environments",
    "make_atari",
    "make_env",
    "natural_hz",
    "natural_spec",
]
