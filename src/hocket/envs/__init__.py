"""Environments: any Gymnasium one, at a rate. Importing this registers ``hocket/Null-v0`` and the Game Boy games."""

from hocket.envs.atari import make_atari
from hocket.envs.catalog import KnownEnvironment, RealtimeSpec, known_environments, make_env, natural_hz, natural_spec
from hocket.envs.gameboy.factory import register_gameboy
from hocket.envs.null import NullEnv, register_null

register_null()
register_gameboy()

__all__ = [
    "KnownEnvironment",
    "NullEnv",
    "RealtimeSpec",
    "known_environments",
    "make_atari",
    "make_env",
    "natural_hz",
    "natural_spec",
]
