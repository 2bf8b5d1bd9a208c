"""Hocket Blocks on the emulator: play with known rewards, through the definition of Tetris."""

import pytest

from hocket.envs.gameboy.blocks_expert import BlocksExpert
from hocket.envs.gameboy.blocks_field import FIELD, SHAPES
from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.emulator import Emulator
from hocket.envs.gameboy.factory import make_blocks
from hocket.envs.gameboy.roms import BLOCKS

A, B, LEFT, UP, RIGHT, DOWN, NONE, START = range(8)
SCORE, LINES, LEVEL, STATE, NEXT = 0xC0A0, 0xFF9E, 0xFFA9, 0xFFE1, 0xC213
L, J, I, O, Z, S, T = range(0, 28, 4)  # noqa: E741 (the names of the pieces)
UPRIGHT = I + 1  # the second column of its box, rows 0 to 3
TILE_MAP, BLOCK_TILE = 0x9800, 0x80


@pytest.fixture(scope="module")
def boy():
    env = make_blocks(raw=True, start_select=True)
    yield env
    env.close()


@pytest.fixture
def game(boy):
    boy.reset(seed=0)
    return boy


def put(game, shape, *, column, row):
    """The falling piece becomes ``shape`` with its box there."""
    game.write(0xC201, bytes([8 * row + 16, 8 * column + 16, shape]))


def piece(game):
    """Its shape, column and row."""
    y, x, shape = game.read(0xC201, 3)
    return shape, x // 8 - 2, y // 8 - 2


def fill(game, *rows):
    """The lowest rows of the field; they are not drawn."""
    for index, row in enumerate(rows, 18 - len(rows)):
        game.write(FIELD + 32 * index, bytes(BLOCK_TILE * (cell == "#") for cell in row))


def field(game):
    return ["".join(".#"[cell > 0] for cell in game.read(FIELD + 32 * row, 10)) for row in range(18)]


def bcd(number, size):
    digits = f"{number:0{2 * size}d}"
    return bytes(int(digits[i : i + 2], 16) for i in range(2 * size - 2, -2, -2))


def play(game, *actions):
    """The rewards of ``actions``, none of which ends the game."""
    rewards = []
    for action in actions:
        _, reward, terminated, _, _ = game.step(action)
        assert not terminated
        rewards.append(reward)
    return rewards


def clear(game, rows, *, level=0, score=0, lines=0):
    """The rewards of an upright I that fills a gap at the right in ``rows`` rows, over 120 ticks."""
    game.write(SCORE, bcd(score, 3))
    game.write(LINES, bcd(lines, 2))
    game.write(LEVEL, bytes([level]))
    play(game, NONE)
    fill(game, *["#########."] * rows)
    put(game, UPRIGHT, column=8, row=14)
    return play(game, *[NONE] * 120)


@pytest.mark.parametrize("level", [0, 5, 9, 20])
@pytest.mark.parametrize(("rows", "points"), [(1, 40), (2, 100), (3, 300), (4, 1200)])
def test_rows_that_are_cleared(game, rows, points, level):
    play(game, NONE)  # the score that is written counts as the environment's before the rows
    rewards = clear(game, rows, level=level, lines=37)
    assert [reward for reward in rewards if reward] == [points * (level + 1)]
    assert game.read(LINES, 2) == bcd(37 + rows, 2)
    assert field(game) == ["." * 10] * (14 + rows) + [".........#"] * (4 - rows)


@pytest.mark.parametrize(
    ("before", "rows", "reward"),
    [
        (9_980, 1, 40),
        (9_999, 4, 1200),
        (99_990, 1, 40),
        (99_900, 3, 300),
        (999_959, 1, 40),
        (999_960, 1, 39),
        (999_999, 4, 0),
    ],
)
def test_a_score_that_grows_by_a_digit_and_the_most_it_can_be(game, before, rows, reward):
    rewards = clear(game, rows, score=before)
    assert sum(rewards) == reward and max(rewards) == reward
    assert game.read(SCORE, 3) == bcd(min(before + [40, 100, 300, 1200][rows - 1], 999_999), 3)
    assert screen_text(game, 13, 2, 6) == f"{before + reward:6d}"


def screen_text(game, x, y, length):
    return game.read(TILE_MAP + 32 * y + x, length).decode("ascii")


