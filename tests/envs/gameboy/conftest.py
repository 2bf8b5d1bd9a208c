"""Environments on the test cartridge, which are closed afterwards."""

import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from cartridge import cartridge

from hocket.envs.gameboy import GameBoyEnv
from hocket.envs.gameboy.roms import read_rom


@pytest.fixture(scope="session")
def rom(tmp_path_factory):
    path = tmp_path_factory.mktemp("roms") / "cartridge.gb"
    path.write_bytes(cartridge())
    return path


@pytest.fixture
def made(rom):
    """``made(game, **options)`` is an environment of ``game`` on the test cartridge."""
    envs = []

    def make(game, **options):
        env = GameBoyEnv(game, rom, **{"sha256": read_rom(rom).sha256, **options})
        envs.append(env)
        return env

    yield make
    for env in envs:
        env.close()
