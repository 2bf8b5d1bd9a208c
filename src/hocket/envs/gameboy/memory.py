"""Numbers as Game Boy games keep them, from their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Read = Callable[[int, int], bytes]
"""``read(address, count)``: that many bytes of the Game Boy's memory, as it is now."""


def bcd_little(data: bytes) -> int:
    """Binary-coded decimal, two digits a byte, the lowest byte first: ``10 02`` is 210."""
    return sum(100**place * (10 * (byte >> 4) + (byte & 0x0F)) for place, byte in enumerate(data))


def big_endian(data: bytes) -> int:
    """An unsigned number with its highest byte first, of two bytes or three as well: ``01 2C`` is 300."""
    return int.from_bytes(data, "big")


def big_endian_words(read: Read, addresses: Iterable[int]) -> tuple[int, ...]:
    """The two-byte numbers, highest byte first, at each of ``addresses``."""
    return tuple(big_endian(read(address, 2)) for address in addresses)
