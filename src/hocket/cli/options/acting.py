"""Options that ``hocket run`` and ``hocket train`` share, and what they stand for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym

import hocket
from hocket.cli.options.live import NOT_SAVED, Flag
from hocket.core.cadence import exact_hz
from hocket.core.rules import Rule
from hocket.drivers.realtime import as_executor_kind
from hocket.envs import make_env, natural_hz
from hocket.errors import ConfigurationError
from hocket.instruments.live.live_page import LOOPBACK, USUAL_PORT
from hocket.latency.laws import LatencyModel

MEASURED = "measured"
RGB = "rgb_array"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingArguments:
    """How an agent acts in a world that does not wait."""

    env: str = "ALE/Boxing-v5"
    """Any Gymnasium id; see: hocket envs."""
    env_args: str | None = None
    """What the environment is made with, as NAME=VALUE,…: a Game Boy's rom=tetris.gb,states=FOLDER."""
    hz: float | None = None
    """Ticks per second; the environment's own rate if it has one."""
    rule: Literal["tick-dispatch", "max-time", "expected-time", "unstaggered", "sequential"] = "tick-dispatch"
    """When to start which worker."""
    workers: str = "2"
    """How many workers, or auto (tick-dispatch only)."""
    quantile: str = "0.95"
    """Of the inference times, that tick-dispatch aims at, or auto."""
    predictability: float | None = None
    """The environment's ρ for --quantile auto."""
    release_early: bool = False
    """Tick-dispatch: run answers as soon as they are ready instead of at their target."""
    clock: Literal["realtime", "virtual"] = "realtime"
    """The wall clock, or virtual time: as fast as it computes, the same for a seed."""
    executor: Literal["processes", "threads"] = "processes"
    """How workers run in realtime."""
    overrun: Literal["catch-up", "skip"] = "catch-up"
    """What to do when a tick's own work passes the next deadline (realtime)."""
    priority: int = 1
    """The tick loop's real-time priority where the system grants it, 1 to 99; 0 for an ordinary thread (realtime)."""
    latency: str | None = None
    """Virtual time's inference times: seconds, lognormal:MEAN:SIGMA, gamma:MEAN:SHAPE,
    heavy:MEAN[:SHARE:FACTOR], a file (of seconds, or a saved run's inferences.npz), or measured: what this network
    takes on this machine."""
    default: Literal["noop", "repeat", "random"] = "noop"
    """What fills a tick without a fresh action."""
    frame_stack: int = 1
    """How many observations the policy sees at once."""
    repeat_action_probability: float = 0.0
    """Atari's sticky actions."""
    width: float = 1.0
    """The network's width multiplier."""
    deep: bool = False
    """The twice-deep IMPALA net."""
    seed: int = 0
    """Of environment, network weights and all chance."""
    threads: int = 1
    """Torch threads of each worker and learner."""
    device: str = "cpu"
    """Where networks act and learn: cpu, cuda, cuda:1, ..."""
    json: Path | None = None
    """Also write the summary to this file."""
    live: Flag = 0
    """Show a page with the environment's picture and the schedule while it goes on."""
    live_port: int = USUAL_PORT
    """The page's port; 0 for any that is free."""
    live_host: str = LOOPBACK
    """The address that the page is served on; other machines reach all but 127.0.0.1. The printed token is needed."""


ACTING_NEEDS = {
    "quantile": ("rule", "tick-dispatch"),
    "predictability": ("rule", "tick-dispatch"),
    "release_early": ("rule", "tick-dispatch"),
    "executor": ("clock", "realtime"),
    "overrun": ("clock", "realtime"),
    "priority": ("clock", "realtime"),
    "latency": ("clock", "virtual"),
}
"""Options that say something only beside another one's value."""


def check_relevant(options: ActingArguments, needs: Mapping[str, tuple[str, str]]) -> None:
    """Refuse an option that would change nothing."""
    usual = type(options)()
    for name, (other, value) in needs.items():
        given, beside = getattr(options, name), getattr(options, other)
        if given != getattr(usual, name) and beside != value:
            raise ConfigurationError(
                f"--{_spelled(name)} {given} needs --{_spelled(other)} {value}; with --{_spelled(other)} {beside} "
                "leave it out"
            )
    if options.rule == "sequential" and options.workers not in ("1", usual.workers):
        raise ConfigurationError(f"--workers {options.workers}: --rule sequential has one worker; leave it out")


def check_width(options: ActingArguments) -> None:
    """Refuse a width that no network has."""
    if not (math.isfinite(options.width) and options.width > 0):
        raise ConfigurationError(f"--width {options.width} must be greater than 0; try --width 1")


def make_world(options: ActingArguments, *, drawn: bool = False) -> gym.Env[Any, Any]:
    """The environment that the options name; ``drawn``: one that draws itself, if it can."""

    def made(**more: Any) -> gym.Env[Any, Any]:
        return make_env(
            options.env,
            frame_stack=options.frame_stack,
            repeat_action_probability=options.repeat_action_probability,
            **parse_env_args(options.env_args),
            **more,
        )

    env = made()
    if not drawn or env.render_mode is not None or RGB not in env.metadata.get("render_modes", ()):
        return env
    env.close()
    return made(render_mode=RGB)


