import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from duelling import (
    ATTACK,
    BATTLE_MENU,
    BLARE,
    BURST,
    CRASH,
    DEFENSE,
    DOWN,
    ENEMIES,
    HP,
    IN_BATTLE,
    LEVEL,
    MAP,
    MAX_HP,
    MUST_CHOOSE,
    PARTY,
    PARTY_MENU,
    PLUCK,
    STATUS,
    TAP,
    TEXT,
    TITLE,
    TYPE,
    USES,
    A,
    B,
    Duelling,
)

BRASS, REED, STRING = range(3)


@pytest.fixture
def duel():
    game = Duelling("hocket/Duel-v0")
    game.only_move(PARTY, 0, TAP)
    game.only_move(ENEMIES, 0, TAP)
    game.mine_is_first()
    yield game
    game.env.close()


def alone(game, party):
    """Only the first one of ``party`` stands."""
    for slot in range(1, 6):
        game.set(party, slot, HP, 0)
    game.take_over()


def test_the_first_round(duel):
    assert duel.byte(IN_BATTLE) == 2 and duel.byte(MAP) == 1
    assert duel.byte(0xD163) == duel.byte(0xD89C) == 3
    assert sorted(duel.get(PARTY, slot, TYPE) for slot in range(3)) == [BRASS, REED, STRING]
    for slot in range(3):
        assert duel.get(PARTY, slot, HP) == duel.get(PARTY, slot, MAX_HP) > 30
        assert duel.get(ENEMIES, slot, LEVEL) == duel.get(PARTY, slot, LEVEL) == 10
    assert [duel.get(PARTY, slot, HP) for slot in (3, 4, 5)] == [0, 0, 0]
    assert duel.byte(0xD014) == duel.byte(PARTY) and duel.byte(0xCFE5) == duel.byte(ENEMIES)
    assert (duel.byte(0xCFE6) << 8) + duel.byte(0xCFE7) == duel.get(ENEMIES, 0, HP)
    assert (duel.byte(0xCFF4) << 8) + duel.byte(0xCFF5) == duel.get(ENEMIES, 0, MAX_HP)
    assert duel.byte(0xCFF3) == 10
    assert duel.counted == []


def test_an_enemy_faints_and_the_next_one_comes(duel):
    duel.set(ENEMIES, 0, HP, 1)
    duel.fight()
    duel.until(BATTLE_MENU)
    assert duel.counted == [1] and not duel.over
    assert duel.get(ENEMIES, 0, HP) == 0
    assert duel.byte(0xCFE8) == 1 and duel.byte(0xCFE5) == duel.get(ENEMIES, 1, 0)


def test_an_own_monster_faints_and_another_must_be_sent(duel):
    duel.mine_is_first(False)
    duel.set(PARTY, 0, HP, 1)
    duel.fight()
    duel.until(MUST_CHOOSE)
    assert duel.counted == [-1] and not duel.over
    duel.press(B, A)  # neither back nor the one that fell
    assert duel.byte(0xCC24) == MUST_CHOOSE
    duel.press(DOWN, DOWN, A)
    duel.until(BATTLE_MENU)
    assert duel.byte(0xCC2F) == 2 and duel.byte(0xD014) == duel.get(PARTY, 2, 0)
    assert duel.counted == [-1]
    assert duel.get(ENEMIES, 0, HP) == duel.get(ENEMIES, 0, MAX_HP)  # the one that fell did not strike


def test_both_faint_in_the_same_frame(duel):
    duel.only_move(PARTY, 0, BURST)
    duel.set(ENEMIES, 0, HP, 1)
    start = duel.env.unwrapped.clone_state()
    for wait in range(8):
        duel.env.unwrapped.restore_state(start)
        for _ in range(wait):
            duel.step()
        duel.fight()
        duel.step_while(lambda: duel.get(PARTY, 0, HP) and duel.get(ENEMIES, 0, HP))
        assert duel.get(PARTY, 0, HP) == duel.get(ENEMIES, 0, HP) == 0
        assert duel.counted == []  # +1 and -1 in one tick
    duel.until(MUST_CHOOSE)
    duel.press(DOWN, A)
    duel.until(BATTLE_MENU)
    assert duel.byte(0xCC2F) == duel.byte(0xCFE8) == 1 and duel.counted == [] and not duel.over


