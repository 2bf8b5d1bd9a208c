"""The value of --env-args: arguments of an environment, as typed."""

from __future__ import annotations

import json
from typing import Any

from hocket.errors import ConfigurationError

WORDS = {"true": True, "false": False, "null": None}


def parse_env_args(text: str | None) -> dict[str, Any]:
    """The arguments in ``rom=tetris.gb,raw=true,size=42,names=["a","b"]`` by name.

    Numbers, true, false, null, quoted texts, lists and objects are read as JSON; anything else is a text.

    Raises:
        ConfigurationError: if a part has no name, a name occurs twice, or a list is not JSON.
    """
    arguments: dict[str, Any] = {}
    for part in _split(text) if text else []:
        name, sign, value = part.partition("=")
        name = name.strip()
        if not (sign and name.isidentifier()):
            raise ConfigurationError(f"--env-args {text}: '{part}' is not NAME=VALUE; try --env-args rom=tetris.gb")
        if name in arguments:
            raise ConfigurationError(f"--env-args {text}: {name} occurs twice; leave one out")
        arguments[name] = _value(str(text), value.strip())
    taken = arguments.keys() & {"id", "frame_stack", "repeat_action_probability", "render_mode"}
    if taken:
        raise ConfigurationError(f"--env-args {text}: {', '.join(sorted(taken))} cannot be given here; leave it out")
    return arguments


def _split(text: str) -> list[str]:
    """The parts between commas, except for those within quotes and brackets."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for character in text:
        if character == "," and not depth and not quoted:
            parts.append("")
            continue
        parts[-1] += character
        if character == '"' and not escaped:
            quoted = not quoted
        elif not quoted:
            depth += (character in "[{") - (character in "]}")
        escaped = character == "\\" and quoted and not escaped
    return parts


def _value(arguments: str, text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError) as error:
        if text[:1] in ("[", "{", '"'):
            raise ConfigurationError(
                f'--env-args {arguments}: {text} is not JSON ({error}); try names=["a","b"],sizes=[1,2]'
            ) from error
        return text
