from hocket.envs.gameboy.game import bcd_little, big_endian, big_endian_words


def test_decimal_digits_lowest_byte_first():
    assert bcd_little(bytes([0x40, 0x00, 0x00])) == 40
    assert bcd_little(bytes([0x99, 0x99, 0x00])) == 9_999
    assert bcd_little(bytes([0x00, 0x00, 0x01])) == 10_000
    assert bcd_little(bytes([0x56, 0x34, 0x12])) == 123_456
    assert bcd_little(bytes([0x99, 0x99, 0x99])) == 999_999


def test_numbers_highest_byte_first():
    assert big_endian(bytes([0x01, 0x2C])) == 300
    assert big_endian(bytes([0x02, 0xBF, 0x20])) == 180_000
    memory = {0x10: b"\x01\x00", 0x3C: b"\x00\x07"}
    assert big_endian_words(lambda address, count: memory[address][:count], (0x10, 0x3C)) == (256, 7)
