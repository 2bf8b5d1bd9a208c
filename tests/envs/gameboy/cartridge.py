"""A cartridge made of a few bytes of machine code, for tests that need a Game Boy but no game.

It shows a title (FFE1 = 07), goes to a level select (11) and into play (00) when START is pressed, as Tetris does;
into a battle, too, when START (D057 = 02) or SELECT (01) is. Else it counts: frames in C0E0, those with A down in
C0E1, presses of A in C0E2. C0E3 is the clock (DIV) at the last press of START. The screen scrolls by a line in each
frame with A down.
"""

from hocket.envs.gameboy.roms import CHECKED, CHECKSUM, LOGO

LOGO_BYTES = bytes.fromhex(
    "ceed6666cc0d000b03730083000c000d0008111f8889000edccc6ee6ddddd999bbbb67636e0eecccdddc999fbbb9333e"
)
FRAMES, HELD, PRESSES, CLOCK = 0xC0E0, 0xC0E1, 0xC0E2, 0xC0E3

JR, JR_NZ, JR_Z = 0x18, 0x20, 0x28


def low(address):
    return [address & 0xFF, address >> 8]


def count(address):
    """LD HL, address; INC (HL)"""
    return [0x21, *low(address), 0x34]


def port(select):
    """A and the buttons that are down, in D: of the half that ``select`` chooses."""
    return [0x3E, select, 0xE0, 0x00, 0xF0, 0x00, 0xF0, 0x00, 0x2F, 0xE6, 0x0F, 0x57]


def skip_unless(bit, then):
    """``then``, if that bit of E is set."""
    return [0x7B, 0xE6, bit, JR_Z, len(then), *then]


def to_play():
    """Title to level select to play."""
    select = [0x3E, 0x11, 0xE0, 0xE1]
    play = [0xF0, 0xE1, 0xFE, 0x11, JR_NZ, 3, 0xAF, 0xE0, 0xE1]
    return [0xF0, 0xE1, 0xFE, 0x07, JR_NZ, len(select) + 2, *select, JR, len(play), *play]


def program():
    start = [0xF0, 0x04, 0xEA, *low(CLOCK), 0x3E, 2, 0xEA, *low(0xD057), *to_play()]
    begin = [0x3E, 0x07, 0xE0, 0xE1, 0x06, 0x00]  # B: what was down
    loop = [
        *port(0x10),
        *[0xA8, 0xA2, 0x5F, 0x42],  # E: what is newly down
        *count(FRAMES),
        *[0x7A, 0xE6, 0x01, JR_Z, 8, *count(HELD), 0x21, 0x42, 0xFF, 0x34],  # SCY
        *skip_unless(0x01, count(PRESSES)),
        *skip_unless(0x08, start),
        *skip_unless(0x04, [0x3E, 1, 0xEA, *low(0xD057)]),
        *[0xF0, 0x44, 0xFE, 0x91, JR_NZ, 0xFA],  # until line 145,
        *[0xF0, 0x44, 0xFE, 0x91, JR_Z, 0xFA],  # and past it
    ]
    return bytes([*begin, *loop, JR, 0x100 - len(loop) - 2 & 0xFF])


def cartridge(*, code=None, title=b"CARTRIDGE", size_code=0):
    """A ROM of 32 KiB, or twice that for each higher size code."""
    rom = bytearray(32 * 1024 << size_code)
    rom[0x100:0x104] = bytes([0x00, 0xC3, *low(0x150)])
    rom[LOGO] = LOGO_BYTES
    rom[0x134 : 0x134 + len(title)] = title
    rom[0x148] = size_code
    if size_code:
        rom[0x147] = 0x19  # a mapper
    rom[CHECKSUM] = -sum(byte + 1 for byte in rom[CHECKED]) & 0xFF
    code = program() if code is None else code
    rom[0x150 : 0x150 + len(code)] = code
    return bytes(rom)
