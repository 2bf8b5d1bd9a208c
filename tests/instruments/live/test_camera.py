import numpy as np
import pytest
from painted import Painted

from hocket.envs.null import NullEnv
from hocket.instruments.live.board import PICTURE_BYTES, LiveBoard
from hocket.instruments.live.camera import Camera

MS = 1_000_000


class Clock:
    """A clock that moves only when time is added."""

    def __init__(self):
        self.now_ns = 10**12

    def __call__(self):
        return self.now_ns


class Drawing(Painted):
    """Drawing takes ``takes_ns`` of the clock."""

    def __init__(self, clock, takes_ns):
        super().__init__()
        self.clock, self.takes_ns = clock, takes_ns

    def render(self):
        self.clock.now_ns += self.takes_ns
        return super().render()


@pytest.fixture
def board():
    board = LiveBoard()
    yield board
    board.close()


def begin(board, env, clock, hz=60.0):
    env.reset()
    camera = Camera(env, board.pictures, hz=hz, now_ns=clock)
    clock.now_ns += 1000 * MS
    return camera


def test_without_viewers_nothing_is_drawn(board):
    env, clock = Painted(), Clock()
    camera = begin(board, env, clock)
    assert env.drawn == 2 and camera.why == ""  # tried out
    looked_ns = clock.now_ns
    clock.now_ns += 1001 * MS
    camera.tick(1, None, looked_ns)
    assert env.drawn == 2 and board.pictures.head == 0
    camera.tick(1, None, clock.now_ns - 999 * MS)
    assert env.drawn == 3 and board.pictures.newest()[:2] == (1, True)


def test_no_more_than_sixty_a_second(board):
    env, clock = Painted(), Clock()
    camera = begin(board, env, clock)
    for tick in range(1000):  # a second at 1 kHz
        camera.tick(tick, None, clock.now_ns)
        clock.now_ns += MS
    assert 55 <= env.drawn - 2 <= 61


def test_drawing_takes_no_more_than_its_share(board):
    clock = Clock()
    env = Drawing(clock, MS)
    camera = begin(board, env, clock, hz=None)
    env.takes_ns = 20 * MS  # in virtual time no drawing is too long, but it is rare
    began_ns, drawn = clock.now_ns, env.drawn
    for tick in range(4000):
        camera.tick(tick, None, clock.now_ns)
        clock.now_ns += MS
    assert (env.drawn - drawn) * 20 * MS <= 0.06 * (clock.now_ns - began_ns)
    assert env.drawn - drawn >= 8 and camera.why == ""


@pytest.mark.parametrize(("hz", "takes_ns", "why"), [(60.0, 1.5 * MS, ""), (60.0, 1.9 * MS, "1.9 ms")])
def test_a_tenth_of_a_tick_is_too_long(board, hz, takes_ns, why):
    """At 60 Hz that is 1.67 ms."""
    clock = Clock()
    camera = begin(board, Drawing(clock, int(takes_ns)), clock, hz)
    assert bool(camera.why) == bool(why) and why in camera.why


def test_an_environment_that_renders_slowly_is_no_longer_asked(board):
    clock = Clock()
    env = Drawing(clock, 0)
    camera = begin(board, env, clock)
    env.takes_ns = 5 * MS
    observation = np.full((8, 8), 9, np.uint8)
    for tick in range(10):
        clock.now_ns += 500 * MS
        camera.tick(tick, observation, clock.now_ns)
    assert env.drawn == 2 + 3 and "5.0 ms" in camera.why
    tick, rendered, picture = board.pictures.newest()
    assert (tick, rendered) == (9, False) and np.array_equal(picture, observation)


class Unable(Painted):
    def render(self):
        raise RuntimeError("no display")


class Odd(Painted):
    def render(self):
        return np.zeros((3, 3))


@pytest.mark.parametrize(
    ("env", "why"),
    [(NullEnv(), "render_mode=None"), (Unable(), "no display"), (Odd(), r"float64 (3, 3)")],
)
def test_environments_without_pictures_show_observations(board, env, why):
    clock = Clock()
    camera = begin(board, env, clock)
    assert why in camera.why
    camera.tick(4, np.arange(5), clock.now_ns)
    assert board.pictures.newest()[2].tolist() == [0, 1, 2, 3, 4]


def test_large_observations_are_thinned_out_and_non_numbers_left_out(board):
    clock = Clock()
    camera = begin(board, NullEnv(), clock)
    large = np.resize(np.arange(251, dtype=np.uint8), (3000, 4000, 3))
    camera.tick(1, large, clock.now_ns)
    _, _, picture = board.pictures.newest()
    assert picture.nbytes <= PICTURE_BYTES and np.array_equal(picture, large[::4, ::4])
    clock.now_ns += 500 * MS
    camera.tick(2, np.array(["left"]), clock.now_ns)
    assert board.pictures.head == 1
