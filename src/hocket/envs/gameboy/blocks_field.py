"""Reads the state of Hocket Blocks from memory, and computes the result of placing a piece.

A field is 18 rows from the top, each a number of ten bits: bit x is the cell of column x. The addresses of the falling
piece are those of Tetris; the field's own is this game's (roms/blocks/memory.h).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hocket.envs.gameboy.game import Read

WIDTH, HEIGHT = 10, 18
FULL = (1 << WIDTH) - 1
FIELD = 0xC800
ROW_BYTES = 32
PIECE_Y, PIECE_X, PIECE = 0xC201, 0xC202, 0xC203
LEVEL = 0xFFA9

GRAVITY_TICKS = (53, 49, 45, 41, 37, 33, 28, 22, 17, 11, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 3)
"""Ticks a row at the levels 0 to 20."""

Field = tuple[int, ...]

_PICTURES = """
..# .#. ... ##.  #.. .## ... .#.  #### .#.. #### .#..  .##. .##. .##. .##.
### .#. ### .#.  ### .#. ### .#.  .... .#.. .... .#..  .##. .##. .##. .##.
... .## #.. .#.  ... .#. ..# ##.  .... .#.. .... .#..  .... .... .... ....
... ... ... ...  ... ... ... ...  .... .#.. .... .#..  .... .... .... ....

##. ..# ##. ..#  .## .#. .## .#.  .#. .#. ... .#.
.## .## .## .##  ##. .## ##. .##  ### .## ### ##.
... .#. ... .#.  ... ..# ... ..#  ... .#. .#. .#.
... ... ... ...  ... ... ... ...  ... ... ... ...
"""


def _shapes() -> tuple[Field, ...]:
    bands = [[row.split() for row in band.splitlines()] for band in _PICTURES.strip().split("\n\n")]
    drawn = [column for band in bands for column in zip(*band, strict=True)]
    return tuple(tuple(sum(1 << x for x, cell in enumerate(row) if cell == "#") for row in shape) for shape in drawn)


SHAPES = _shapes()
"""Of 4 · kind + rotation (L J I O Z S T, turning clockwise) the four rows of its box, bit x its column x."""


@dataclass(frozen=True, slots=True)
class Falling:
    """A piece: 4 · kind + rotation, and where the upper left corner of its box is (column -1 is possible)."""

    shape: int
    column: int
    row: int


def read_field(read: Read) -> Field:
    """The cells that are taken, without the falling piece."""
    data = read(FIELD, HEIGHT * ROW_BYTES)
    return tuple(
        sum(1 << x for x in range(WIDTH) if data[start + x]) for start in range(0, HEIGHT * ROW_BYTES, ROW_BYTES)
    )


def read_falling(read: Read) -> Falling:
    """The piece that falls; for the short while between two pieces, the one that lies."""
    y, x, shape = read(PIECE_Y, 3)
    return Falling(shape, x // 8 - 2, y // 8 - 2)


@cache
def placed(shape: int, column: int) -> Field | None:
    """The rows of ``shape`` with its box at ``column``, or None where it would stick out at a side."""
    rows = SHAPES[shape]
    if any((row << column if column >= 0 else row >> -column) & ~FULL for row in rows):
        return None
    moved = tuple(row << column if column >= 0 else row >> -column for row in rows)
    return moved if sum(map(int.bit_count, moved)) == 4 else None


def fits(field: Field, piece: Falling) -> bool:
    """True if ``piece`` lies in free cells of the field."""
    rows = placed(piece.shape, piece.column)
    if rows is None:
        return False
    return not any(row and (index >= HEIGHT or field[index] & row) for index, row in enumerate(rows, piece.row))


def dropped(field: Field, piece: Falling) -> Falling:
    """``piece`` as far down as it goes."""
    row = piece.row
    while fits(field, Falling(piece.shape, piece.column, row + 1)):
        row += 1
    return Falling(piece.shape, piece.column, row)


def laid(field: Field, piece: Falling) -> tuple[Field, int]:
    """The field once ``piece`` lies there and full rows are gone, and how many those were."""
    rows = list(field)
    for index, row in enumerate(placed(piece.shape, piece.column) or (), piece.row):
        if row:
            rows[index] |= row
    kept = [row for row in rows if row != FULL]
    cleared = HEIGHT - len(kept)
    return (*(0,) * cleared, *kept), cleared
