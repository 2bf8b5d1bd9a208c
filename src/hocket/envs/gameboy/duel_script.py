"""A simple player of Hocket Duel: it plays the move with the most damage, and traps weakened monsters.

It reads the game's memory, which agents do not see, and returns the environment's actions. The table of moves is that
of ``roms/duel/creatures.c``; the addresses are those of ``roms/duel/memory.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hocket.envs.gameboy.buttons import NONE, PLAYED, Button
from hocket.envs.gameboy.game import Read, big_endian

A, B, RIGHT, UP, DOWN, LEFT = (
    PLAYED.index(b) for b in (Button.A, Button.B, Button.RIGHT, Button.UP, Button.DOWN, Button.LEFT)
)
WAITS_FOR, CURSOR, OWN_SLOT, ENEMY_SLOT, IN_BATTLE, TRAPS = 0xCC24, 0xCC26, 0xCC2F, 0xCFE8, 0xD057, 0xD31F
PARTY, ENEMIES, MONSTER_BYTES, PARTY_MOST = 0xD16B, 0xD8A4, 0x2C, 6
TEXT, BATTLE_MENU, MOVES_MENU, PARTY_MENU, PARTY_MENU_FORCED = 2, 3, 4, 5, 6
FIGHT, TRAP, SWITCH = 0, 1, 2
WILD = 1
PLAIN = 3
HUSH = 10

WEAK_SHARE, ASLEEP_SHARE = 0.3, 0.5
"""Shares of a wild monster's hit points at or below which traps are thrown; the second applies while it sleeps."""
FRESH_SHARE = 0.6
"""Share of hit points above which a member may be switched in."""


@dataclass(frozen=True, slots=True)
class Move:
    """A move as the game has it; ``accuracy`` of 256, where 255 always hits."""

    type: int
    power: int
    accuracy: int
    uses: int
    harms_user: bool = False


MOVES = {
    1: Move(3, 20, 255, 30),
    2: Move(0, 50, 242, 15),
    3: Move(0, 80, 192, 6),
    4: Move(1, 50, 242, 15),
    5: Move(1, 80, 192, 6),
    6: Move(2, 50, 242, 15),
    7: Move(2, 80, 192, 6),
    8: Move(3, 90, 230, 8, harms_user=True),
    9: Move(3, 200, 255, 2, harms_user=True),
    10: Move(3, 0, 180, 8),
}
"""By number: tap, blare, fanfare, chirp, squall, pluck, glissade, crash, burst, hush."""
BURST = 9


@dataclass(frozen=True, slots=True)
class Monster:
    """One of a party."""

    species: int
    hp: int
    max_hp: int
    asleep: bool
    type: int
    level: int
    attack: int
    defense: int
    moves: tuple[int, ...]
    uses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BattlePlan:
    """The plan of one turn: an entry of the battle menu, and the slot of the move or member."""

    entry: int
    slot: int = 0


def monster(read: Read, party: int, slot: int) -> Monster:
    """The one in ``slot`` (from 0) of the party at address ``party``."""
    data = read(party + MONSTER_BYTES * slot, MONSTER_BYTES)
    return Monster(
        species=data[0],
        hp=big_endian(data[1:3]),
        max_hp=big_endian(data[34:36]),
        asleep=data[4] > 0,
        type=data[5],
        level=data[33],
        attack=big_endian(data[36:38]),
        defense=big_endian(data[38:40]),
        moves=tuple(data[8:12]),
        uses=tuple(data[29:33]),
    )


def fit(attack: int, defense: int) -> float:
    """The factor of a move's damage by types: 2, 1/2 or 1. Brass (0) beats string (2) beats reed (1) beats brass."""
    if PLAIN in (attack, defense) or attack == defense:
        return 1.0
    return 2.0 if defense == (attack + 2) % 3 else 0.5


