"""Draws the creatures of Hocket Duel and prints them as C: 48 x 48 pixels of four shades, as 6 x 6 tiles row by row.
MIT licence, see LICENSE at the root of the repository.

    python3 pictures.py > pictures.c

Each is a list of shapes from back to front, in pixels; whole numbers only, so that every machine draws the same.
"""

from __future__ import annotations

SIDE = 48
WHITE, LIGHT, DARK, BLACK = range(4)

Grid = list[list[int]]


class Picture:
    """A square of shades, facing right."""

    def __init__(self) -> None:
        self.pixels: Grid = [[WHITE] * SIDE for _ in range(SIDE)]

    def dot(self, x: int, y: int, shade: int = BLACK) -> None:
        """One pixel."""
        if 0 <= x < SIDE and 0 <= y < SIDE:
            self.pixels[y][x] = shade

    def oval(self, x: int, y: int, across: int, down: int, shade: int) -> None:
        """A filled ellipse around pixel (x, y) with an outline of one pixel."""
        for row in range(y - down, y + down + 1):
            for column in range(x - across, x + across + 1):
                if _inside(column - x, row - y, across, down):
                    within = across > 1 and down > 1 and _inside(column - x, row - y, across - 1, down - 1)
                    self.dot(column, row, shade if within else BLACK)

    def shade(self, x: int, y: int, across: int, down: int, shade: int) -> None:
        """An ellipse without outline, over what is neither white outside nor outline."""
        for row in range(y - down, y + down + 1):
            for column in range(x - across, x + across + 1):
                within = _inside(column - x, row - y, across, down) and 0 <= row < SIDE and 0 <= column < SIDE
                if within and self.pixels[row][column] in (LIGHT, DARK):
                    self.dot(column, row, shade)

    def shape(self, shade: int, *corners: tuple[int, int]) -> None:
        """A filled polygon with an outline of one pixel."""
        rows = range(min(y for _, y in corners), max(y for _, y in corners) + 1)
        edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
        for row in rows:
            crossings = []
            for (x0, y0), (x1, y1) in edges:
                if min(y0, y1) <= row < max(y0, y1):
                    crossings.append(x0 + (2 * (row - y0) * (x1 - x0) + (y1 - y0)) // (2 * (y1 - y0)))
            crossings.sort()
            for left, right in zip(crossings[::2], crossings[1::2], strict=True):
                for column in range(left, right + 1):
                    self.dot(column, row, shade)
        for start, end in edges:
            self.line(*start, *end)

    def line(self, x0: int, y0: int, x1: int, y1: int, shade: int = BLACK, thick: int = 1) -> None:
        """A straight line, ``thick`` pixels wide and high."""
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            x = x0 + (2 * step * (x1 - x0) + steps) // (2 * steps)
            y = y0 + (2 * step * (y1 - y0) + steps) // (2 * steps)
            for dx in range(thick):
                for dy in range(thick):
                    self.dot(x + dx, y + dy, shade)

    def eye(self, x: int, y: int, size: int = 3) -> None:
        """A white eye that looks right."""
        self.oval(x, y, size, size, WHITE)
        self.oval(x + 1, y, size - 2, size - 2, BLACK)
        self.dot(x + 2, y - 1, WHITE)

    def tiles(self) -> list[int]:
        """16 bytes a tile: of each row of 8 pixels the low bits, then the high bits, leftmost pixel first."""
        found = []
        for top in range(0, SIDE, 8):
            for left in range(0, SIDE, 8):
                for row in self.pixels[top : top + 8]:
                    eight = row[left : left + 8]
                    found += [sum((shade >> bit & 1) << 7 - i for i, shade in enumerate(eight)) for bit in (0, 1)]
        return found


def _inside(dx: int, dy: int, across: int, down: int) -> bool:
    a, b = 2 * across + 1, 2 * down + 1
    return 4 * dx * dx * b * b + 4 * dy * dy * a * a <= a * a * b * b


def tubbol() -> Picture:
    """A slug that carries its own tuba."""
    p = Picture()
    p.oval(9, 40, 8, 4, LIGHT)
    p.oval(21, 37, 17, 9, LIGHT)
    p.shade(19, 43, 14, 3, DARK)
    p.shape(DARK, (8, 30), (4, 18), (12, 15), (20, 27), (17, 33))
    p.oval(8, 14, 9, 6, LIGHT)
    p.oval(8, 13, 6, 4, BLACK)
    p.oval(24, 30, 5, 5, DARK)
    p.oval(24, 30, 2, 2, LIGHT)
    p.oval(36, 29, 9, 9, LIGHT)
    p.shade(33, 35, 6, 3, DARK)
    p.line(34, 21, 31, 13, thick=2)
    p.line(40, 21, 42, 13, thick=2)
    p.oval(31, 12, 2, 2, DARK)
    p.oval(42, 12, 2, 2, DARK)
    p.eye(34, 27)
    p.eye(41, 27)
    p.line(34, 34, 41, 34)
    p.dot(42, 33)
    return p


def hornik() -> Picture:
    """A kid goat with coiled horns."""
    p = Picture()
    for x in (10, 15, 26, 31):
        p.shape(LIGHT, (x, 34), (x + 4, 34), (x + 3, 46), (x, 46))
        p.line(x, 45, x + 3, 45, thick=2)
    p.shape(DARK, (8, 26), (1, 20), (3, 28), (9, 32))
    p.oval(20, 30, 14, 8, LIGHT)
    p.shade(18, 36, 11, 3, DARK)
    p.shape(LIGHT, (26, 30), (30, 18), (38, 20), (35, 34))
    p.oval(26, 11, 8, 8, DARK)
    p.oval(26, 11, 5, 5, LIGHT)
    p.oval(26, 11, 2, 2, BLACK)
    p.shape(DARK, (34, 14), (37, 7), (36, 1), (46, 4), (42, 10), (39, 15))
    p.shape(BLACK, (36, 1), (46, 4), (43, 6), (38, 4))
    p.oval(36, 20, 8, 7, LIGHT)
    p.oval(42, 24, 5, 4, WHITE)
    p.eye(36, 18)
    p.dot(44, 23)
    p.line(41, 26, 45, 26)
    p.shape(DARK, (38, 28), (42, 28), (40, 34))
    return p


def pipwig() -> Picture:
    """A chick under a wig of pipes."""
    p = Picture()
    p.line(19, 41, 17, 46, thick=2)
    p.line(28, 41, 29, 46, thick=2)
    p.line(14, 46, 20, 46, thick=2)
    p.line(27, 46, 33, 46, thick=2)
    p.shape(DARK, (10, 34), (1, 29), (4, 38), (12, 40))
    p.oval(23, 32, 15, 12, LIGHT)
    p.shade(24, 39, 10, 4, WHITE)
    for number, top in enumerate((14, 9, 4, 1, 4, 8)):
        x = 8 + 5 * number
        p.shape(DARK if number % 2 else LIGHT, (x, top), (x + 5, top), (x + 5, 23), (x, 23))
        p.line(x + 2, 17, x + 3, 17, thick=2)
        p.line(x, top, x + 5, top, thick=2)
    p.line(8, 24, 38, 24, thick=2)
    p.eye(25, 30, 4)
    p.eye(34, 30, 3)
    p.shape(DARK, (37, 32), (46, 35), (37, 37))
    p.line(37, 35, 44, 35)
    p.shape(DARK, (10, 29), (19, 33), (17, 40), (9, 36))
    p.line(11, 33, 16, 35)
    return p


def obowl() -> Picture:
    """An owl with the keys of an oboe down its breast."""
    p = Picture()
    p.shape(DARK, (16, 43), (22, 43), (19, 47))
    p.shape(DARK, (27, 43), (33, 43), (30, 47))
    p.shape(DARK, (9, 22), (2, 40), (12, 42), (15, 26))
    p.shape(DARK, (38, 22), (46, 40), (36, 42), (33, 26))
    p.oval(24, 31, 14, 14, LIGHT)
    p.shade(24, 34, 9, 10, WHITE)
    p.shape(DARK, (9, 14), (7, 1), (18, 8))
    p.shape(DARK, (39, 14), (42, 1), (30, 8))
    p.oval(24, 15, 16, 11, LIGHT)
    p.oval(17, 15, 7, 7, WHITE)
    p.oval(32, 15, 7, 7, WHITE)
    p.oval(19, 15, 3, 4, BLACK)
    p.oval(34, 15, 3, 4, BLACK)
    p.dot(20, 13, WHITE)
    p.dot(35, 13, WHITE)
    p.shape(DARK, (24, 16), (28, 19), (25, 25), (22, 19))
    for y in (29, 34, 39):
        p.oval(25, y, 3, 2, DARK)
        p.dot(25, y, WHITE)
    p.line(25, 26, 25, 27)
    p.line(20, 31, 20, 38)
    return p


def lyrak() -> Picture:
    """A fawn whose antlers are a lyre."""
    p = Picture()
    for x in (9, 15, 25, 30):
        p.shape(LIGHT, (x, 35), (x + 3, 35), (x + 3, 47), (x + 1, 47))
    p.oval(6, 29, 4, 3, WHITE)
    p.oval(19, 33, 14, 6, LIGHT)
    p.shade(19, 38, 10, 2, DARK)
    for x, y in ((13, 30), (18, 32), (23, 30)):
        p.line(x, y, x, y, WHITE, thick=2)
    p.shape(LIGHT, (25, 34), (29, 22), (36, 23), (34, 37))
    p.line(29, 19, 25, 13, thick=2)
    p.line(25, 13, 26, 6, thick=2)
    p.line(26, 6, 22, 2, thick=2)
    p.line(38, 19, 43, 13, thick=2)
    p.line(43, 13, 41, 6, thick=2)
    p.line(41, 6, 45, 2, thick=2)
    p.line(26, 6, 42, 6, thick=2)
    for x in (29, 32, 35, 38):
        p.line(x, 8, x, 18, DARK)
    p.shape(DARK, (28, 22), (20, 20), (27, 27))
    p.oval(35, 24, 8, 7, LIGHT)
    p.oval(41, 28, 5, 3, WHITE)
    p.dot(44, 27)
    p.dot(45, 27)
    p.eye(35, 22)
    p.line(40, 30, 44, 30)
    return p


def cellux() -> Picture:
    """A beetle with the body of a cello."""
    p = Picture()
    for x0, x1 in ((12, 3), (11, 2), (13, 6)):
        p.line(x0, 30, x1, 46 if x1 == 6 else 38 + x1, thick=2)
    for x0, x1 in ((34, 44), (35, 46), (33, 41)):
        p.line(x0, 30, x1, 46 if x1 == 41 else 38 + (46 - x1), thick=2)
    p.oval(23, 36, 15, 11, DARK)
    p.oval(23, 22, 11, 8, DARK)
    p.shade(23, 29, 9, 6, DARK)
    for y in range(26, 31):
        p.line(15, y, 31, y, DARK)
    p.shade(20, 35, 9, 8, LIGHT)
    p.shade(21, 21, 7, 5, LIGHT)
    p.line(15, 31, 17, 39)
    p.line(31, 31, 29, 39)
    for x, y in ((14, 31), (18, 39), (32, 31), (28, 39)):
        p.dot(x, y)
    p.shape(BLACK, (21, 26), (25, 26), (25, 45), (21, 45))
    for x in (22, 24):
        p.line(x, 14, x, 42, WHITE)
    p.line(19, 39, 27, 39, thick=2)
    p.shape(LIGHT, (14, 16), (20, 11), (33, 11), (37, 17), (30, 20), (17, 20))
    p.line(19, 11, 13, 3, thick=2)
    p.oval(12, 4, 3, 3, DARK)
    p.line(31, 11, 37, 3, thick=2)
    p.oval(38, 4, 3, 3, DARK)
    p.eye(24, 15)
    p.eye(32, 15)
    return p


def gongle() -> Picture:
    """A walking gong."""
    p = Picture()
    p.line(8, 2, 8, 12, thick=2)
    p.line(38, 2, 38, 12, thick=2)
    p.line(4, 2, 43, 2, thick=3)
    p.shape(DARK, (15, 38), (20, 38), (19, 45), (12, 45))
    p.shape(DARK, (28, 38), (33, 38), (37, 45), (29, 45))
    p.oval(14, 45, 5, 2, LIGHT)
    p.oval(34, 45, 5, 2, LIGHT)
    p.line(6, 25, 1, 33, thick=2)
    p.oval(2, 34, 2, 2, LIGHT)
    p.line(42, 25, 45, 17, thick=2)
    p.oval(44, 14, 3, 4, DARK)
    p.oval(23, 24, 18, 17, DARK)
    p.oval(23, 24, 15, 14, LIGHT)
    p.shade(20, 29, 11, 7, DARK)
    p.oval(25, 24, 10, 9, LIGHT)
    p.eye(21, 22)
    p.eye(30, 22)
    p.line(18, 17, 23, 19)
    p.line(33, 17, 28, 19)
    p.line(22, 29, 30, 29, thick=2)
    p.dot(21, 28)
    p.dot(32, 28)
    return p


PICTURES = (tubbol, hornik, pipwig, obowl, lyrak, cellux, gongle)


def main() -> None:
    """Print the C source."""
    print('/* Drawn by pictures.py. */\n#include "pictures.h"\n')
    print("const uint8_t pictures[][PICTURE_BYTES] = {")
    for draw in PICTURES:
        data = draw().tiles()
        print(f"    {{ /* {draw.__name__} */")
        for start in range(0, len(data), 16):
            print("        " + " ".join(f"0x{byte:02X}," for byte in data[start : start + 16]))
        print("    },")
    print("};")


if __name__ == "__main__":
    main()
