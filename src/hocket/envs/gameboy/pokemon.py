"""Pokémon battles and catching, for Red, Blue and Yellow.

Rewards follow the paper's reference code, except for two faults of it: here encounters advance, and when one of each
side faints in the same frame both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.game import Presses, Read, Tick, big_endian_words, idle, press, some_frames
from hocket.errors import ConfigurationError

NO_BATTLE, WILD, TRAINER = 0, 1, 2
PARTY = 6
SLOT = 0x2C
TITLE_FRAMES = 180
"""From power-on until a title screen takes buttons; where there is a longer one, save states are needed anyway."""


@dataclass(frozen=True, slots=True)
class Version:
    """An edition of the game and its addresses.

    Attributes:
        name: as in ``"Pokémon Red"``.
        sha256: of the ROM that the paper used.
        shift: of its addresses against Red's.
    """

    name: str
    sha256: str
    shift: int = 0

    @property
    def in_battle(self) -> int:
        """0 no, 1 wild, 2 trainer, FF lost."""
        return 0xD057 + self.shift

    @property
    def party_count(self) -> int:
        return 0xD163 + self.shift

    @property
    def party_hp(self) -> int:
        """Of slot 1; the next ones are `SLOT` bytes apart. Two bytes each, the highest first."""
        return 0xD16C + self.shift

    @property
    def enemy_count(self) -> int:
        return 0xD89C + self.shift

    @property
    def enemy_party_hp(self) -> int:
        """As `party_hp`."""
        return 0xD8A5 + self.shift

    @property
    def enemy_hp(self) -> int:
        """Hit points of the active enemy, the only one in the wild."""
        return 0xCFE6 + self.shift

    @property
    def owned(self) -> int:
        """Pokédex, one bit a species."""
        return 0xD2F7 + self.shift

    @property
    def box_count(self) -> int:
        return 0xDA80 + self.shift


OWNED_BYTES = 19

RED = Version("Pokémon Red", "5ca7ba01642a3b27b0cc0b5349b52792795b62d3ed977e98a09390659af96b7b")
"""Pokémon Red, the known revision."""
BLUE = Version("Pokémon Blue", "2a951313c2640e8c2cb21f25d1db019ae6245d9c7121f754fa61afd7bee6452d")
"""Pokémon Blue, the known revision."""
YELLOW = Version("Pokémon Yellow", "8cbaa499397e4f1a679c992ea9382a2dd7942ab398b48c19829c2d9529de47bf", shift=-1)
"""Pokémon Yellow, the known revision."""
VERSIONS = (RED, BLUE, YELLOW)


@dataclass(frozen=True, slots=True)
class Battle:
    """The state of a battle between two ticks.

    Attributes:
        kind: 1 wild, 2 trainer; 0 before the battle.
        mine, theirs: hit points.
        victorious: true if the last that fell was one of theirs. If both sides lost one in the same tick: true if one
            of mine still stands.
    """

    kind: int
    mine: tuple[int, ...]
    theirs: tuple[int, ...]
    victorious: bool = False


@dataclass(frozen=True, slots=True)
class PokemonBattles:
    """+1 when one of theirs falls, −1 when one of mine does; over once all of a side have, or the battle has ended.

    A battle is won if the last that fell was one of theirs. The next encounter comes after a win only.
    """

    version: Version = RED
    in_order: ClassVar[bool] = True

    @property
    def roms(self) -> Mapping[str, str]:
        return {self.version.sha256: self.version.name}

    def prepare(self, read: Read, encounter: int) -> Presses:
        """Waits for the title and chooses the encounter there."""
        return _choose(encounter)

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """Presses START, and A through the texts before the battle."""
        return _into_battle(self.version, Button.START, read, rng)

    def start(self, read: Read) -> Battle:
        """The hit points."""
        now = _kind(self.version, read)
        kind = now if now in (WILD, TRAINER) else NO_BATTLE
        return Battle(kind, *_hit_points(self.version, kind, read))

    def tick(self, state: Battle, read: Read) -> Tick[Battle]:
        """Counts those that fell since ``state``."""
        now = _kind(self.version, read)
        kind = now if now in (WILD, TRAINER) else state.kind
        mine, theirs = _hit_points(self.version, kind, read)
        if kind != state.kind:  # a battle begins
            return Tick(Battle(kind, mine, theirs))
        lost, beaten = _fallen(state.mine, mine), _fallen(state.theirs, theirs)
        victorious = any(mine) if beaten else state.victorious and not lost
        fought_out = kind != NO_BATTLE and (_all_fell(state.mine, mine) or _all_fell(state.theirs, theirs))
        ended = kind != NO_BATTLE and now != kind
        return Tick(Battle(kind, mine, theirs, victorious), float(beaten - lost), fought_out or ended)

    def won(self, state: Battle) -> bool:
        """True if the last that fell was one of theirs."""
        return state.victorious

    def info(self, state: Battle) -> dict[str, Any]:
        """Hit points, slot by slot."""
        return {"hp": state.mine, "enemy_hp": state.theirs}


@dataclass(frozen=True, slots=True)
class Hunt:
    """The state of a hunt between two ticks: Pokédex, box, whether one was caught, and whether the battle is over."""

    owned: bytes
    box: int
    caught: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class PokemonCatching:
    """+1 once when one is caught, −1 if the battle ends without; over when the battle is.

    Caught is what raises the box's count or changes the Pokédex. One of a species that is owned already shows in the
    box only: with room in the party it counts as not caught. Begin with a full one.
    """

    version: Version = RED
    in_order: ClassVar[bool] = False

    @property
    def roms(self) -> Mapping[str, str]:
        return {self.version.sha256: self.version.name}

    def prepare(self, read: Read, encounter: int) -> Presses:
        """Wait for the title and choose the encounter there."""
        return _choose(encounter)

    def begin(self, read: Read, rng: np.random.Generator) -> Presses:
        """Presses SELECT, and A through the texts before the battle."""
        return _into_battle(self.version, Button.SELECT, read, rng)

    def start(self, read: Read) -> Hunt:
        """The Pokédex and the box."""
        if _kind(self.version, read) not in (WILD, TRAINER):
            raise ConfigurationError(
                f"no battle is on: {self.version.in_battle:04X} is {_kind(self.version, read):02X}, in a wild one it "
                "is 01; try a save state from within a wild battle"
            )
        return Hunt(read(self.version.owned, OWNED_BYTES), read(self.version.box_count, 1)[0])

    def tick(self, state: Hunt, read: Read) -> Tick[Hunt]:
        """Compares Pokédex and box with ``state``, and checks for the battle's end."""
        owned, box = read(self.version.owned, OWNED_BYTES), read(self.version.box_count, 1)[0]
        news = not state.caught and (box > state.box or owned != state.owned)
        caught = state.caught or news
        over = _kind(self.version, read) not in (WILD, TRAINER)
        missed = over and not caught and not state.over
        return Tick(Hunt(owned, box, caught, over), float(news) - float(missed), over)

    def won(self, state: Hunt) -> bool:
        """True if it was caught."""
        return state.caught

    def info(self, state: Hunt) -> dict[str, Any]:
        """``caught``: true once it was."""
        return {"caught": state.caught}


