"""Finds the options that a command line names, and completes them with those of a saved run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any

from hocket.errors import ConfigurationError

_TYPED: ContextVar[frozenset[str]] = ContextVar("typed", default=frozenset())


def flag(name: str) -> str:
    """The spelling of the option ``name``: ``--save-every`` of ``save_every``."""
    return "--" + name.replace("_", "-")


def spelled(name: str, value: Any) -> str:
    """An option with its value, as typed."""
    if isinstance(value, bool):
        return flag(name if value else f"no_{name}")
    return f"{flag(name)} {value}"


def options_in(arguments: list[str]) -> dict[str, str]:
    """The options of a command line by name, the last of each; ``--no-deep`` is ``deep`` with the value ``False``."""
    found: dict[str, str] = {}
    for number, argument in enumerate(arguments):
        if not argument.startswith("--"):
            continue
        name, sign, value = argument[2:].partition("=")
        name = name.replace("-", "_")
        following = arguments[number + 1 : number + 2]
        if sign:
            found[name] = value
        elif following and not following[0].startswith("--"):
            found[name] = following[0]
        elif name.startswith("no_"):
            found[name.removeprefix("no_")] = "False"
        else:
            found[name] = "True"
    return found


@contextmanager
def typed(names: Iterable[str]) -> Iterator[None]:
    """Within this context, `was_typed` is true of ``names``."""
    token = _TYPED.set(frozenset(names))
    try:
        yield
    finally:
        _TYPED.reset(token)


def was_typed(name: str) -> bool:
    """True if the command line names this option; not if it comes from a file or is the default."""
    return name in _TYPED.get()


@dataclass(frozen=True, slots=True)
class Need:
    """A condition without which an option has no effect."""

    option: str
    """The option that the condition is about."""
    holds: Callable[[Any], bool]
    """True for values of ``option`` that meet it."""
    wording: str
    """Its text in messages, such as ``--clock virtual``."""
    agreeing: tuple[Any, ...] = ()
    """Values that are allowed without the condition, because they change nothing."""
    replaces: bool = False
    """If true, typing this option drops a saved value of ``option``."""


def need(option: str, *values: str, agreeing: tuple[Any, ...] = ()) -> Need:
    """The condition that ``option`` has one of ``values``."""
    return Need(option, lambda value: value in values, f"{flag(option)} {' or '.join(values)}", agreeing)


def given(value: Any) -> bool:
    """True if an option without a default has a value."""
    return value is not None and value != "None"


def check_needs(options: Any, needs: Mapping[str, Need]) -> None:
    """Refuse an option that would have no effect.

    Raises:
        ConfigurationError: naming it, the condition, and the option that contradicts it.
    """
    usual = {field.name: field.default for field in fields(options)}
    for name, condition in needs.items():
        value, beside = getattr(options, name), getattr(options, condition.option)
        if value is None or value in condition.agreeing or condition.holds(beside):
            continue
        if value == usual[name] and not was_typed(name):
            continue
        there = f"with {spelled(condition.option, beside)}" if given(beside) else f"without {flag(condition.option)}"
        raise ConfigurationError(f"{spelled(name, value)} needs {condition.wording}; {there} leave it out")


def completing(
    saved: Mapping[str, Any], named: Mapping[str, str], usual: Any, needs: Mapping[str, Need]
) -> dict[str, Any]:
    """The ``saved`` options that the ``named`` ones neither replace nor contradict."""
    left = {name: value for name, value in saved.items() if name not in named}
    while True:
        merged: dict[str, Any] = {field.name: getattr(usual, field.name) for field in fields(usual)} | left | {**named}
        broken = [name for name in needs if not needs[name].holds(merged[needs[name].option])]
        dropped = {name for name in broken if name in left}
        dropped |= {needs[name].option for name in broken if name in named and needs[name].replaces} & left.keys()
        if not dropped:
            return left
        for name in dropped:
            del left[name]


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """``options`` as a command line, without those that are None.

    Raises:
        ConfigurationError: if a value is neither a text, a number, true, false nor null.
    """
    arguments = []
    for name, value in options.items():
        if not isinstance(value, str | int | float | None):
            raise ConfigurationError(f"{name}: {value!r} must be a text, a number, true, false or null")
        if isinstance(value, bool):
            arguments.append(spelled(name, value))
        elif value is not None:
            arguments.append(f"{flag(name)}={value}")
    return arguments