@pytest.mark.parametrize(
    ("level", "lines", "rows", "then"),
    [
        (0, 8, 1, 0),
        (0, 9, 1, 1),
        (0, 8, 4, 1),
        (5, 9, 1, 5),  # a level that was chosen lasts until the lines have caught up
        (5, 59, 1, 6),
        (9, 99, 1, 10),
        (19, 199, 1, 20),
        (20, 209, 1, 20),
        (20, 999, 4, 20),
    ],
)
def test_every_tenth_line_raises_the_level_after_it_has_counted(game, level, lines, rows, then):
    rewards = clear(game, rows, level=level, lines=lines)
    assert max(rewards) == [40, 100, 300, 1200][rows - 1] * (level + 1)
    assert game.read(LEVEL, 1) == bytes([then])
    assert screen_text(game, 17, 5, 2) == f"{then:2d}"
    assert screen_text(game, 15, 8, 4) == f"{lines + rows:4d}"


def test_rows_above_and_between_full_ones_move_down_unchanged_and_are_drawn(game):
    fill(game, "#.#.......", "#########.", "##.######.", "#########.", "####.####.")
    put(game, UPRIGHT, column=8, row=14)
    play(game, *[NONE] * 100)
    expected = ["#.#.......", "##.#######", "####.#####"]
    assert field(game) == ["." * 10] * 15 + expected
    shown = [game.read(TILE_MAP + 32 * row + 1, 10) for row in range(17)]  # the rows below have not changed
    assert ["".join(".#"[cell >= BLOCK_TILE] for cell in row) for row in shown] == field(game)[:17]


def test_a_level_s_gravity_in_ticks_a_row(game):
    expected = [53, 49, 45, 41, 37, 33, 28, 22, 17, 11, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 3]
    measured = []
    for level in range(21):
        put(game, T, column=3, row=0)
        game.write(LEVEL, bytes([level]))
        rows = []
        while len(rows) < 3 or rows[-1] < 3:
            play(game, NONE)
            rows.append(piece(game)[2])
        measured.append(rows.count(2))
    assert measured == expected


def test_a_row_that_a_piece_is_pushed_down_is_worth_a_point_once_it_lies(game):
    put(game, O, column=3, row=0)
    rewards = play(game, *[DOWN] * 52)
    assert sum(rewards) == 16 and field(game)[16:] == ["....##...."] * 2
    assert rewards.index(16) == 3 * 16  # at once, then every third tick; the last one finds the floor


def test_rows_that_a_piece_falls_by_itself_are_worth_nothing(game):
    put(game, O, column=3, row=0)
    rewards = play(game, *[DOWN] * 22, *[NONE] * 60, *[DOWN] * 40)  # 8 rows in 22 ticks: at 0, 3, ..., 21; one in 60
    assert sum(rewards) == 15 and max(rewards) == 15


def test_the_same_piece_untouched_is_worth_nothing(game):
    game.write(LEVEL, bytes([20]))
    assert set(play(game, *[NONE] * 150)) == {0} and sum(row.count("#") for row in field(game)) >= 8


def test_a_push_ends_with_its_piece(game):
    put(game, O, column=3, row=15)
    play(game, *[DOWN] * 30)
    assert piece(game)[2] == 0
    play(game, NONE, DOWN)
    assert piece(game)[2] == 1


def test_turns_are_of_a_quarter_and_one_a_press(game):
    put(game, T, column=3, row=5)
    shapes = []
    for action in (A, A, A, NONE, A, B, NONE, B, B, NONE, B):
        play(game, action)
        shapes.append(piece(game)[0] - T)
    assert shapes == [1, 1, 1, 1, 2, 1, 1, 0, 0, 0, 3]
    assert piece(game)[1] == 3


def test_obstacles_stop_turns_and_shifts(game):
    put(game, UPRIGHT, column=-1, row=5)  # at the left wall, where it cannot lie down
    play(game, A, NONE, B, LEFT)
    assert piece(game) == (UPRIGHT, -1, 5)
    fill(game, *[".#........"] * 18)
    play(game, RIGHT)
    assert piece(game)[1] == -1