def _choose(encounter: int) -> Presses:
    yield from idle(TITLE_FRAMES)
    for _ in range(encounter):
        yield from press(Button.RIGHT, up=4)


def _into_battle(version: Version, first: Button, read: Read, rng: np.random.Generator) -> Presses:
    if _kind(version, read) != NO_BATTLE:
        return
    yield from some_frames(rng)
    yield from press(first, up=4)
    while _kind(version, read) == NO_BATTLE:
        yield from press(Button.A, up=4)


def _kind(version: Version, read: Read) -> int:
    return read(version.in_battle, 1)[0]


def _hit_points(version: Version, kind: int, read: Read) -> tuple[tuple[int, ...], tuple[int, ...]]:
    mine = _of_party(read, version.party_count, version.party_hp)
    if kind == WILD:
        return mine, big_endian_words(read, (version.enemy_hp,))
    return mine, _of_party(read, version.enemy_count, version.enemy_party_hp)


def _of_party(read: Read, count: int, first: int) -> tuple[int, ...]:
    """Hit points of all six slots; 0 past the count, where memory may hold those of an earlier party."""
    slots = min(read(count, 1)[0], PARTY)
    return big_endian_words(read, range(first, first + SLOT * slots, SLOT)) + (0,) * (PARTY - slots)


def _fallen(before: tuple[int, ...], now: tuple[int, ...]) -> int:
    return sum(then > 0 and hp == 0 for then, hp in zip(before, now, strict=True))


def _all_fell(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    return any(before) and not any(now)
