"""The definitions on the emulator, with the addresses of the fact sheet spelled out."""

import pytest

from hocket.envs.gameboy import BLUE, RED, YELLOW, PokemonBattles, PokemonCatching, write_state
from hocket.envs.gameboy.emulator import Emulator
from hocket.envs.gameboy.roms import read_rom
from hocket.errors import ConfigurationError

NONE = 6
VERSIONS = pytest.mark.parametrize(("version", "shift"), [(RED, 0), (BLUE, 0), (YELLOW, -1)])
OWN_HP = (0xD16C, 0xD198, 0xD1C4, 0xD1F0, 0xD21C, 0xD248)
ENEMY_HP = (0xD8A5, 0xD8D1, 0xD8FD, 0xD929, 0xD955, 0xD981)
WILD, TRAINER, LOST = 1, 2, 0xFF


class Memory:
    """Writes at Red's addresses plus ``shift``."""

    def __init__(self, write, shift):
        self._write, self._shift = write, shift

    def put(self, address, *data):
        self._write(address + self._shift, bytes(data))

    def hp(self, slots, *points):
        for address, value in zip(slots, points, strict=False):
            self.put(address, value >> 8, value & 0xFF)

    def battle(self, mine, theirs, kind=TRAINER):
        self.put(0xD163, len(mine))
        self.hp(OWN_HP, *mine)
        if kind == WILD:
            self.hp((0xCFE6,), *theirs)
        else:
            self.put(0xD89C, len(theirs))
            self.hp(ENEMY_HP, *theirs)
        self.put(0xD057, kind)


@pytest.fixture
def begun(made, rom, tmp_path):
    """``begun(game, shift, *battles)``: an environment with those battles as its pool, reset, and its memory."""

    def begin(game, shift, *battles):
        emulator = Emulator(rom.read_bytes())
        for mine, theirs, kind in battles:
            Memory(emulator.write, shift).battle(mine, theirs, kind)
            write_state(tmp_path, emulator.save(), rom_sha256=read_rom(rom).sha256)
        emulator.close()
        env = made(game, states=tmp_path)
        env.reset(seed=0)
        return env, Memory(env.write, shift)

    return begin


@VERSIONS
def test_each_of_six_slots_counts_on_both_sides(begun, version, shift):
    env, memory = begun(PokemonBattles(version), shift, ((300,) * 6, (256,) * 6, TRAINER))
    assert env.step(NONE)[1:3] == (0.0, False)
    for slot in range(6):
        memory.hp(OWN_HP[slot:], 44)
        assert env.step(NONE)[1] == 0, "hurt, not fallen"
        memory.hp(OWN_HP[slot:], 0)
        assert env.step(NONE)[1:3] == (-1.0, slot == 5)
    env.reset()
    for slot in range(6):
        memory.hp(ENEMY_HP[slot:], 255)
        assert env.step(NONE)[1] == 0
        memory.hp(ENEMY_HP[slot:], 0)
        assert env.step(NONE)[1:3] == (1.0, slot == 5)


@VERSIONS
def test_two_that_fall_in_one_tick_are_both_counted(begun, version, shift):
    env, memory = begun(PokemonBattles(version), shift, ((9, 9), (9, 9, 9), TRAINER))
    memory.hp(OWN_HP, 0)
    memory.hp(ENEMY_HP, 0)
    assert env.step(NONE)[1:3] == (0.0, False)
    memory.hp(ENEMY_HP, 0, 0, 0)
    assert env.step(NONE)[1:3] == (2.0, True)


def test_hit_points_of_an_earlier_party_do_not_count(begun):
    env, memory = begun(PokemonBattles(), 0, ((9,), (9,), TRAINER))
    memory.hp(ENEMY_HP[1:], 50)  # past the count of one
    assert env.step(NONE)[1:3] == (0.0, False)
    memory.hp(ENEMY_HP, 0)
    assert env.step(NONE)[1:3] == (1.0, True)


@VERSIONS
def test_in_the_wild_it_is_the_one_that_is_out(begun, version, shift):
    env, memory = begun(PokemonBattles(version), shift, ((30, 30), (17,), WILD))
    memory.hp((0xCFE6,), 0)
    assert env.step(NONE)[1:3] == (1.0, True)


@pytest.mark.parametrize("after", [0, LOST])
def test_a_battle_that_breaks_off_is_over(begun, after):
    env, memory = begun(PokemonBattles(), 0, ((30, 30), (17,), WILD))
    memory.put(0xD057, after)
    assert env.step(NONE)[1:3] == (0.0, True)


