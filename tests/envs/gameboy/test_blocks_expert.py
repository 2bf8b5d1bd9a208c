"""The expert reads the game correctly, its features match their definitions, and it plays well."""

from collections import Counter, defaultdict
from contextlib import closing
from itertools import pairwise

import pytest

from hocket.envs.gameboy.blocks_expert import (
    DOWN,
    LEFT,
    RIGHT,
    A,
    B,
    BlocksExpert,
    best_placement,
    column_transitions,
    holes,
    presses,
    reached,
    row_transitions,
    value,
    well_sums,
)
from hocket.envs.gameboy.blocks_field import FIELD, Falling, dropped, fits, laid, read_falling, read_field
from hocket.envs.gameboy.factory import make_blocks

EMPTY = (0,) * 18
L, J, I, O, Z, S, T = range(0, 28, 4)  # noqa: E741 (the names of the pieces)


def field(*rows):
    """The lowest rows, the left column first."""
    drawn = tuple(sum(1 << x for x, cell in enumerate(row) if cell == "#") for row in rows)
    return (*EMPTY[len(rows) :], *drawn)


HEAP = field(
    "#.........",
    "##.#......",
    "#..#.#...#",
    "####.#.###",
)


def test_features_of_a_heap_counted_by_hand():
    assert holes(HEAP) == 1  # third row, second column
    # the 14 free rows have their two walls; then 2, 4, 6 and 4
    assert row_transitions(HEAP) == 14 * 2 + 2 + 4 + 6 + 4
    # the second column 3, all others 1: their highest block, or the floor
    assert column_transitions(HEAP) == 3 + 9
    # one deep, two deep, one deep
    assert well_sums(HEAP) == 1 + (1 + 2) + 1


def test_a_well_counts_every_cell_that_has_free_ones_above_it_again():
    deep = field(*["#########."] * 4)
    assert well_sums(deep) == 1 + 2 + 3 + 4 and holes(deep) == 0


def test_the_value_of_a_placement_with_the_published_weights():
    # An upright I fills the gap of one row: three of its cells stay, in column 9.
    ground = field("#########.")
    there = dropped(ground, Falling(I + 1, 8, 0))
    assert there == Falling(I + 1, 8, 14)
    after, cleared = laid(ground, there)
    assert cleared == 1 and after == field(*[".........#"] * 3)
    # it lay on the floor, 4 high; then 2 transitions in each of 18 rows, 1 in each of 10 columns; no hole, no well
    expected = -4.500158825082766 * (0 + 4 / 2) + 3.4181268101392694 * 1
    expected += -3.2178882868487753 * 18 * 2 - 9.348695305445199 * 10
    assert value(ground, there) == pytest.approx(expected)


def test_pieces_stay_between_walls_floor_and_blocks():
    assert fits(EMPTY, Falling(I + 1, -1, 14)) and not fits(EMPTY, Falling(I + 1, -2, 14))
    assert not fits(EMPTY, Falling(I + 1, -1, 15))
    assert fits(EMPTY, Falling(I, 6, 17)) and not fits(EMPTY, Falling(I, 7, 17))
    assert dropped(HEAP, Falling(O, 3, 0)) == Falling(O, 3, 14)  # on the block in column 5


def test_the_shortest_way_round_turns_and_shifts_by_turns():
    start = Falling(T, 3, 0)
    assert list(presses(start, Falling(T + 3, 5, 9))) == [B, RIGHT, RIGHT]
    assert list(presses(start, Falling(T + 2, 0, 9))) == [A, LEFT, A, LEFT, LEFT]
    assert list(presses(start, Falling(T, 3, 9))) == []


def test_unreachable_placements_are_not_chosen():
    wall = field(*["......#..."] * 16)  # up to row 2, where a piece at 3 ticks a row is when it comes there
    start = Falling(O, 3, 0)
    far = Falling(O, 7, 0)
    assert reached(wall, start, far, gravity_ticks=53) == far
    assert reached(wall, start, far, gravity_ticks=3) is None
    chosen = best_placement(wall, start, gravity_ticks=3)
    assert chosen is not None and chosen.column < 5


@pytest.fixture(scope="module")
def game():
    env = make_blocks()
    yield env
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 9, 20])
def test_pieces_lie_where_the_expert_meant_them_to(game, level):
    game.reset(seed=level)
    game.write(0xFFA9, bytes([level]))
    expert = BlocksExpert(game.read)
    laid_down = 0
    before = read_field(game.read)
    while laid_down < 25:
        target = expert.target
        game.step(expert())
        now = read_field(game.read)
        if sum(map(int.bit_count, now)) == sum(map(int.bit_count, before)) + 4:  # it lies; full rows are there still
            assert target == read_falling(game.read)
            laid_down += 1
        before = now


@pytest.mark.slow
def test_the_expert_clears_rows_and_is_not_beaten_by_the_fastest_level(game):
    for level, ticks, rows in ((0, 2500, 12), (20, 2500, 12)):
        game.reset(seed=1)
        game.write(0xFFA9, bytes([level]))
        expert = BlocksExpert(game.read)
        total = 0.0
        for _ in range(ticks):
            _, reward, terminated, _, _ = game.step(expert())
            total += reward
            assert not terminated
        assert int(game.read(0xFF9E, 1).hex()) >= rows and total > 40 * rows * (level + 1) * 0.9


def test_it_releases_a_button_before_pressing_it_again(game):
    game.reset(seed=2)
    expert = BlocksExpert(game.read)
    actions = []
    for _ in range(1000):
        actions.append(expert())
        game.step(actions[-1])
    pairs = set(pairwise(actions))
    assert (DOWN, DOWN) in pairs and not pairs & {(action, action) for action in (A, B, LEFT, RIGHT)}


@pytest.mark.slow
def test_without_releasing_buttons_the_picture_determines_the_action():
    """Nearly: 5 in 10,000 ticks differ from what it does most often under the same picture, by rows that vanish."""
    with closing(make_blocks(fresh_press=True)) as game:
        picture, _ = game.reset(seed=2)
        expert = BlocksExpert(game.read, fresh_press=True)
        actions, total, said = [], 0.0, defaultdict(Counter)
        for _ in range(3000):
            actions.append(expert())
            said[picture.tobytes()][actions[-1]] += 1
            picture, reward, *_ = game.step(actions[-1])
            total += reward
    assert {(LEFT, LEFT), (RIGHT, RIGHT), (DOWN, DOWN)} <= set(pairwise(actions))
    assert total > 500  # rows, not only pushes
    assert sum(max(answers.values()) for answers in said.values()) > 0.995 * len(actions)


def test_a_field_is_read_from_the_cartridge_s_memory(game):
    game.reset(seed=0)
    game.write(FIELD + 32 * 17, bytes([0x80, 0, 0x86, 0, 0, 0, 0, 0, 0, 0x81]))
    assert read_field(game.read) == field("#.#......#")
