"""Writes files for people and programs: strict JSON, each file complete or absent."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hocket.core import replacement
from hocket.errors import ConfigurationError
from hocket.results.captions import caption


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As `hocket.core.replacement.replacing`.

    Raises:
        ConfigurationError: if the file cannot be written.
    """
    try:
        with replacement.replacing(path) as partial:
            yield partial
    except OSError as error:
        raise unwritable(path, error) from error


def make_folder(path: Path) -> None:
    """Create the folder ``path`` unless it exists.

    Raises:
        ConfigurationError: if the folder cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise unwritable(path, PermissionError("no permission"))


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as strict JSON: numbers that are not finite become null, objects unknown to JSON their repr.

    Raises:
        ConfigurationError: if the file cannot be written.
    """
    text = json.dumps(_strict(content), indent=2, allow_nan=False) + "\n"
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """Make the error for a file or folder that cannot be written."""
    return ConfigurationError(f"{path} cannot be written ({error.strerror or error}); try another place")


def _strict(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _strict(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return caption(value)
