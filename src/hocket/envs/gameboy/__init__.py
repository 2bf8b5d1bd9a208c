"""The Game Boy, through PyBoy: games as definitions over memory, and two cartridges of hocket's own.

The extra ``gameboy`` holds PyBoy.
"""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.envs.gameboy.buttons import Button as Button
    from hocket.envs.gameboy.env import GameBoyEnv as GameBoyEnv
    from hocket.envs.gameboy.factory import gameboy_available as gameboy_available
    from hocket.envs.gameboy.game import Game as Game
    from hocket.envs.gameboy.game import Tick as Tick
    from hocket.envs.gameboy.pokemon import BLUE as BLUE
    from hocket.envs.gameboy.pokemon import RED as RED
    from hocket.envs.gameboy.pokemon import YELLOW as YELLOW
    from hocket.envs.gameboy.pokemon import Battle as Battle
    from hocket.envs.gameboy.pokemon import Hunt as Hunt
    from hocket.envs.gameboy.pokemon import PokemonBattles as PokemonBattles
    from hocket.envs.gameboy.pokemon import PokemonCatching as PokemonCatching
    from hocket.envs.gameboy.pokemon import Version as Version
    from hocket.envs.gameboy.states import Pool as Pool
    from hocket.envs.gameboy.states import read_state as read_state
    from hocket.envs.gameboy.states import write_state as write_state
    from hocket.envs.gameboy.tetris import Score as Score
    from hocket.envs.gameboy.tetris import Tetris as Tetris
else:
    __all__, __getattr__, __dir__ = exports(__name__)
