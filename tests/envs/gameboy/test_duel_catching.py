import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from duelling import (
    BATTLE_MENU,
    CATCH_RATE,
    ENEMIES,
    HP,
    IN_BATTLE,
    MAP,
    MAX_HP,
    PARTY,
    SLOT,
    STATUS,
    TAP,
    TEXT,
    TITLE,
    TRAPS,
    Duelling,
)

PARTY_COUNT, BOX_COUNT, OWNED = 0xD163, 0xDA80, 0xD2F7


@pytest.fixture
def hunt():
    game = Duelling("hocket/Catch-v0")
    game.only_move(PARTY, 0, TAP)
    game.only_move(ENEMIES, 0, TAP)
    game.mine_is_first()
    yield game
    game.env.close()


def make_easy(game):
    """The highest chance there is, 255 of 256: nearly beaten, asleep, of a kind that is easily caught."""
    game.set(ENEMIES, 0, HP, 1)
    game.set(ENEMIES, 0, STATUS, 7)
    game.set(ENEMIES, 0, CATCH_RATE, 255)


def make_hard(game):
    """The lowest, 8 of 256."""
    game.set(ENEMIES, 0, CATCH_RATE, 0)
    game.put(TRAPS, 200)


def owned(game):
    """Numbers of the species, from 1."""
    return {bit + 1 for bit in range(8) if game.byte(OWNED) >> bit & 1}


def be_wild(game, number):
    game.set(ENEMIES, 0, 0, number)


def of_another_kind(game):
    return min(set(range(1, 8)) - owned(game))


def test_the_wild(hunt):
    assert hunt.byte(IN_BATTLE) == 1 and hunt.byte(MAP) == 0x40
    assert hunt.byte(PARTY_COUNT) == 3 and hunt.byte(0xD89C) == 1 and hunt.byte(BOX_COUNT) == 0
    assert owned(hunt) == {hunt.get(PARTY, slot, 0) for slot in range(3)}
    assert hunt.env.unwrapped.read(0xD31D, 4) == bytes([1, 4, 6, 0xFF])
    assert hunt.env.unwrapped.read(OWNED + 1, 18) == bytes(18)


def test_a_first_of_its_kind_joins_the_party(hunt):
    number, before = of_another_kind(hunt), owned(hunt)
    be_wild(hunt, number)
    make_easy(hunt)
    hunt.trap()
    hunt.until(TEXT)
    assert hunt.counted == [1] and not hunt.over
    assert hunt.byte(PARTY_COUNT) == 4 and hunt.get(PARTY, 3, 0) == number and hunt.byte(BOX_COUNT) == 0
    assert owned(hunt) == before | {number}
    assert hunt.byte(TRAPS) == 5
    hunt.until_memory(IN_BATTLE, 0)
    assert hunt.counted == [1] and hunt.over
    hunt.until_memory(IN_BATTLE, 1)
    assert hunt.byte(TRAPS) == 6 and hunt.get(PARTY, 3, HP) == hunt.get(PARTY, 3, MAX_HP)


def test_one_of_a_kind_that_is_owned_goes_to_the_box(hunt):
    number, before = hunt.get(PARTY, 0, 0), owned(hunt)
    be_wild(hunt, number)
    make_easy(hunt)
    hunt.trap()
    hunt.until_memory(IN_BATTLE, 0)
    assert hunt.counted == [1] and hunt.over
    assert owned(hunt) == before and hunt.byte(PARTY_COUNT) == 3
    assert hunt.byte(BOX_COUNT) == 1 and hunt.byte(BOX_COUNT + 1) == number and hunt.byte(BOX_COUNT + 2) == 0xFF


def test_with_a_full_party_it_goes_to_the_box(hunt):
    number = of_another_kind(hunt)
    hunt.put(PARTY_COUNT, 6)
    be_wild(hunt, number)
    make_easy(hunt)
    hunt.trap()
    hunt.until_memory(IN_BATTLE, 0)
    assert hunt.counted == [1]  # box and owned changed, and that is one catch
    assert number in owned(hunt) and hunt.byte(PARTY_COUNT) == 6 and hunt.byte(BOX_COUNT) == 1