def damage(attacker: Monster, defender: Monster, move: int) -> float:
    """The largest damage of ``move``; the smallest is 85 % of it."""
    entry = MOVES[move]
    if not entry.power:
        return 0.0
    base = entry.power * (attacker.level * 2 // 5 + 2) / 4 * attacker.attack / defender.defense / 10 + 2
    return base * (1.5 if entry.type == attacker.type else 1) * fit(entry.type, defender.type)


def plan(read: Read) -> BattlePlan:
    """The plan of this turn, from memory at its beginning."""
    mine, theirs = _active(read)
    if read(IN_BATTLE, 1)[0] == WILD and read(TRAPS, 1)[0]:
        return _catch(mine, theirs)
    better = _better_member(read, theirs) if fit(theirs.type, mine.type) > 1 else None
    return BattlePlan(FIGHT, _hardest(mine, theirs)) if better is None else BattlePlan(SWITCH, better)


class DuelScript:
    """The player: ``script(read)`` returns the action of the next frame. One object plays any number of episodes."""

    def __init__(self) -> None:
        self._pressed = False

    def __call__(self, read: Read) -> int:
        """The button to press in the next frame, or none: every other frame releases it."""
        self._pressed = not self._pressed
        return self._press(read) if self._pressed else NONE

    def _press(self, read: Read) -> int:
        waits, cursor = read(WAITS_FOR, 1)[0], read(CURSOR, 1)[0]
        if waits == TEXT:
            return A
        if waits == BATTLE_MENU:
            wanted = plan(read).entry
            if cursor & 1 != wanted & 1:
                return RIGHT if wanted & 1 else LEFT
            return A if cursor == wanted else DOWN if wanted & 2 else UP
        if waits == MOVES_MENU:
            return _along(cursor, plan(read).slot)
        if waits == PARTY_MENU:
            now = plan(read)
            return _along(cursor, now.slot) if now.entry == SWITCH else B
        if waits == PARTY_MENU_FORCED:
            return _along(cursor, _next_member(read))
        return NONE


def _along(cursor: int, wanted: int) -> int:
    return A if cursor == wanted else DOWN if cursor < wanted else UP


def _active(read: Read) -> tuple[Monster, Monster]:
    return monster(read, PARTY, read(OWN_SLOT, 1)[0]), monster(read, ENEMIES, read(ENEMY_SLOT, 1)[0])


def _slots(mine: Monster, allowed: Callable[[int], bool] = lambda move: True) -> list[int]:
    return [slot for slot, (move, uses) in enumerate(zip(mine.moves, mine.uses, strict=True)) if uses and allowed(move)]


def _hardest(mine: Monster, theirs: Monster) -> int:
    """The slot of the move with the largest expected damage; Burst only below a quarter of the hit points."""

    def expected(slot: int) -> float:
        move = mine.moves[slot]
        if move == BURST and mine.hp > mine.max_hp / 4:
            return -1.0
        return min(0.92 * damage(mine, theirs, move), theirs.hp) * MOVES[move].accuracy

    return max(_slots(mine), key=expected, default=0)


def _catch(mine: Monster, theirs: Monster) -> BattlePlan:
    """Weakens the wild monster without defeating it, then throws a trap."""
    if theirs.hp <= theirs.max_hp * (ASLEEP_SHARE if theirs.asleep else WEAK_SHARE):
        return BattlePlan(TRAP)
    safe = _slots(mine, lambda move: not MOVES[move].harms_user and 0 < damage(mine, theirs, move) + 1 < theirs.hp)
    if safe:
        return BattlePlan(FIGHT, max(safe, key=lambda slot: damage(mine, theirs, mine.moves[slot])))
    hush = [] if theirs.asleep else _slots(mine, lambda move: move == HUSH)
    return BattlePlan(FIGHT, hush[0]) if hush else BattlePlan(TRAP)


def _better_member(read: Read, theirs: Monster) -> int | None:
    """A member with a strong type against ``theirs`` and enough hit points."""
    for slot in range(PARTY_MOST):
        member = monster(read, PARTY, slot)
        if member.species and member.hp > FRESH_SHARE * member.max_hp and fit(member.type, theirs.type) > 1:
            return slot
    return None


def _next_member(read: Read) -> int:
    """The standing member with the best type against the enemy."""
    theirs = monster(read, ENEMIES, read(ENEMY_SLOT, 1)[0])
    party = [monster(read, PARTY, slot) for slot in range(PARTY_MOST)]
    standing = [slot for slot, member in enumerate(party) if member.hp]
    return max(standing, key=lambda slot: (fit(party[slot].type, theirs.type), party[slot].hp), default=0)
