import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from cartridge import LOGO_BYTES, cartridge

from hocket.envs.gameboy import GameBoyEnv, PokemonBattles, Tetris
from hocket.envs.gameboy.factory import make_battles, make_tetris
from hocket.envs.gameboy.roms import LOGO_SHA256, check_revision, is_rom, read_rom
from hocket.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[3]
OURS = {"src/hocket/envs/gameboy/roms/blocks.gb", "src/hocket/envs/gameboy/roms/duel.gb"}


def test_the_logo_is_the_one_that_every_game_boy_looks_for():
    assert len(LOGO_BYTES) == 48 and sha256(LOGO_BYTES).hexdigest() == LOGO_SHA256


def test_a_whole_rom(rom):
    read = read_rom(rom)
    assert read.data == cartridge() and read.sha256 == sha256(cartridge()).hexdigest()
    check_revision(read, {read.sha256: "Test"})


def changed(at, value):
    data = bytearray(cartridge())
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is no Game Boy ROM: its 0 bytes"),
        (b"\x89PNG" + bytes(40_000), "is no Game Boy ROM"),
        (changed(0x111, 0), "is no Game Boy ROM"),
        (changed(0x134, 7), "is no Game Boy ROM"),
        (cartridge()[:20_000], "is cut off: it holds 20,000 bytes, its header says 32,768"),
        (cartridge(size_code=2)[:65_536], "is cut off: it holds 65,536 bytes, its header says 131,072"),
        (cartridge() + b"\n", "does not have the size of its header: it holds 32,769"),
    ],
)
def test_incomplete_roms_are_refused(tmp_path, content, words):
    path = tmp_path / "game.gb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        GameBoyEnv(Tetris(), path)
    assert str(path) in str(caught.value) and "try" in str(caught.value)


def test_a_folder_is_no_rom(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_rom(tmp_path)


def test_another_game_or_revision_is_refused_and_the_advice_works(rom):
    found = sha256(rom.read_bytes()).hexdigest()
    with pytest.raises(ConfigurationError) as caught:
        make_tetris(rom)
    message = str(caught.value)
    assert str(rom) in message and f"sha256='{found}'" in message
    assert "expected Tetris (0d6535aef23969c7e5af2b077acaddb4a445b3d0df7bf34c8acef07b51b015c3)" in message
    make_tetris(rom, sha256=found.upper()).close()
    with pytest.raises(ConfigurationError, match="leave sha256 out"):
        make_tetris(rom, sha256=64 * "0")


def test_the_version_of_a_cartridge_follows_from_its_hash_or_is_given(rom):
    found = sha256(rom.read_bytes()).hexdigest()
    with pytest.raises(ConfigurationError, match=r"Pokémon Yellow.*found " + found):
        make_battles(rom)
    with pytest.raises(ConfigurationError, match=r"expected Pokémon Blue .2a951313"):
        make_battles(rom, version="blue")
    with pytest.raises(ConfigurationError, match="version='green' must be one of red, blue, yellow"):
        make_battles(rom, version="green")
    env = make_battles(rom, version="Yellow", sha256=found)
    assert isinstance(env.game, PokemonBattles) and env.game.version.shift == -1
    env.close()


def test_no_rom_in_the_repository_but_ours():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True)
    found = set()
    for name in listed.stdout.split("\0")[:-1]:
        path = REPOSITORY / name
        if path.is_file():
            data = path.read_bytes()
            if LOGO_BYTES in data or is_rom(data):
                found.add(name)
    assert found <= OURS


def test_a_rom_anywhere_would_be_found():
    assert is_rom(cartridge()) and LOGO_BYTES in b"packed with" + cartridge()