def test_the_next_encounter_comes_after_a_win_only(begun):
    env, memory = begun(
        PokemonBattles(), 0, ((9, 9), (9,), TRAINER), ((9, 9), (8, 8), TRAINER), ((9, 9), (7, 7, 7), TRAINER)
    )

    def after(mine, theirs):
        """The encounter that follows such an end, and the enemies' hit points in it."""
        memory.hp(OWN_HP, *mine)
        memory.hp(ENEMY_HP, *theirs)
        assert env.step(NONE)[2]
        info = env.reset()[1]
        return info["encounter"], sum(info["enemy_hp"])

    assert after((0, 0), (9,)) == (0, 9), "lost"
    memory.put(0xD89C, 2)
    memory.hp(ENEMY_HP, 9, 9)
    env.step(NONE)
    memory.hp(ENEMY_HP, 0)
    assert env.step(NONE)[1:3] == (1.0, False) and env.reset()[1]["encounter"] == 0, "not fought out"
    assert after((0, 9), (0,)) == (1, 16), "won, though one fell in the same tick"
    memory.put(0xD057, 0)
    assert env.step(NONE)[2] and env.reset()[1]["encounter"] == 1, "fled"
    assert after((0, 0), (0, 0)) == (1, 16), "none stands"
    assert after((9, 9), (0, 0)) == (2, 21)
    assert after((9, 9), (0, 0, 0)) == (0, 9), "after the last the first"
    assert after((9, 9), (0,)) == (1, 16)
    assert env.reset(seed=4)[1]["encounter"] == 0, "a seed begins anew"
    assert env.reset(options={"encounter": 2})[1]["encounter"] == 2
    with pytest.raises(ConfigurationError, match="encounter=3 must be one of 0 to 2"):
        env.reset(options={"encounter": 3})


def test_info_holds_the_win_once_the_battle_is_over(begun):
    env, memory = begun(PokemonBattles(), 0, ((9, 9), (9, 9), TRAINER))
    memory.hp(ENEMY_HP, 0)
    assert env.step(NONE)[4]["won"] is False
    memory.hp(ENEMY_HP, 0, 0)
    _, _, terminated, _, info = env.step(NONE)
    assert terminated and info["won"] is True
    assert env.reset()[1]["won"] is False
    memory.hp(OWN_HP, 0, 0)
    assert env.step(NONE)[4]["won"] is False
    assert {"won", "caught"} <= set(env.metadata["counts"])


def test_the_winner_is_the_side_that_fell_last(begun):
    env, memory = begun(PokemonBattles(), 0, ((9, 9), (9, 9), TRAINER))
    memory.hp(ENEMY_HP, 0)
    env.step(NONE)
    memory.hp(OWN_HP, 0)
    env.step(NONE)
    memory.put(0xD057, 0)
    assert env.step(NONE)[2] and env.reset()[1]["encounter"] == 0


@VERSIONS
def test_a_catch_shows_in_the_pokedex(begun, version, shift):
    for byte in (0, 7, 18):
        env, memory = begun(PokemonCatching(version), shift, ((9,), (9,), WILD))
        memory.put(0xD2F7 + byte, 0x80)
        assert env.step(NONE)[1:3] == (1.0, False)
        assert env.step(NONE)[1:3] == (0.0, False), "once"
        memory.put(0xD057, 0)
        _, reward, terminated, _, info = env.step(NONE)
        assert (reward, terminated, info["caught"]) == (0.0, True, True)


@VERSIONS
def test_one_that_is_owned_already_shows_in_the_box(begun, version, shift):
    env, memory = begun(PokemonCatching(version), shift, ((9,), (9,), WILD))
    memory.put(0xDA80, 1)
    assert env.step(NONE)[1] == 1
    memory.put(0xDA80, 2)
    memory.put(0xD2F7, 1)
    assert env.step(NONE)[1] == 0, "once"


@VERSIONS
@pytest.mark.parametrize("after", [0, LOST])
def test_a_battle_that_ends_uncaught(begun, version, shift, after):
    env, memory = begun(PokemonCatching(version), shift, ((9,), (9,), WILD))
    assert env.step(NONE)[1:3] == (0.0, False)
    memory.put(0xD057, after)
    assert env.step(NONE)[1:3] == (-1.0, True)
    assert env.step(NONE)[1:3] == (0.0, True), "once"


def test_caught_in_the_very_last_tick(begun):
    env, memory = begun(PokemonCatching(), 0, ((9,), (9,), WILD))
    memory.put(0xD057, 0)
    memory.put(0xDA80, 1)
    assert env.step(NONE)[1:3] == (1.0, True)


def test_the_pokedex_ends_where_it_ends(begun):
    env, memory = begun(PokemonCatching(), 0, ((9,), (9,), WILD))
    memory.put(0xD30A, 1)
    memory.put(0xD2F6, 1)
    assert env.step(NONE)[1] == 0


def test_without_a_battle_there_is_nothing_to_catch(begun):
    with pytest.raises(ConfigurationError, match=r"save state 0000\.state: .*PokemonCatching.* did not reach"):
        begun(PokemonCatching(YELLOW), 0, ((9,), (9,), WILD))


def test_start_fights_and_select_hunts(made):
    for game, kind in ((PokemonBattles(), TRAINER), (PokemonCatching(), WILD)):
        env = made(game)
        env.reset(seed=0)
        assert env.read(0xD057, 1)[0] == kind
