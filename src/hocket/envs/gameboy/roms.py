"""ROM files: identified by SHA-256 and checked for completeness.

The header, 0100 to 014F, holds the logo that every Game Boy checks before it starts a game, the size, and a checksum of
the header. Only the SHA-256 of the whole file identifies the game.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256 as _sha256
from pathlib import Path

from hocket.errors import ConfigurationError

HEADER_END = 0x150
LOGO = slice(0x104, 0x134)
LOGO_SHA256 = "daf4cabdc852baa0291849203f0b41fd0b4ecd58e0d7aff4a509f5de4d7f9a2e"
SIZE, CHECKSUM, CHECKED = 0x148, 0x14D, slice(0x134, 0x14D)
SMALLEST, LARGEST_CODE = 32 * 1024, 8
"""Bytes of a ROM whose size code is 0; each code more doubles it."""

OWN = Path(__file__).parent / "roms"
BLOCKS, DUEL = OWN / "blocks.gb", OWN / "duel.gb"
"""hocket's own games, part of the package."""


@dataclass(frozen=True, slots=True)
class Rom:
    """A complete ROM.

    Attributes:
        path: of its file.
        data: all bytes.
        sha256: hexadecimal, small letters.
    """

    path: Path
    data: bytes
    sha256: str


def read_rom(path: str | Path) -> Rom:
    """The ROM in the file ``path``, if it is one.

    Raises:
        ConfigurationError: if there is no such file, or it holds no Game Boy ROM, or not all of one.
    """
    path = Path(path).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"rom='{path}' cannot be read: {error.strerror or error}; the file of a Game Boy ROM is allowed; try "
            "rom='games/tetris.gb', with the path of yours"
        ) from error
    if not is_rom(data):
        raise ConfigurationError(
            f"rom='{path}' is no Game Boy ROM: its {len(data):,} bytes do not hold the header of one (logo and "
            "checksum, 0104 to 014D); unpacked .gb files are allowed; try unpacking it, or another file"
        )
    size = SMALLEST << data[SIZE] if data[SIZE] <= LARGEST_CODE else 0
    if len(data) != size:
        cut = "is cut off" if len(data) < size else "does not have the size of its header"
        raise ConfigurationError(
            f"rom='{path}' {cut}: it holds {len(data):,} bytes, its header says {size:,}; try copying it again"
        )
    return Rom(path, data, _sha256(data).hexdigest())


def is_rom(data: bytes) -> bool:
    """True if ``data`` begins with the header of a Game Boy ROM, with the right checksum."""
    if len(data) < HEADER_END or _sha256(data[LOGO]).hexdigest() != LOGO_SHA256:
        return False
    return data[CHECKSUM] == -sum(byte + 1 for byte in data[CHECKED]) & 0xFF


def check_revision(rom: Rom, known: Mapping[str, str], *, sha256: str | None = None) -> None:
    """Refuses a ROM that the definition of a game does not cover.

    Args:
        rom: from `read_rom`.
        known: names by SHA-256.
        sha256: of another revision that keeps its state at the same addresses, from the user.

    Raises:
        ConfigurationError: with the expected and the found SHA-256, and how to use the ROM nevertheless.
    """
    if rom.sha256 == (sha256.lower() if sha256 is not None else None) or (sha256 is None and rom.sha256 in known):
        return
    if sha256 is not None:
        raise ConfigurationError(
            f"rom='{rom.path}' has the SHA-256 {rom.sha256}, not sha256='{sha256}'; try the file that it is of, or "
            "leave sha256 out"
        )
    expected = " or ".join(f"{name} ({digest})" for digest, name in known.items())
    raise ConfigurationError(
        f"rom='{rom.path}' is not the ROM that the game is defined for: SHA-256 expected {expected}, found "
        f"{rom.sha256}; if it is another revision with the same addresses, pass sha256='{rom.sha256}'"
    )
