"""Pickling a run's state without the things that are kept elsewhere or made anew.

A network, a replay or an environment is known to both sides by a name; the pickle holds the name in its place, and
reading it puts the other side's object there. So a run's state refers to what it always referred to, and nothing is
stored twice.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hocket.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn


def dump(state: Any, apart: Mapping[str, object]) -> bytes:
    """``state`` as bytes, without the objects ``apart``.

    Raises:
        CheckpointError: if something in it cannot be pickled.
    """
    file = io.BytesIO()
    try:
        _Pickler(file, apart).dump(state)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"the run's state cannot be saved ({error}); functions of modules and values can be; try a policy, a law "
            "or a default that holds nothing else"
        ) from error
    return file.getvalue()


def load(data: bytes, apart: Mapping[str, object]) -> Any:
    """The inverse of `dump`, with the objects ``apart`` in their places.

    Raises:
        CheckpointError: if it cannot be read here, or names an object that is not given.
    """
    try:
        return _Unpickler(io.BytesIO(data), apart).load()
    except CheckpointError:
        raise
    except Exception as error:  # a pickle may raise anything
        raise CheckpointError(
            f"the run's state cannot be read ({type(error).__name__}: {error}); try the versions of Python and "
            "packages that it was saved with"
        ) from error


def module_parts(name: str, module: nn.Module) -> dict[str, object]:
    """``module`` and each of its parameters and buffers by name: references to them are restored to the new ones."""
    inside = [*module.named_modules(), *module.named_parameters(), *module.named_buffers()]
    return {name: module, **{f"{name}.{inner}": part for inner, part in inside if inner}}


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, apart: Mapping[str, object]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = {id(value): name for name, value in apart.items()}
        self._kept = dict(apart)  # the id of an object that is gone may be another's

    def persistent_id(self, value: Any) -> str | None:
        return self._names.get(id(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, apart: Mapping[str, object]) -> None:
        super().__init__(file)
        self._apart = apart

    def persistent_load(self, name: str) -> object:
        try:
            return self._apart[name]
        except KeyError:
            raise CheckpointError(
                f"the run's state refers to {name!r}, which this run does not have; it has {sorted(self._apart)}"
            ) from None
