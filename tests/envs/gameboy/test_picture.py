import numpy as np

from hocket.envs.gameboy.picture import COLUMNS, ROWS, SIDE, shrink


def exact_mean(screen):
    """Each pixel by cutting the screen into 7 x 21 pieces a pixel: whole pieces fall into each of the 84 x 84."""
    pieces = np.repeat(np.repeat(screen.astype(np.float64), 7, axis=0), 21, axis=1)
    return pieces.reshape(SIDE, 12, SIDE, 40).mean(axis=(1, 3))


def test_each_pixel_is_the_mean_of_what_it_covers():
    rng = np.random.default_rng(0)
    for screen in (
        rng.choice(np.array([0, 85, 153, 255], np.uint8), (ROWS, COLUMNS)),
        rng.integers(0, 256, (ROWS, COLUMNS), np.uint8),
    ):
        small = shrink(screen)
        assert small.shape == (SIDE, SIDE) and small.dtype == np.uint8 and small.flags.c_contiguous
        assert np.abs(small - exact_mean(screen)).max() <= 0.5


def test_black_stays_black_and_white_stays_white():
    assert np.all(shrink(np.full((ROWS, COLUMNS), 255, np.uint8)) == 255)
    assert not shrink(np.zeros((ROWS, COLUMNS), np.uint8)).any()


def test_a_view_into_colours_is_taken_as_well():
    colours = np.random.default_rng(1).integers(0, 256, (ROWS, COLUMNS, 4), np.uint8)
    assert np.array_equal(shrink(colours[:, :, 0]), shrink(colours[:, :, 0].copy()))
