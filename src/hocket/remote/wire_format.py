"""The formats of messages: msgpack with arrays, as openpi has it, and JSON, with arrays as nested lists. Neither runs
code of the sender, as unpickling would.

An array is a map with the keys ``__ndarray__``, ``data``, ``dtype`` and ``shape``, each as bytes; a NumPy scalar one
with ``__npgeneric__``, ``data`` and ``dtype``. See openpi's ``msgpack_numpy.py``.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from hocket.remote.errors import WireError

KINDS = "biufcSU"
"""Kinds of NumPy's dtypes that travel: bools, integers, floats, complex numbers, bytes and texts."""
ARRAY, SCALAR, DATA, DTYPE, SHAPE = b"__ndarray__", b"__npgeneric__", b"data", b"dtype", b"shape"


class WireFormat(ABC):
    """A way to write values as bytes: maps with texts as keys, lists, arrays, numbers, texts, bytes and None."""

    content_type: str
    """Its name in HTTP."""

    @abstractmethod
    def pack(self, value: Any) -> bytes:
        """``value`` as bytes.

        Raises:
            HocketError: a `RemoteError`, if it holds something that does not travel.
        """

    @abstractmethod
    def unpack(self, data: bytes | bytearray) -> Any:
        """The value of ``data``. Its arrays may be read-only.

        Raises:
            HocketError: a `RemoteError`, if ``data`` is of another format.
        """


class Msgpack(WireFormat):
    """msgpack with arrays. Lists and tuples arrive as lists."""

    content_type = "application/msgpack"

    def pack(self, value: Any) -> bytes:
        try:
            packed: bytes = msgpack.packb(value, default=_as_map)
        except (TypeError, ValueError, OverflowError) as error:
            raise WireError(f"{_shown(value)} cannot be sent: {error}; try arrays, numbers, texts and maps") from error
        return packed

    def unpack(self, data: bytes | bytearray) -> Any:
        try:
            return msgpack.unpackb(data, object_hook=_from_map)
        except Exception as error:  # the library raises many kinds
            raise WireError(f"{len(data)} bytes are not msgpack with arrays: {error!r}") from error


class Json(WireFormat):
    """JSON. Arrays and NumPy's scalars arrive as lists and numbers, and bytes do not travel."""

    content_type = "application/json"

    def pack(self, value: Any) -> bytes:
        try:
            return json.dumps(value, default=_as_list, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise WireError(f"{_shown(value)} is not JSON: {error}; try wire_format=hocket.remote.Msgpack()") from error

    def unpack(self, data: bytes | bytearray) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise WireError(f"{len(data)} bytes are not JSON: {error}") from error


def _as_map(value: Any) -> dict[bytes, Any]:
    """An array or a NumPy scalar as msgpack carries it."""
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in KINDS:
        raise TypeError(f"{_kind_of(value)} does not travel")
    if isinstance(value, np.ndarray):
        # A view: the packer copies it once.
        return {ARRAY: True, DATA: np.ascontiguousarray(value).data, DTYPE: value.dtype.str, SHAPE: value.shape}
    return {SCALAR: True, DATA: value.item(), DTYPE: value.dtype.str}


def _from_map(found: dict[Any, Any]) -> Any:
    """The array or NumPy scalar in ``found``, or ``found`` itself."""
    if ARRAY in found:
        return _array(found[DATA], _dtype(found[DTYPE]), found[SHAPE])
    if SCALAR in found:
        return _dtype(found[DTYPE]).type(found[DATA])
    return found


def _array(data: bytes, dtype: np.dtype[Any], shape: list[int]) -> NDArray[Any]:
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"an array has the shape {shape}")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array of {dtype} of shape {shape} has {len(data)} bytes")
    return np.ndarray(shape, dtype, data)


def _dtype(name: str) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind not in KINDS or not dtype.itemsize:
        raise ValueError(f"an array has the dtype {dtype}")
    return dtype


def _as_list(value: Any) -> Any:
    """An array or a NumPy scalar as JSON carries it."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return value.tolist()
    raise TypeError(f"{_kind_of(value)} does not travel")


def _kind_of(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"{type(value).__name__} of {dtype}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_kind_of(item)}" for key, item in value.items()) + "}"
    return _kind_of(value)