def test_a_win_and_the_next_encounter(duel):
    alone(duel, ENEMIES)
    duel.set(ENEMIES, 0, HP, 1)
    duel.set(PARTY, 0, HP, 5)
    duel.fight()
    duel.until(TEXT)
    assert duel.counted == [1] and duel.over
    duel.until_memory(IN_BATTLE, 0)
    duel.until_memory(IN_BATTLE, 2)
    assert duel.byte(MAP) == 2
    for slot in range(3):
        assert duel.get(PARTY, slot, HP) == duel.get(PARTY, slot, MAX_HP)
        assert duel.get(PARTY, slot, LEVEL) == 11


@pytest.mark.slow
def test_the_next_encounter_comes_after_a_win_only(duel):
    seen = []
    for party, opponent in ((ENEMIES, PARTY), (PARTY, ENEMIES), (ENEMIES, PARTY)):  # won, lost, won
        alone(duel, party)
        duel.only_move(opponent, 0, TAP)
        duel.mine_is_first(opponent == PARTY)
        duel.set(party, 0, HP, 1)
        duel.fight()
        duel.step_while(lambda: not duel.over)
        seen.append(duel.again()["encounter"])
        assert duel.byte(MAP) == seen[-1] + 1
    assert seen == [1, 1, 2]


def test_a_loss(duel):
    alone(duel, PARTY)
    duel.mine_is_first(False)
    duel.set(PARTY, 0, HP, 1)
    duel.fight()
    duel.until_memory(IN_BATTLE, 0xFF)
    assert duel.counted == [-1] and duel.over
    duel.until(TITLE)
    assert duel.byte(IN_BATTLE) == 0


def test_last_against_last_in_one_frame_is_lost(duel):
    alone(duel, PARTY)
    alone(duel, ENEMIES)
    duel.only_move(PARTY, 0, BURST)
    duel.set(ENEMIES, 0, HP, 1)
    duel.fight()
    duel.until_memory(IN_BATTLE, 0xFF)
    assert duel.over and sum(duel.rewards) == 0
    assert duel.again()["encounter"] == 0


def test_after_the_last_round_comes_the_title():
    duel = Duelling("hocket/Duel-v0", encounter=7)
    assert duel.byte(MAP) == 8 and duel.byte(0xD163) == duel.byte(0xD89C) == 6
    assert len({duel.get(PARTY, slot, 0) for slot in range(6)}) == 6
    alone(duel, ENEMIES)
    duel.only_move(PARTY, 0, TAP)
    duel.mine_is_first()
    duel.set(ENEMIES, 0, HP, 1)
    duel.fight()
    duel.until(TITLE)
    assert duel.counted == [1] and duel.byte(IN_BATTLE) == 0
    duel.env.close()


@pytest.mark.parametrize(
    ("move", "least", "most"),
    [
        (BLARE, 15, 18),  # brass against string: 2 x 9
        (PLUCK, 7, 9),  # string against string: (50 (2 10 / 5 + 2) / 4) / 10 + 2 = 9
    ],
)
def test_damage_by_type(duel, move, least, most):
    duel.only_move(PARTY, 0, move)
    duel.set(PARTY, 0, TYPE, REED)  # so that none of the moves is its own
    duel.set(ENEMIES, 0, TYPE, STRING)
    _even(duel)
    lost = _lost(duel)
    assert least <= lost <= most


def test_a_weak_move_takes_half(duel):
    duel.only_move(PARTY, 0, BLARE)
    duel.set(PARTY, 0, TYPE, STRING)
    duel.set(ENEMIES, 0, TYPE, REED)
    _even(duel)
    assert 3 <= _lost(duel) <= 4


