"""Reads files of measured inference times."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError


class MeasuredTimes(NamedTuple):
    """The inference times of a file, in the order of their starts."""

    durations_s: tuple[float, ...]
    started_s: tuple[float, ...] | None
    """The start of each, from the first one on; None if the file does not have them."""


def read_times(path: str | PathLike[str]) -> MeasuredTimes:
    """Read seconds: one per line, a JSON list, or the ``inferences.npz`` of a saved run (its trunks, if any).

    Raises:
        ConfigurationError: if the file is missing, or contains anything but numbers.
    """
    file = Path(path)
    try:
        if file.suffix == ".npz":
            with file.open("rb") as opened, np.load(opened) as saved:
                started, finished = saved["started_ns"], saved["finished_ns"]
                trunk = saved["trunk_ns"] if "trunk_ns" in saved else np.full_like(finished, -1)
            done = np.flatnonzero(finished >= 0)
            done = done[np.argsort(started[done], kind="stable")]
            durations_ns = (np.where(trunk >= 0, trunk, finished) - started)[done]
            began_ns = started[done] - (started[done[0]] if len(done) else 0)
            return MeasuredTimes(
                tuple((durations_ns / NS_PER_S).tolist()),
                tuple((began_ns / NS_PER_S).tolist()),
            )
        text = file.read_text()
        values = json.loads(text) if text.lstrip().startswith("[") else text.split()
        return MeasuredTimes(tuple(float(value) for value in values), None)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise ConfigurationError(
            f"latency file {file} cannot be read ({error}); try seconds, one per line, a JSON list of them, "
            "or the inferences.npz of a saved run"
        ) from error
