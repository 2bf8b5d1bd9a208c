"""Describes objects as plain values that JSON can hold, for headers and configurations.

A description never fails: it is written when a run ends, and an object of a user's class must not cost the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Integral, Rational, Real
from typing import Any

PLAIN = (bool, int, float, str)
DEEPEST = 6
"""Objects within objects; also ends circles of references."""
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
WITH_ADDRESS = re.compile(rf"<(?:built-in )?(?:function )?([\w.<>]+?)(?: object)?{ADDRESS.pattern}>")
"""Python's default repr of an object or a function."""


def describe(value: object) -> dict[str, Any]:
    """The name of the class of ``value``, and its public fields or attributes; without any, its repr."""
    return _described(value, 0)


def without_addresses(words: str) -> str:
    """``words`` without the addresses of reprs, equal in every process."""
    return ADDRESS.sub("", words)


def with_names(words: str) -> str:
    """``words`` with names in place of default reprs: ``<function act at 0x7f…>`` becomes ``act``."""
    return WITH_ADDRESS.sub(lambda found: found[1].replace("<locals>.", ""), words)


def text(value: object) -> str:
    """The repr of ``value`` without addresses, equal in every process; the name of its class if the repr raises."""
    try:
        return without_addresses(repr(value))
    except Exception:
        return f"<{type(value).__qualname__}>"


def _described(value: object, depth: int) -> dict[str, Any]:
    name = type(value).__name__
    found: dict[str, Any] = {}
    for field in dict.fromkeys(_public_fields(value)):
        try:
            found[field] = _plain(getattr(value, field), depth + 1)
        except Exception:  # not set, or a property that raises
            found[field] = None
    if not found and not is_dataclass(value) and _has_repr(value):
        found["repr"] = text(value)
    return {"name": name, **{field: found[field] for field in found if field != "name"}}


def _has_repr(value: object) -> bool:
    """True if a class of ``value`` defines a repr; the one of `object` shows an address."""
    return any("__repr__" in vars(kind) for kind in type(value).__mro__ if kind is not object)


def _public_fields(value: object) -> Iterator[str]:
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
    else:
        slots = [getattr(kind, "__slots__", ()) for kind in reversed(type(value).__mro__)]
        names = [name for some in slots for name in ([some] if isinstance(some, str) else some)]
        names += getattr(value, "__dict__", {})
    return (name for name in names if not name.startswith("_"))


def _plain(value: Any, depth: int = 0) -> Any:
    """``value`` as None, bool, int, float, text, or lists, tuples and dictionaries of these."""
    if value is None or type(value) in PLAIN:  # at once: a law may hold 100,000 numbers
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Rational):  # a fraction is exact as text only
        return float(value)
    if depth >= DEEPEST:
        return f"<{type(value).__qualname__}>"
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else text(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item, depth + 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Set):
        return sorted((_plain(item, depth + 1) for item in value), key=text)
    if not isinstance(value, type) and (is_dataclass(value) or not _has_repr(value)):
        return _described(value, depth)
    to_list = getattr(value, "tolist", None)  # of an array; the core does not know numpy
    return text(value) if to_list is None else _plain(to_list(), depth + 1)
