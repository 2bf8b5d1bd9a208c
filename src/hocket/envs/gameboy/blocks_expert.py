"""An expert player of Hocket Blocks that reads the game's memory: for demonstrations and as a baseline.

Placements are judged as El-Tetris judges them (I. El-Ashi, "El-Tetris - An Improvement on Pierre Dellacherie's
Algorithm", 2011): six features of what a placement leaves behind, with the weights given there. Only the falling piece
is looked at, not the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hocket.envs.gameboy.blocks_field import (
    FULL,
    GRAVITY_TICKS,
    HEIGHT,
    LEVEL,
    SHAPES,
    WIDTH,
    Falling,
    Field,
    dropped,
    fits,
    laid,
    read_falling,
    read_field,
)
from hocket.envs.gameboy.buttons import NONE, PLAYED, Button
from hocket.envs.gameboy.game import Read

A, B, LEFT, RIGHT, DOWN = map(PLAYED.index, (Button.A, Button.B, Button.LEFT, Button.RIGHT, Button.DOWN))

LANDING_HEIGHT = -4.500158825082766
ROWS_CLEARED = 3.4181268101392694
ROW_TRANSITIONS = -3.2178882868487753
COLUMN_TRANSITIONS = -9.348695305445199
HOLES = -7.899265427351652
WELL_SUMS = -3.3855972247263626


def value(field: Field, piece: Falling) -> float:
    """The value of placing ``piece`` in ``field``; higher is better."""
    heights = [HEIGHT - row for row, cells in enumerate(SHAPES[piece.shape], piece.row) if cells]
    after, cleared = laid(field, piece)
    return (
        LANDING_HEIGHT * (min(heights) - 1 + len(heights) / 2)
        + ROWS_CLEARED * cleared
        + ROW_TRANSITIONS * row_transitions(after)
        + COLUMN_TRANSITIONS * column_transitions(after)
        + HOLES * holes(after)
        + WELL_SUMS * well_sums(after)
    )


def row_transitions(field: Field) -> int:
    """Neighbours in a row of which one is taken and one is free; the walls count as taken."""
    walled = (1 | row << 1 | 1 << WIDTH + 1 for row in field)
    return sum(((row ^ row >> 1) & (FULL << 1 | 1)).bit_count() for row in walled)


def column_transitions(field: Field) -> int:
    """Neighbours in a column of which one is taken and one is free; the floor counts as taken."""
    return sum((upper ^ lower).bit_count() for upper, lower in zip(field, (*field[1:], FULL), strict=True))


def holes(field: Field) -> int:
    """Free cells with a taken one somewhere above them."""
    count = covered = 0
    for row in field:
        count += (covered & ~row).bit_count()
        covered |= row
    return count


def well_sums(field: Field) -> int:
    """1 + 2 + ... + its depth for every well: free cells, one below the other, between taken ones (or walls)."""
    total = 0
    depths = [0] * WIDTH
    for row in field:
        wells = ~row & (row << 1 | 1) & (row >> 1 | 1 << WIDTH - 1)
        for column in range(WIDTH):
            depths[column] = depths[column] + 1 if wells >> column & 1 else 0
            total += depths[column]
    return total


def presses(piece: Falling, target: Falling) -> Iterator[int]:
    """The actions from ``piece`` to the rotation and column of ``target``, in the order in which they are tried."""
    turns = (target.shape - piece.shape) % 4
    turning = [B] if turns == 3 else [A] * turns
    moving = [RIGHT if target.column > piece.column else LEFT] * abs(target.column - piece.column)
    for index in range(max(len(turning), len(moving))):
        yield from turning[index : index + 1]
        yield from moving[index : index + 1]


def pressed(piece: Falling, action: int) -> Falling:
    """``piece`` after a press of a direction or a turn, if nothing is in its way."""
    kind = piece.shape & ~3
    if action in (A, B):
        return Falling(kind | (piece.shape + (1 if action == A else -1)) & 3, piece.column, piece.row)
    return Falling(piece.shape, piece.column + (1 if action == RIGHT else -1), piece.row)


def reached(field: Field, piece: Falling, target: Falling, *, gravity_ticks: int) -> Falling | None:
    """The position of ``piece`` after the presses towards ``target``, falling meanwhile; None if it is blocked.

    The same button counts again only after a tick without it.
    """
    ticks, last = 0, NONE
    for action in presses(piece, target):
        wait = 2 if action == last else 1
        for _ in range(wait):
            ticks += 1
            if ticks % gravity_ticks == 0:
                piece = Falling(piece.shape, piece.column, piece.row + 1)
        piece, last = pressed(piece, action), action
        if not fits(field, piece):
            return None
    return piece


def best_placement(field: Field, piece: Falling, *, gravity_ticks: int) -> Falling | None:
    """The best reachable placement of ``piece``, or None if there is none."""
    kind = piece.shape & ~3
    best, best_value = None, float("-inf")
    seen: set[Field] = set()
    for shape in range(kind, kind + 4):
        if SHAPES[shape] in seen:
            continue
        seen.add(SHAPES[shape])
        for column in range(-1, WIDTH):
            there = reached(field, piece, Falling(shape, column, piece.row), gravity_ticks=gravity_ticks)
            if there is None:
                continue
            lying = dropped(field, there)
            found = value(field, lying)
            if found > best_value:
                best, best_value = lying, found
    return best


class Situation(NamedTuple):
    """The part of memory that the expert decides on."""

    field: Field
    piece: Falling
    level: int


class BlocksExpert:
    """Plays ``hocket/Blocks-v0``: every call reads the game's memory and returns the action of the next tick.

    It presses a button for a tick and releases it for one, and holds DOWN once the piece is above its place. Where the
    environment releases buttons itself (``fresh_press=True``) its actions follow from the current picture alone, so
    that an agent that sees pictures can imitate it: pictures show memory of the tick before, which it uses there.

    Args:
        read: the environment's memory, ``env.unwrapped.read``.
        fresh_press: the environment's.

    Attributes:
        last: the action returned last; set it if another one was executed.
        target: the planned place of the falling piece, None without a plan.
    """

    def __init__(self, read: Read, *, fresh_press: bool = False) -> None:
        self.last = NONE
        self.target: Falling | None = None
        self._read = read
        self._fresh_press = fresh_press
        self._newest: Situation | None = None
        self._planned: tuple[Field, int] | None = None

    def __call__(self) -> int:
        """An action of the environment."""
        newest = Situation(read_field(self._read), read_falling(self._read), self._read(LEVEL, 1)[0])
        shown, self._newest = self._newest or newest, newest
        if self._fresh_press:
            action = self._wanted(shown)
        else:
            action = self._wanted(newest)
            if action == self.last and action != DOWN:
                action = NONE  # release it first
        self.last = action
        return action

    def _wanted(self, seen: Situation) -> int:
        if not fits(seen.field, seen.piece):  # it lies already
            self._planned = self.target = None
            return DOWN if self._fresh_press else NONE  # in the picture it still falls
        planned = seen.field, seen.piece.shape & ~3
        if planned != self._planned:
            gravity_ticks = GRAVITY_TICKS[seen.level]
            self._planned, self.target = planned, best_placement(seen.field, seen.piece, gravity_ticks=gravity_ticks)
            if not self._fresh_press:
                return NONE
        if self.target is None:
            return NONE
        return next(presses(seen.piece, self.target), DOWN)
