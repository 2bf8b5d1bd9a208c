"""The Game Boy, through PyBoy: games as definitions over memory, and two cartridges of hocket's own.

The extra ``gameboy`` holds PyBoy.
"""

from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.gameboy.factory import gameboy_available, register_gameboy
from hocket.envs.gameboy.game import Game, Tick
from hocket.envs.gameboy.pokemon import BLUE, RED, YELLOW, PokemonBattles, PokemonCatching, Version
from hocket.envs.gameboy.states import Pool, read_state, write_state
from hocket.envs.gameboy.tetris import Tetris

__all__ = [
    "BLUE",
    "RED",
    "YELLOW",
    "Button",
    "Game",
    "GameBoyEnv",
    "PokemonBattles",
    "PokemonCatching",
    "Pool",
    "Tetris",
    "Tick",
    "Version",
    "gameboy_available",
    "read_state",
    "register_gameboy",
    "write_state",
]
