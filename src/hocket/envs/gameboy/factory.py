"""Makes the Game Boy environments, for ``gymnasium.make`` and ``hocket envs``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.gameboy.game import Game
from hocket.envs.gameboy.pokemon import VERSIONS, PokemonBattles, PokemonCatching, Version
from hocket.envs.gameboy.roms import BLOCKS, DUEL, read_rom
from hocket.envs.gameboy.tetris import Tetris
from hocket.envs.registration import BATTLES_ID, CATCHING_ID, TETRIS_ID
from hocket.errors import ConfigurationError

DUEL_OPPONENTS = 8


def gameboy_available() -> bool:
    """True if the ``gameboy`` extra is installed."""
    return find_spec("pyboy") is not None


def make_blocks(**options: Any) -> GameBoyEnv[Any]:
    """Hocket Blocks, as `Tetris` sees it; ``options`` as of `GameBoyEnv`."""
    return _own(Tetris(), BLOCKS, **options)


def make_duel(**options: Any) -> GameBoyEnv[Any]:
    """The battles of Hocket Duel, as `PokemonBattles` sees them."""
    return _own(PokemonBattles(), DUEL, **{"encounters": 1 if "states" in options else DUEL_OPPONENTS, **options})


def make_catch(**options: Any) -> GameBoyEnv[Any]:
    """The wild monsters of Hocket Duel, as `PokemonCatching` sees them."""
    return _own(PokemonCatching(), DUEL, **options)


def make_tetris(rom: str | Path = "", **options: Any) -> GameBoyEnv[Any]:
    """Tetris, on the user's own cartridge ``rom``."""
    return GameBoyEnv(Tetris(), _given(TETRIS_ID, rom), **options)


def make_battles(rom: str | Path = "", version: Version | str | None = None, **options: Any) -> GameBoyEnv[Any]:
    """Pokémon battles, on the user's own cartridge; its ``version`` is found by its SHA-256 if not given."""
    path = _given(BATTLES_ID, rom)
    return GameBoyEnv(PokemonBattles(_version(path, version)), path, **options)


def make_catching(rom: str | Path = "", version: Version | str | None = None, **options: Any) -> GameBoyEnv[Any]:
    """Catching Pokémon, on the user's own cartridge; its ``version`` is found by its SHA-256 if not given."""
    path = _given(CATCHING_ID, rom)
    return GameBoyEnv(PokemonCatching(_version(path, version)), path, **options)


def _own(game: Game[Any], rom: Path, **options: Any) -> GameBoyEnv[Any]:
    return GameBoyEnv(game, rom, **{"sha256": read_rom(rom).sha256, **options})


def _given(id: str, rom: str | Path) -> Path:
    if not str(rom):
        raise ConfigurationError(
            f"{id} needs a ROM of yours; try gymnasium.make('{id}', rom='FILE'), or --env {id} --env-args rom=FILE"
        )
    return Path(rom)


def _version(rom: Path, version: Version | str | None) -> Version:
    if isinstance(version, Version):
        return version
    names = {known.name.rpartition(" ")[2].lower(): known for known in VERSIONS}
    if version is not None:
        if version.lower() not in names:
            raise ConfigurationError(f"version={version!r} must be one of {', '.join(names)}; try version='red'")
        return names[version.lower()]
    found = read_rom(rom).sha256
    for known in VERSIONS:
        if known.sha256 == found:
            return known
    expected = ", ".join(f"{known.name} ({known.sha256})" for known in VERSIONS)
    raise ConfigurationError(
        f"rom='{rom}' is none of the known ROMs: SHA-256 expected {expected}; found {found}; if it is another "
        f"revision, pass its version, such as version='red', and sha256='{found}'"
    )