def test_a_direction_that_is_held_repeats_after_twelve_ticks_every_fourth(game):
    put(game, O, column=-1, row=2)
    columns = []
    for _ in range(34):
        play(game, RIGHT)
        columns.append(piece(game)[1])
    moved = [tick for tick in range(1, 34) if columns[tick] != columns[tick - 1]]
    assert columns[0] == 0 and moved == [12, 16, 20, 24, 28, 32]
    put(game, O, column=6, row=2)
    play(game, *[LEFT, NONE] * 3)
    assert piece(game)[1] == 3


def test_shapes_are_those_of_the_cartridge():
    cells = [[16 * y + x for y, row in enumerate(shape) for x in range(4) if row >> x & 1] for shape in SHAPES]
    assert bytes(cell for shape in cells for cell in shape) in BLOCKS.read_bytes()
    assert len(SHAPES) == 28 and all(len(shape) == 4 for shape in cells)


def pieces(game, count):
    """The kinds of the next ``count`` pieces, each pushed down where it comes, into a field that is kept empty."""
    kinds, announced = [], [piece(game)[0] // 4]
    while len(kinds) < count:
        fill(game, *["." * 10] * 18)
        kinds.append(piece(game)[0] // 4)
        announced.append(game.read(NEXT, 1)[0] // 4)
        put(game, piece(game)[0], column=3, row=14)
        play(game, *[NONE] * 3, *[DOWN] * 9, *[NONE] * 3)
        while piece(game)[2] > 0:
            play(game, NONE)
    assert kinds == announced[:-1]
    return kinds


@pytest.mark.slow
def test_the_next_piece_falls_next_and_pieces_follow_from_the_frame_of_start(game):
    def drawn(seed):
        game.reset(seed=seed)
        return tuple(pieces(game, 12))

    drawn_by_seed = [drawn(seed) for seed in range(12)]
    assert drawn(3) == drawn_by_seed[3]
    assert len(set(drawn_by_seed)) >= 10  # of 60 frames two seeds may have drawn the same
    assert {kind for kinds in drawn_by_seed for kind in kinds} == set(range(7))


def test_a_game_is_over_when_a_piece_has_no_room(game):
    fill(game, *["####.#####"] * 16)
    put(game, T, column=3, row=0)  # on top of all
    rewards, ticks = 0.0, 0
    terminated = False
    while not terminated:
        _, reward, terminated, _, _ = game.step(NONE)
        rewards, ticks = rewards + reward, ticks + 1
        assert ticks < 60
    assert rewards == 0 and game.read(STATE, 1) == b"\x0d"
    for _ in range(120):
        game.step(NONE)
    assert game.read(STATE, 1) == b"\x04"
    assert screen_text(game, 4, 8, 4) + screen_text(game, 4, 9, 4) == "GAMEOVER"
    game.step(START)
    game.step(NONE)
    assert game.read(STATE, 1) == b"\x11"


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 20])
def test_no_tick_ends_before_the_game_is_done_with_it(game, level):
    game.write(LEVEL, bytes([level]))
    expert = BlocksExpert(game.read)
    for _ in range(2000):
        play(game, expert())
        assert 0x0200 <= game._emulator._boy.register_file.PC < 0x0220  # asleep, in the first routine of the code
    assert game.read(LINES, 1) > b"\x05"


def test_start_pauses(game):
    play(game, START, *[NONE] * 200)
    before = piece(game)
    assert before[2] == 0 and screen_text(game, 13, 9, 6) == "PAUSED"
    play(game, START, *[NONE] * 54)
    assert piece(game)[2] == 1


def test_the_title_waits_and_a_level_is_chosen():
    boy = Emulator(BLOCKS.read_bytes())

    def press(button, frames=12):
        for held in (button, *[None] * frames):
            boy.hold(held)
            boy.tick(draw=False)

    press(None, 600)
    assert boy.read(STATE, 1) == b"\x07"
    press(Button.START)
    assert boy.read(STATE, 1) == b"\x11"
    for button in (Button.LEFT, Button.UP, Button.RIGHT, Button.RIGHT, Button.DOWN, Button.DOWN):
        press(button)
    assert boy.read(STATE, 1) == b"\x11"
    press(Button.START, 40)
    assert boy.read(STATE, 1) == b"\x00" and boy.read(LEVEL, 1) == b"\x07"
    boy.close()