def parse_env_args(text: str | None) -> dict[str, Any]:
    """``rom=tetris.gb,raw=true,size=42`` by name: numbers, true, false and null are such, all else is text.

    Raises:
        ConfigurationError: if a part has no name.
    """
    arguments: dict[str, Any] = {}
    for part in text.split(",") if text else []:
        name, sign, value = part.partition("=")
        if not (sign and name.strip().isidentifier()):
            raise ConfigurationError(f"--env-args {text}: '{part}' is not NAME=VALUE; try --env-args rom=tetris.gb")
        try:
            arguments[name.strip()] = json.loads(value.lower())
        except ValueError:
            arguments[name.strip()] = value
    taken = arguments.keys() & {"id", "frame_stack", "repeat_action_probability", "render_mode"}
    if taken:
        raise ConfigurationError(f"--env-args {text}: {', '.join(sorted(taken))} cannot be given here; leave it out")
    return arguments


def rate_of(options: ActingArguments) -> float:
    """Ticks per second, as given or as the environment has it."""
    rate = options.hz if options.hz is not None else natural_hz(options.env)
    if rate is None:
        make_world(options).close()  # an unknown id is the better news
        raise ConfigurationError(f"{options.env} has no rate of its own; give one, such as --hz 30")
    return float(exact_hz(rate))


def make_rule(options: ActingArguments) -> Rule:
    """The rule that the options name."""
    workers: Any = options.workers if options.workers == "auto" else number_of("workers", options.workers, int)
    if options.rule == "sequential":
        return hocket.Sequential()
    if options.rule == "tick-dispatch":
        return hocket.TickDispatch(
            workers,
            quantile="auto" if options.quantile == "auto" else number_of("quantile", options.quantile, float),
            predictability=options.predictability,
            hold=not options.release_early,
        )
    if workers == "auto":
        raise ConfigurationError(f"--workers auto needs --rule tick-dispatch; {options.rule} takes a number")
    kinds: dict[str, Any] = {
        "max-time": hocket.MaxTime,
        "expected-time": hocket.ExpectedTime,
        "unstaggered": hocket.Unstaggered,
    }
    rule: Rule = kinds[options.rule](workers)
    return rule


def make_clock(
    options: ActingArguments, hz: float, measured: Callable[[], hocket.analysis.Measured]
) -> hocket.Realtime | hocket.Virtual:
    """The clock that the options name; ``measured`` gives the policy's own inference times."""
    if options.clock == "realtime":
        skip = options.overrun == "skip"
        return hocket.Realtime(
            hz=hz,
            executor=as_executor_kind(options.executor),
            overrun=hocket.Overrun.SKIP if skip else hocket.Overrun.CATCH_UP,
            priority=options.priority,
        )
    if options.latency is None:
        raise ConfigurationError(
            "--clock virtual needs --latency: seconds, lognormal:0.2:0.3, a file of seconds, or measured"
        )
    return hocket.Virtual(hz=hz, latency=measured() if options.latency == MEASURED else parse_latency(options.latency))


def parse_latency(text: str) -> LatencyModel:
    """``0.2``, ``lognormal:0.2:0.3``, ``gamma:0.2:4``, ``heavy:0.2``, or a file."""
    name, *numbers = text.split(":")
    laws: dict[str, Any] = {"lognormal": hocket.LogNormal, "gamma": hocket.Gamma, "heavy": hocket.HeavyTail}
    if name in laws:
        usage = "try lognormal:0.2:0.3, gamma:0.2:4, heavy:0.2 or heavy:0.2:0.01:5"
        try:
            values = [float(number) for number in numbers]
            law: LatencyModel = laws[name](*values)
        except TypeError as error:
            raise ConfigurationError(f"--latency {text} has {len(numbers)} numbers after {name}; {usage}") from error
        except ValueError as error:
            raise ConfigurationError(f"--latency {text}: {error}; {usage}") from error
        return law
    try:
        seconds = float(text)
    except ValueError:
        return hocket.Empirical.from_file(text)
    return hocket.Constant(seconds)


def make_default(options: ActingArguments) -> hocket.Default | None:
    """The default behaviour that the options name; None is the neutral action."""
    return {"noop": None, "repeat": hocket.RepeatLast(), "random": hocket.RandomDefault()}[options.default]


def saved_options(options: ActingArguments, without: tuple[str, ...]) -> dict[str, Any]:
    """``options`` as a config.json keeps them for `with_config`."""
    left_out = {*without, *NOT_SAVED}
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in left_out}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def with_config(arguments: list[str], kinds: Mapping[str, type[ActingArguments]]) -> list[str]:
    """``COMMAND --config FILE …`` with the file's options spelled out before those that were given.

    Raises:
        ConfigurationError: if the file is not a config.json that the command has saved.
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
    file = split[at + 1]
    try:
        saved = json.loads(Path(file).read_text())["options"]
        known = {field.name for field in fields(kinds[command])}
        if not set(saved) <= known:
            raise ConfigurationError(f"unknown options {sorted(set(saved) - known)}")
    except KeyError as error:
        raise ConfigurationError(
            f"--config {file} has no options: only what hocket {command} has saved can be repeated"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"--config {file} is not the config.json of a saved hocket {command}: {error}"
        ) from error
    return [command, *spelled(saved), *split[1:at], *split[at + 2 :]]


def spelled(options: Mapping[str, Any]) -> list[str]:
    """``options`` as they are typed, without those that are None."""
    return [
        part for name, value in options.items() if value is not None for part in ("--" + _spelled(name), str(value))
    ]


def number_of(name: str, text: str, kind: type[Any]) -> Any:
    """``text`` as a number.

    Raises:
        ConfigurationError: if it is none.
    """
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text} must be a number or auto") from error


def _spelled(name: str) -> str:
    return name.replace("_", "-")
