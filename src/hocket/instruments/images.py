"""Converts observations and drawings to pictures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hocket.spaces.observations import leaves

LEAST_SIDE = 8
MOST_FRAMES = 16
MOST_VALUES = 256
COLOURS = np.array(
    [
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (213, 94, 0),
        (240, 228, 66),
        (153, 153, 153),
    ],
    np.uint8,
)
"""The palette of Okabe and Ito, distinct with any colour vision."""


class Picture(NamedTuple):
    """A picture to draw: ``"rgb"`` or ``"grey"`` bytes, rows first, or a ``"vector"`` of 32-bit floats."""

    kind: str
    height: int
    width: int
    content: bytes


def picture_of(observation: Any) -> Picture:
    """Convert ``observation`` to a picture: of a dict or a tuple, the first part that is one, else its values.

    Known formats are grey or RGB pictures, stacks of them along the first axis (the newest last), and planes along the
    last axis (MinAtar's channels), each in its own colour. All else is shown as values.
    """
    parts = [_picture(np.asarray(leaf)) for leaf in leaves(observation) if not isinstance(leaf, str)]
    pictures = (part for part in parts if part.kind != "vector")
    values = b"".join(part.content for part in parts)[: 4 * MOST_VALUES]
    return next(pictures, Picture("vector", 1, len(values) // 4, values))


def _picture(array: NDArray[Any]) -> Picture:
    if array.ndim == 4 or (array.ndim == 3 and array.shape[0] <= MOST_FRAMES and min(array.shape[1:]) > MOST_FRAMES):
        return _picture(array[-1])
    if array.ndim == 3 and min(array.shape[:2]) >= LEAST_SIDE:
        if array.shape[2] == 1:
            return _picture(array[:, :, 0])
        if array.shape[2] in (3, 4) and array.dtype == np.uint8:
            return _pixels("rgb", array[:, :, :3])
        if array.shape[2] <= MOST_FRAMES:
            return _planes(array)
    if array.ndim == 2 and min(array.shape) >= LEAST_SIDE:
        return _pixels("grey", _bytes(array))
    if array.ndim == 2:
        return _picture(array[-1])
    values = array.reshape(-1)[:MOST_VALUES].astype("<f4")
    return Picture("vector", 1, len(values), values.tobytes())


def _pixels(kind: str, pixels: NDArray[np.uint8]) -> Picture:
    return Picture(kind, pixels.shape[0], pixels.shape[1], pixels.tobytes())


def _planes(array: NDArray[Any]) -> Picture:
    """Colour each pixel by the last plane that is not empty there."""
    set_ = array != 0
    highest = array.shape[2] - 1 - np.argmax(set_[:, :, ::-1], axis=2)
    pixels = np.where(set_.any(axis=2)[:, :, None], COLOURS[highest % len(COLOURS)], np.uint8(0))
    return _pixels("rgb", pixels)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return bytes unchanged; scale other types from their least value, black, to their greatest, white."""
    if array.dtype == np.uint8:
        return array
    values = np.nan_to_num(array.astype(np.float32))
    low, high = float(values.min()), float(values.max())
    scaled: NDArray[np.uint8] = ((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return scaled
