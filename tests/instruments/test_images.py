import numpy as np
import pytest

from hocket.instruments.images import COLOURS, picture_of


def pixels(picture):
    assert picture.kind in ("rgb", "grey")
    shape = (picture.height, picture.width) + ((3,) if picture.kind == "rgb" else ())
    return np.frombuffer(picture.content, np.uint8).reshape(shape)


GREY = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
RGB = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (GREY[:, :, None], GREY),
        (np.stack([0 * GREY, GREY]), GREY),  # a stack of frames, the newest last
        (GREY[None], GREY),
        (RGB, RGB),
        (np.dstack([RGB, GREY]), RGB),  # alpha has no effect here
        (np.stack([0 * RGB, RGB]), RGB),
    ],
    ids=["grey", "one channel", "stack", "stack of one", "rgb", "rgba", "stack of rgb"],
)
def test_pictures_as_they_are(array, expected):
    assert np.array_equal(pixels(picture_of(array)), expected)


def test_other_numbers_from_black_to_white():
    ramp = np.linspace(-2.0, 2.0, 100).reshape(10, 10)
    found = pixels(picture_of(ramp))
    assert found[0, 0] == 0 and found[-1, -1] == 255 and (np.diff(found.ravel().astype(int)) >= 0).all()
    assert not pixels(picture_of(np.full((9, 9), 3.5))).any()
    assert pixels(picture_of(np.where(np.eye(9), np.nan, 1.0)))[0, 1] == 255


def test_planes_have_colours_of_their_own():
    planes = np.zeros((10, 10, 4), bool)
    planes[2, 3, 0] = planes[5, 6, 3] = planes[7, 7, 1] = planes[7, 7, 2] = True
    found = pixels(picture_of(planes))
    assert found[2, 3].tolist() == COLOURS[0].tolist() and found[5, 6].tolist() == COLOURS[3].tolist()
    assert found[7, 7].tolist() == COLOURS[2].tolist()
    assert found.any(axis=2).sum() == 3


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (np.array([0.5, -1.0, 2.0]), [0.5, -1.0, 2.0]),
        (np.array(3), [3.0]),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), [3.0, 4.0]),  # a stack of vectors, the newest last
        (np.arange(1000), list(range(256))),
    ],
)
def test_few_values_are_shown_as_values(array, values):
    picture = picture_of(array)
    assert picture.kind == "vector" and (picture.height, picture.width) == (1, len(values))
    assert np.frombuffer(picture.content, "<f4").tolist() == values


def test_of_several_parts_the_first_picture_is_shown_or_else_all_values():
    camera = {"joints": np.float32([1, 2]), "cameras": (RGB, GREY), "task": "fold it"}
    assert np.array_equal(pixels(picture_of(camera)), RGB)
    picture = picture_of({"joints": np.float32([1, 2]), "mode": 3, "task": "fold it"})
    assert picture.kind == "vector" and np.frombuffer(picture.content, "<f4").tolist() == [1, 2, 3]
    assert picture_of("fold it").width == 0
