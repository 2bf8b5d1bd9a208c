"""Captions of policies, functions and options, for configurations and reports: no addresses, no defaults."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from hocket.core.description import text, without_addresses

MOST_ITEMS = 12
"""The most items of a list that are written out."""
MAIN_FIELDS = {"FunctionPolicy": "function", "TorchPolicy": "build_network", "LearnedPolicy": "network"}
"""The field that describes a policy factory."""


def caption(value: Any) -> str:
    """Describe ``value`` in words that are the same in every process.

    Functions are described by name, partials by their calls, networks by class and number of parameters, dataclasses by
    their fields that differ from the defaults. To count the parameters of a network class in a partial, it is built on
    torch's meta device, which costs no memory; other functions are not called.
    """
    try:
        return _caption(value)
    except Exception:  # an error in a user's __repr__ or __init__ must not end the run
        return text(value)


def _caption(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, np.ndarray):
        return repr(value.tolist()) if value.size <= MOST_ITEMS else f"array of {value.dtype} {value.shape}"
    if isinstance(value, list | tuple):
        return _listed(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {caption(item)}" for key, item in value.items()) + "}"
    if isinstance(value, functools.partial):
        return _call_of(value)
    if _is_network(value):
        return f"{type(value).__name__}, {_count(value)}"
    if isinstance(value, types.MethodType):
        return f"{_caption(value.__self__)}.{value.__name__}"
    if isinstance(value, type):
        return value.__name__
    if callable(value) and hasattr(value, "__qualname__"):
        return _function(value)
    if is_dataclass(value):
        return _dataclass(value)
    shown = repr(value)
    return shown if shown == without_addresses(shown) else type(value).__name__


def _listed(values: list[Any] | tuple[Any, ...]) -> str:
    shown = [caption(item) for item in values[:MOST_ITEMS]]
    more = [f"… {len(values)} in all"] if len(values) > MOST_ITEMS else []
    inside = ", ".join([*shown, *more])
    return f"[{inside}]" if isinstance(values, list) else f"({inside}{',' * (len(values) == 1)})"


def _function(function: Any) -> str:
    code = getattr(function, "__code__", None)
    if function.__name__ == "<lambda>" and code is not None:
        return f"lambda ({Path(code.co_filename).name}:{code.co_firstlineno})"
    return str(function.__qualname__).replace("<locals>.", "")


def _call_of(call: functools.partial[Any]) -> str:
    name = caption(call.func)
    try:
        bound = inspect.signature(call.func).bind_partial(*call.args, **call.keywords)
        given = [f"{key}={caption(item)}" for key, item in bound.arguments.items()]
    except (TypeError, ValueError):
        given = [caption(item) for item in call.args]
        given += [f"{key}={caption(item)}" for key, item in call.keywords.items()]
    shown = f"{name}({', '.join(given)})"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(call.func, type) and issubclass(call.func, torch.nn.Module):
        with torch.device("meta"):
            shown += f", {_count(call())}"
    return shown


def _is_network(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _count(network: Any) -> str:
    count = sum(weight.numel() for weight in network.parameters())
    for unit, name in ((10**9, "G "), (10**6, "M "), (10**3, "k ")):
        if (count >= 0.1 * unit and unit > 1000) or count >= unit:
            return f"{count / unit:.{1 if count < 10 * unit else 0}f} {name}parameters"
    return f"{count} parameters"


def _dataclass(value: Any) -> str:
    shown = {
        field.name: getattr(value, field.name)
        for field in fields(value)
        if (field.repr or _is_network(getattr(value, field.name, None))) and not _is_default(value, field)
    }
    name = type(value).__name__
    main = MAIN_FIELDS.get(name)
    if main in shown:
        options = [f"{key}={caption(item)}" for key, item in shown.items() if key != main]
        return "; ".join([caption(shown[main]), *options])
    return f"{name}({', '.join(f'{key}={caption(item)}' for key, item in shown.items())})"


def default_fields(value: Any) -> list[str]:
    """Return the names of a dataclass's fields that have their defaults; none for another object."""
    if not is_dataclass(value):
        return []
    return [field.name for field in fields(value) if _is_default(value, field)]


def _is_default(value: Any, field: Field[Any]) -> bool:
    if field.default_factory is not MISSING:
        default: Any = field.default_factory()
    elif field.default is not MISSING:
        default = field.default
    else:
        return not field.init  # derived from the others
    found = getattr(value, field.name)
    return found is default or (type(found) is type(default) and bool(np.all(found == default)))
