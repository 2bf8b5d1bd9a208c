"""The options in a run's config.json: written by the command that saves it, read with --config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hocket.cli import console
from hocket.cli.options.acting import OF_THE_ENV, ActingArguments
from hocket.cli.options.live import NOT_SAVED
from hocket.cli.options.typed import Need, as_arguments, completing, options_in
from hocket.errors import ConfigurationError


def saved_options(options: ActingArguments, without: tuple[str, ...]) -> dict[str, Any]:
    """``options`` as a config.json keeps them for `with_config`."""
    left_out = {*without, *NOT_SAVED}
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in left_out}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def with_config(
    arguments: list[str], kinds: Mapping[str, tuple[ActingArguments, Mapping[str, Need], tuple[str, ...]]]
) -> list[str]:
    """``COMMAND --config FILE …`` with the file's options before the typed options.

    A saved option that contradicts a typed one is left out.

    Args:
        arguments: the command line.
        kinds: for each command its default options, their needs, and the options that a config.json does not keep.

    Raises:
        ConfigurationError: if the command did not save the file.
    """
    command = arguments[0] if arguments else ""
    if command not in kinds:
        return arguments
    split = [
        part for given in arguments for part in (given.split("=", 1) if given.startswith("--config=") else [given])
    ]
    if "--config" not in split:
        return arguments
    at = split.index("--config")
    if at + 1 == len(split):
        raise ConfigurationError("--config needs a file; try --config runs/boxing/config.json")
    file, rest = split[at + 1], [*split[1:at], *split[at + 2 :]]
    usual, needs, without = kinds[command]
    try:
        saved = json.loads(Path(file).read_text())["options"]
        if not isinstance(saved, dict):
            raise ConfigurationError(f"its options are {saved!r}, not an object")
        known = {field.name for field in fields(usual)} - {*without, *NOT_SAVED}
        if not set(saved) <= known:
            raise ConfigurationError(f"unknown options {sorted(set(saved) - known)}")
        named = options_in(rest)
        if named.get("env") not in (None, saved.get("env")):
            saved = {name: value for name, value in saved.items() if name not in OF_THE_ENV}
        kept = completing(saved, named, usual, needs)
        spelled_out = as_arguments(kept)
    except KeyError as error:
        raise ConfigurationError(
            f"--config {file} has no options: only a run that hocket {command} has saved can be repeated"
        ) from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigurationError(
            f"--config {file} is not the config.json of a saved hocket {command}: {error}"
        ) from error
    for name in ("policy", "env"):
        if ":" in (value := str(kept.get(name, ""))) and "://" not in value:  # FILE.py:NAME, MODULE:ID
            console.say(f"--{name} {kept[name]} from {file}: its code is run")
    return [command, *spelled_out, *rest]