def test_traps_that_fail_are_gone_and_end_nothing(hunt):
    make_hard(hunt)
    for left in (199, 198):
        hunt.trap()
        hunt.until(BATTLE_MENU)
        assert hunt.byte(TRAPS) == left and hunt.counted == [] and not hunt.over
    assert hunt.get(PARTY, 0, HP) < hunt.get(PARTY, 0, MAX_HP)  # it strikes meanwhile
    hunt.run()
    hunt.until_memory(IN_BATTLE, 0)
    assert hunt.counted == [-1] and hunt.over
    assert hunt.byte(PARTY_COUNT) == 3 and hunt.byte(BOX_COUNT) == 0


def test_knocked_out_it_is_not_caught(hunt):
    hunt.set(ENEMIES, 0, HP, 1)
    hunt.fight()
    hunt.until_memory(IN_BATTLE, 0)
    assert hunt.counted == [-1] and hunt.over


def test_the_episode_ends_when_the_whole_party_has_fainted(hunt):
    hunt.mine_is_first(False)
    hunt.set(PARTY, 0, HP, 1)
    for slot in (1, 2):
        hunt.set(PARTY, slot, HP, 0)
    hunt.fight()
    hunt.until_memory(IN_BATTLE, 0xFF)
    assert hunt.counted == [-1] and hunt.over
    hunt.until(TITLE)


@pytest.mark.parametrize("why", ["no traps", "no room"])
def test_a_trap_that_cannot_be_thrown_costs_nothing(hunt, why):
    make_easy(hunt)
    if why == "no traps":
        hunt.put(TRAPS, 0)
    else:
        hunt.put(PARTY_COUNT, 6)
        hunt.put(BOX_COUNT, 20)
        hunt.take_over()
    hunt.trap()
    hunt.until(BATTLE_MENU)
    assert hunt.byte(TRAPS) == (0 if why == "no traps" else 6)
    assert hunt.counted == [] and not hunt.over
    assert hunt.get(PARTY, 0, HP) == hunt.get(PARTY, 0, MAX_HP)


@pytest.mark.slow
def test_the_weaker_the_easier(hunt):
    """The chance is rate (missing / most)² + 8 of 256: 8 untouched, 135 at a quarter of 40 with a rate of 226."""
    caught = {}
    start = hunt.env.unwrapped.clone_state()
    for hp in (40, 10):
        caught[hp] = 0
        for wait in range(30):
            hunt.env.unwrapped.restore_state(start)
            hunt.set(ENEMIES, 0, MAX_HP, 40)
            hunt.set(ENEMIES, 0, HP, hp)
            hunt.set(ENEMIES, 0, CATCH_RATE, 226)
            for _ in range(wait):
                hunt.step()
            hunt.trap()
            hunt.until(TEXT)
            hunt.step()
            caught[hp] += hunt.byte(BOX_COUNT) + hunt.byte(PARTY_COUNT) - 3
    assert caught[40] <= 4  # 0.9 expected; five or more in 0.2 % of all games
    assert 8 <= caught[10] <= 24  # 15.8 expected, standard deviation 2.7


def test_memory_is_where_the_definitions_look(hunt):
    assert SLOT == 0x2C and hunt.byte(0xD16B) == hunt.byte(0xD164)
    hp = hunt.get(ENEMIES, 0, HP)
    hunt.fight()
    hunt.until(BATTLE_MENU)
    now = hunt.get(ENEMIES, 0, HP)
    assert 0 < now < hp
    assert (hunt.byte(0xCFE6) << 8) + hunt.byte(0xCFE7) == now
    assert (hunt.byte(0xD015) << 8) + hunt.byte(0xD016) == hunt.get(PARTY, 0, HP)
