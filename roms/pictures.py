"""Turns pictures drawn with characters into C arrays for the Game Boy.  MIT licence, see LICENSE at the root.

    python3 pictures.py font common/font.txt > font.c        one bit a pixel, 96 letters, from 0x20 on
    python3 pictures.py tiles blocks/tiles.txt > tiles.c     two bits a pixel

A file of tiles has sections ``[name]``, each a picture of whole tiles of the shades ``. - + #`` (from white to black),
one character a pixel; other lines do not count. Each becomes ``const uint8_t name[]`` and NAME_TILES, tile by tile,
row by row. ``--header`` prints the declarations instead.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SHADES = ".-+#"
SIDE = 8


def font(text: str) -> list[int]:
    """A byte a row of each letter; its strokes one pixel wider than drawn."""
    rows = [line.split() for line in text.splitlines() if re.fullmatch(r"([.#]{5} ){7}[.#]{5}", line)]
    assert len(rows) == 96, f"{len(rows)} rows of letters, not 12 x 8"
    drawn = []
    for band in range(0, len(rows), SIDE):
        for letter in range(8):
            for row in rows[band : band + SIDE]:
                strokes = int(row[letter].replace(".", "0").replace("#", "1"), 2) << 2
                drawn.append(strokes | strokes >> 1)
    return drawn


def pictures(text: str) -> dict[str, list[int]]:
    """The tiles of each section, 16 bytes a tile: of each row the low bits, then the high bits."""
    found = {}
    for name, body in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL):
        rows = [line for line in body.splitlines() if line and not set(line) - set(SHADES)]
        width = len(rows[0])
        bad = [row for row in rows if len(row) != width]
        assert not bad and width % SIDE == 0 and len(rows) % SIDE == 0, f"[{name}]: {width} x {len(rows)}, {bad[:1]}"
        found[name] = [
            byte
            for top in range(0, len(rows), SIDE)
            for left in range(0, width, SIDE)
            for row in rows[top : top + SIDE]
            for byte in _planes(row[left : left + SIDE])
        ]
    return found


def _planes(row: str) -> tuple[int, int]:
    shades = [SHADES.index(pixel) for pixel in row]
    low, high = (sum((shade >> bit & 1) << SIDE - 1 - x for x, shade in enumerate(shades)) for bit in (0, 1))
    return low, high


def main() -> None:
    kind, source = sys.argv[1:3]
    text = Path(source).read_text()
    arrays = {"font": font(text)} if kind == "font" else pictures(text)
    print("#include <stdint.h>")
    for name, data in arrays.items():
        if "--header" in sys.argv:
            print(f"#define {name.upper()}_TILES {len(data) // 16}\nextern const uint8_t {name}[];")
            continue
        print(f"const uint8_t {name}[] = {{")
        for start in range(0, len(data), 16):
            print("    " + ", ".join(f"0x{byte:02X}" for byte in data[start : start + 16]) + ",")
        print("};")


if __name__ == "__main__":
    main()
