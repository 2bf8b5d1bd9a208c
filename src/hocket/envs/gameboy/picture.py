"""The screen as networks take it: 84x84, each pixel the mean of what it covers.

144 and 160 are to 84 as 12 and 40 are to 7 and 21, so that a pixel covers at most three rows and three columns in whole
shares: the mean is computed in integers, exactly, rounded to the nearest. (About 45 µs; OpenCV, which takes 40, is not
needed.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 84
ROWS, COLUMNS = 144, 160
COVERED = 3
"""The most rows, or columns, that one pixel covers."""

Taps = tuple[tuple[NDArray[np.intp], ...], tuple[NDArray[np.uint32], ...]]


def _taps(given: int, wanted: int) -> tuple[Taps, int]:
    """Indices into ``given`` and their shares for each of ``wanted``, and the sum of the shares of one."""
    common = math.gcd(given, wanted)
    width, share = given // common, wanted // common
    begins = np.arange(wanted) * width
    first = begins // share
    indices, shares = [], []
    for i in range(COVERED):
        at = (first + i) * share
        covered = np.minimum(begins + width, at + share) - np.maximum(begins, at)
        indices.append(np.minimum(first + i, given - 1))
        shares.append(np.maximum(covered, 0).astype(np.uint32))
    return (tuple(indices), tuple(shares)), width


_ROW_TAPS, _ROW_SUM = _taps(ROWS, SIDE)
_COLUMN_TAPS, _COLUMN_SUM = _taps(COLUMNS, SIDE)
_ROW_SHARES = tuple(shares.astype(np.uint16)[:, None] for shares in _ROW_TAPS[1])
_COLUMN_SHARES = tuple(shares[:, None] for shares in _COLUMN_TAPS[1])
_SUM = _ROW_SUM * _COLUMN_SUM


def shrink(screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``screen``, grey of shape (144, 160), as (84, 84)."""
    rows = _sums(screen, _ROW_TAPS[0], _ROW_SHARES)
    columns = _sums(rows.T.astype(np.uint32), _COLUMN_TAPS[0], _COLUMN_SHARES)
    columns += _SUM // 2
    columns //= _SUM
    return columns.T.astype(np.uint8, order="C")


def _sums(
    picture: NDArray[Any], indices: tuple[NDArray[np.intp], ...], shares: tuple[NDArray[Any], ...]
) -> NDArray[Any]:
    total: NDArray[Any] = picture[indices[0]] * shares[0]
    for at, share in zip(indices[1:], shares[1:], strict=True):
        total += picture[at] * share
    return total
