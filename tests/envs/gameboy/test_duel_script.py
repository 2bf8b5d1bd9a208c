import re
from pathlib import Path

import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from duelling import BLARE, BURST, CRASH, ENEMIES, HP, MAX_HP, PARTY, PLUCK, SPEED, STATUS, TAP, TYPE, Duelling

from hocket.envs.gameboy.buttons import NONE
from hocket.envs.gameboy.duel_script import MOVES, BattlePlan, DuelScript, Move, damage, fit, monster, plan

SOURCE = Path(__file__).parents[3] / "roms/duel/creatures.c"
BRASS, REED, STRING, PLAIN = range(4)
FIGHT, TRAP, SWITCH = range(3)


@pytest.fixture
def duel():
    game = Duelling("hocket/Duel-v0")
    yield game
    game.env.close()


@pytest.fixture
def hunt():
    game = Duelling("hocket/Catch-v0")
    yield game
    game.env.close()


def read_of(game):
    return game.env.unwrapped.read


@pytest.mark.skipif(not SOURCE.exists(), reason="needs the sources of the game")
def test_its_moves_are_those_of_the_game():
    rows = re.findall(r'\{"(\w+)", (\w+), (\d+), (\d+), (\d+), (\w+)\},', SOURCE.read_text())
    types = {"BRASS": 0, "REED": 1, "STRING": 2, "PLAIN": 3}
    expected = [
        Move(types[type], int(power), int(accuracy), int(uses), harms_user=effect in ("RECOIL", "BURST"))
        for _, type, power, accuracy, uses, effect in rows
    ]
    assert len(expected) == 10 and list(MOVES.values()) == expected


def test_types_beat_each_other_in_a_ring():
    assert [fit(BRASS, STRING), fit(STRING, REED), fit(REED, BRASS)] == [2, 2, 2]
    assert [fit(STRING, BRASS), fit(REED, STRING), fit(BRASS, REED)] == [0.5, 0.5, 0.5]
    assert {fit(type, type) for type in range(4)} | {fit(PLAIN, BRASS), fit(BRASS, PLAIN)} == {1}


def test_it_reads_what_the_game_shows(duel):
    duel.set(PARTY, 1, HP, 299)
    duel.set(PARTY, 1, SPEED, 7)
    second = monster(read_of(duel), PARTY, 1)
    assert second.hp == 299 and second.level == 10 and not second.asleep
    assert second.species == duel.get(PARTY, 1, 0) and second.type == duel.get(PARTY, 1, TYPE)


@pytest.mark.parametrize("move", [TAP, BLARE, PLUCK])
def test_its_damage_is_the_games(duel, move):
    duel.only_move(PARTY, 0, move)
    duel.only_move(ENEMIES, 0, TAP)
    duel.set(ENEMIES, 0, HP, 400)
    duel.set(ENEMIES, 0, MAX_HP, 400)
    most = damage(monster(read_of(duel), PARTY, 0), monster(read_of(duel), ENEMIES, 0), move)
    for _ in range(5):
        duel.fight()
        duel.until(3)
        if lost := 400 - duel.get(ENEMIES, 0, HP):
            break
    assert 0.85 * most - 3 <= lost <= most + 1  # the game drops fractions on the way


def test_it_plays_what_hurts_most(duel):
    duel.set(PARTY, 0, TYPE, BRASS)
    duel.set(ENEMIES, 0, TYPE, STRING)
    duel.put(PARTY + 8, PLUCK, TAP, BLARE, BURST)
    duel.put(PARTY + 29, 9, 9, 9, 9)
    assert plan(read_of(duel)) == BattlePlan(FIGHT, 2)
    duel.put(PARTY + 29, 9, 9, 0, 9)
    assert plan(read_of(duel)) == BattlePlan(FIGHT, 0)


def test_it_leaves_a_fight_that_does_not_suit_it(duel):
    duel.set(ENEMIES, 0, TYPE, BRASS)
    for slot, type in enumerate((STRING, BRASS, REED)):
        duel.set(PARTY, slot, TYPE, type)
    assert plan(read_of(duel)) == BattlePlan(SWITCH, 2)
    duel.set(PARTY, 2, HP, 5)
    assert plan(read_of(duel)).entry == FIGHT


def test_it_throws_at_the_weak_only(hunt):
    hunt.put(PARTY + 8, CRASH, TAP, BURST, BLARE)
    hunt.put(PARTY + 29, 9, 9, 9, 0)
    hunt.set(ENEMIES, 0, MAX_HP, 100)
    hunt.set(ENEMIES, 0, HP, 100)
    assert plan(read_of(hunt)) == BattlePlan(FIGHT, 1)
    hunt.set(ENEMIES, 0, HP, 30)
    assert plan(read_of(hunt)) == BattlePlan(TRAP)
    hunt.set(ENEMIES, 0, HP, 50)
    hunt.set(ENEMIES, 0, STATUS, 2)
    assert plan(read_of(hunt)) == BattlePlan(TRAP)


@pytest.mark.slow
def test_it_catches_what_it_meets():
    script, returns = DuelScript(), []
    hunt = Duelling("hocket/Catch-v0")
    for seed in range(4):
        hunt.again(seed=seed)
        for _ in range(6000):
            hunt.step(script(read_of(hunt)))
            if hunt.over:
                break
        returns.append(sum(hunt.rewards))
    hunt.env.close()
    assert sum(returns) >= 2  # at least three of four; throwing at once catches one of six


def test_it_releases_buttons_in_between(hunt):
    script = DuelScript()
    pressed = []
    for _ in range(200):
        pressed.append(script(read_of(hunt)))
        hunt.step(pressed[-1])
    assert set(pressed[1::2]) == {NONE} and set(pressed[::2]) > {NONE}