def test_a_move_of_its_own_type_takes_half_as_much_again(duel):
    duel.only_move(PARTY, 0, BLARE)
    duel.set(PARTY, 0, TYPE, BRASS)
    duel.set(ENEMIES, 0, TYPE, BRASS)
    _even(duel)
    assert 11 <= _lost(duel) <= 13


def _even(duel):
    for party in (PARTY, ENEMIES):
        for field in (ATTACK, DEFENSE):
            duel.set(party, 0, field, 25)
        duel.set(party, 0, LEVEL, 10)
        duel.set(party, 0, HP, 40)
    duel.set(PARTY, 0, STATUS, 0)


def _lost(duel):
    for _ in range(4):  # 230 of 256 hit, or more
        duel.fight()
        duel.until(BATTLE_MENU)
        if duel.get(ENEMIES, 0, HP) < 40:
            return 40 - duel.get(ENEMIES, 0, HP)
    raise AssertionError("four in a row missed")


def test_recoil_takes_a_quarter_of_the_damage(duel):
    _even(duel)
    duel.only_move(PARTY, 0, CRASH)
    duel.set(ENEMIES, 0, STATUS, 7)
    _lost(duel)
    assert 40 - duel.get(PARTY, 0, HP) == (40 - duel.get(ENEMIES, 0, HP)) // 4 + 1


def test_asleep_it_does_not_strike(duel):
    duel.set(PARTY, 0, STATUS, 3)
    before = duel.get(ENEMIES, 0, HP)
    duel.fight()
    duel.until(BATTLE_MENU)
    assert duel.get(PARTY, 0, STATUS) == 2 and duel.get(ENEMIES, 0, HP) == before
    assert duel.get(PARTY, 0, USES) == 9
    duel.set(PARTY, 0, STATUS, 1)
    duel.fight()
    duel.until(BATTLE_MENU)
    assert duel.get(PARTY, 0, STATUS) == 0 and duel.get(ENEMIES, 0, HP) < before
    assert duel.get(PARTY, 0, USES) == 8


def test_switching_costs_the_turn(duel):
    duel.switch(1)
    duel.until(BATTLE_MENU)
    assert duel.byte(0xCC2F) == 1 and duel.byte(0xD014) == duel.get(PARTY, 1, 0)
    assert duel.get(PARTY, 0, HP) == duel.get(PARTY, 0, MAX_HP)
    assert duel.get(PARTY, 1, HP) < duel.get(PARTY, 1, MAX_HP)  # tap always hits
    duel.press(DOWN, A)
    duel.until(PARTY_MENU)
    duel.press(B)
    duel.until(BATTLE_MENU)
    assert duel.byte(0xCC2F) == 1


@pytest.mark.parametrize("useless", ["trap", "run"])
def test_useless_choices_in_a_duel_cost_nothing(duel, useless):
    before = duel.get(PARTY, 0, HP), duel.get(ENEMIES, 0, HP)
    getattr(duel, useless)()
    duel.until(TEXT)
    duel.until(BATTLE_MENU)
    assert (duel.get(PARTY, 0, HP), duel.get(ENEMIES, 0, HP)) == before and duel.byte(IN_BATTLE) == 2


def test_without_uses_it_taps(duel):
    duel.put(PARTY + USES, 0, 0, 0, 0)
    before = duel.get(ENEMIES, 0, HP)
    duel.press(A)
    duel.until(BATTLE_MENU)
    assert duel.get(ENEMIES, 0, HP) < before


@pytest.mark.slow
def test_seeds_give_games_of_their_own():
    def start(seed):
        duel = Duelling("hocket/Duel-v0", seed=seed)
        kinds = [duel.get(party, slot, 0) for party in (PARTY, ENEMIES) for slot in range(3)]
        duel.env.close()
        return kinds

    assert start(1) == start(1)
    assert len({tuple(start(seed)) for seed in range(6)}) >= 4
