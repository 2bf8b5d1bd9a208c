"""The committed cartridges equal the build of their sources."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hocket.envs.gameboy.roms import read_rom

ROMS = Path(__file__).parents[3] / "roms"
COMMITTED = Path(__file__).parents[3] / "src/hocket/envs/gameboy/roms"
GAMES = sorted(main.parent.name for main in ROMS.glob("*/main.c"))


def test_every_game_has_its_cartridge_and_every_cartridge_its_game():
    assert GAMES and [f"{game}.gb" for game in GAMES] == sorted(path.name for path in COMMITTED.glob("*"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sdcc") is None, reason="needs the compiler; try apt-get install sdcc")
def test_a_rebuild_is_the_same_to_the_byte(tmp_path):
    command = ["make", "-j2", "-C", ROMS, f"OUT={tmp_path}/new", f"BUILD={tmp_path}/build"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    for game in GAMES:
        new = (tmp_path / "new" / f"{game}.gb").read_bytes()
        assert new == (COMMITTED / f"{game}.gb").read_bytes(), f"{game}.gb differs; try make roms, and commit it"


def test_without_the_compiler_make_names_the_package(tmp_path):
    for tool in ("make", "bash", "sh"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    command = ["make", "-C", ROMS, f"OUT={tmp_path}/new"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": str(tmp_path)})
    assert done.returncode != 0 and "apt-get install sdcc" in done.stderr


@pytest.mark.parametrize("game", GAMES)
def test_the_header_is_that_of_a_plain_cartridge(game):
    rom = read_rom(COMMITTED / f"{game}.gb").data
    assert len(rom) == 32768 and rom[0x134:0x144].rstrip(b"\0") == f"HOCKET {game.upper()}".encode()
    assert rom[0x143] == 0 and rom[0x146:0x14A] == bytes(4)  # no colour, no Super Game Boy, no mapper, no memory
    assert sum(rom[:0x14E]) + sum(rom[0x150:]) & 0xFFFF == int.from_bytes(rom[0x14E:0x150], "big")
