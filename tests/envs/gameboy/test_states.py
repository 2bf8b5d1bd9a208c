import json
import zlib

import pytest
from cartridge import CLOCK, HELD, cartridge

from hocket.envs.gameboy import GameBoyEnv, Pool, Tetris, read_state, write_state
from hocket.envs.gameboy.roms import read_rom
from hocket.envs.gameboy.states import FIRST_LINE
from hocket.errors import ConfigurationError

A, NONE = 0, 6


@pytest.fixture
def pool(made, rom, tmp_path):
    """A folder with three states of a game in which A was down for 1, 2 and 3 frames."""
    env = made(Tetris())
    env.reset(seed=0)
    for _ in range(3):
        env.step(A)
        write_state(tmp_path / "pool", env.save_state(), rom_sha256=env.rom.sha256)
    return tmp_path / "pool"


def test_states_are_numbered_on(pool, rom):
    assert [path.name for path in sorted(pool.iterdir())] == ["0000.state", "0001.state", "0002.state"]
    state = read_state(pool / "0001.state", rom_sha256=read_rom(rom).sha256)
    assert write_state(pool, state, rom_sha256="whatever").name == "0003.state"


def test_they_are_small(pool):
    assert all(path.stat().st_size < 10_000 for path in pool.iterdir())


@pytest.mark.slow
def test_a_reset_draws_one_and_the_seed_decides_which(made, pool):
    env = made(Tetris(), states=pool)

    def held(seed):
        drawn = [(env.reset(seed=seed)[1]["encounter"], env.read(HELD, 1)[0])]
        drawn += [(env.reset()[1]["encounter"], env.read(HELD, 1)[0]) for _ in range(20)]
        assert all(number == encounter + 1 for encounter, number in drawn)
        return drawn

    assert held(5) == held(5) != held(6)
    assert {encounter for encounter, _ in held(5)} == {0, 1, 2}


def test_nothing_is_pressed_in_a_game_that_is_under_way(made, pool):
    env = made(Tetris(), states=pool)
    env.reset(seed=0, options={"encounter": 1})
    clock = env.read(CLOCK, 1)
    assert env.read(HELD, 1)[0] == 2
    env.step(NONE)
    assert env.read(HELD, 1)[0] == 2, "A was down when the state was saved; it is not any more"
    assert env.read(CLOCK, 1) == clock


def test_a_damaged_state_is_refused_by_name(made, pool):
    whole = (pool / "0001.state").read_bytes()
    middle = len(whole) // 2
    for damaged in (
        whole[:middle],
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        FIRST_LINE,
        FIRST_LINE + b"[]\n",
        FIRST_LINE + json.dumps({"rom": "0", "sha256": "0"}).encode() + b"\n" + zlib.compress(b"0"),
    ):
        (pool / "0001.state").write_bytes(damaged)
        with pytest.raises(ConfigurationError, match=r"0001\.state' is damaged"):
            made(Tetris(), states=pool)


def test_a_state_of_another_rom_is_refused_by_name(pool, tmp_path):
    path = tmp_path / "other.gb"
    path.write_bytes(cartridge(title=b"OTHER"))
    other = read_rom(path).sha256
    with pytest.raises(ConfigurationError, match=rf"0000\.state' is of another ROM: .* not of {other}"):
        GameBoyEnv(Tetris(), path, sha256=other, states=pool)


def test_other_files_are_refused_as_states(pool, rom):
    digest = read_rom(rom).sha256
    (pool / "9.state").write_bytes(b"\x13" * 1000)
    with pytest.raises(ConfigurationError, match=r"9\.state' is no save state of hocket"):
        Pool.of(pool, rom_sha256=digest)
    with pytest.raises(ConfigurationError, match=r"7\.state' cannot be read"):
        read_state(pool / "7.state", rom_sha256=digest)
    with pytest.raises(ConfigurationError, match=r"holds no save states .*hocket states"):
        Pool.of(pool / "nowhere", rom_sha256=digest)


def test_a_state_that_pyboy_does_not_take_is_refused_by_name(made, rom, tmp_path):
    write_state(tmp_path, b"\x0b" * 100, rom_sha256=read_rom(rom).sha256)
    env = made(Tetris(), states=tmp_path)
    with pytest.raises(ConfigurationError, match=r"save state 0000\.state: PyBoy cannot load"):
        env.reset(seed=0)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="no save state can be written to"):
        write_state(tmp_path / "file", b"", rom_sha256="")
