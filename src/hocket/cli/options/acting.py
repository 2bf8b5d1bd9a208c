"""Options that ``hocket run`` and ``hocket train`` share, and the objects made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym

import hocket
from hocket.cli.options.env_args import parse_env_args
from hocket.cli.options.numbers import check_numbers
from hocket.cli.options.typed import Need, check_needs, flag, need
from hocket.core.cadence import exact_hz
from hocket.core.rules import Rule
from hocket.envs import make_env, natural_hz
from hocket.errors import ConfigurationError
from hocket.instruments.live.live_page import LOOPBACK, USUAL_PORT
from hocket.latency.laws import LatencyModel
from hocket.latency.replayed import law_of_file

MEASURED = "measured"
RGB = "rgb_array"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingArguments:
    """Options of an agent that acts in a world that does not wait."""

    env: str = "ALE/Boxing-v5"
    """Any Gymnasium id; see: hocket envs."""
    env_args: str | None = None
    """Arguments of the environment as NAME=VALUE,…: a Game Boy's rom=tetris.gb,states=FOLDER; texts in quotes and
    lists as in JSON."""
    hz: float | None = None
    """Ticks per second; the environment's own rate if it has one."""
    rule: Literal["tick-dispatch", "max-time", "expected-time", "unstaggered", "sequential"] = "tick-dispatch"
    """The rule that starts workers."""
    workers: str = "2"
    """Number of workers, or auto (tick-dispatch only)."""
    quantile: str = "0.95"
    """Quantile of the inference times that tick-dispatch aims at, or auto."""
    predictability: float | None = None
    """The environment's ρ for --quantile auto."""
    release_early: bool = False
    """Tick-dispatch: execute actions as soon as they are ready instead of at their target tick."""
    clock: Literal["realtime", "virtual"] = "realtime"
    """The wall clock, or virtual time: as fast as the machine computes, reproducible by seed."""
    executor: Literal["processes", "threads"] | None = None
    """Executor of the workers in realtime; if not given processes, or threads for a policy behind a network."""
    overrun: Literal["catch-up", "skip"] = "catch-up"
    """Reaction when a tick's own work passes the next deadline (realtime)."""
    priority: int = 1
    """The tick loop's real-time priority where the system grants it, 1 to 99; 0 for an ordinary thread (realtime)."""
    latency: str | None = None
    """Inference times in virtual time: seconds, lognormal:MEAN:SIGMA, gamma:MEAN:SHAPE,
    heavy:MEAN[:SHARE:FACTOR], a file (of seconds, or a saved run's inferences.npz), or measured: the times of
    this network on this machine."""
    default: Literal["noop", "repeat", "random"] | None = None
    """Action of a tick without a fresh action; noop if not given, when sac trains repeat."""
    frame_stack: int = 1
    """Observations that the policy gets at once."""
    repeat_action_probability: float = 0.0
    """Probability of Atari's sticky actions."""
    width: float = 1.0
    """Width multiplier of the network."""
    deep: bool = False
    """Use the IMPALA net of twice the depth."""
    seed: int = 0
    """Seed of environment, network weights and all randomness."""
    threads: int = 1
    """Torch threads of each worker and learner."""
    device: str = "cpu"
    """Device of the networks: cpu, cuda, cuda:1, ..."""
    json: Path | None = None
    """Also write the summary to this file."""
    live: bool = False
    """Serve a page with the environment's picture and the schedule during the run."""
    live_port: int = USUAL_PORT
    """Port of the page; 0 for any free one."""
    live_host: str = LOOPBACK
    """Address of the page; 127.0.0.1 is reached from this machine only. The page needs the printed token."""


RULE_NEEDS = {
    "workers": Need(
        "rule",
        lambda rule: rule != "sequential",
        "a rule of several workers",
        agreeing=("1",),
    ),
    "quantile": need("rule", "tick-dispatch"),
    "predictability": need("quantile", "auto"),
    "release_early": need("rule", "tick-dispatch"),
}
ACTING_NEEDS = {
    **RULE_NEEDS,
    "executor": need("clock", "realtime"),
    "overrun": need("clock", "realtime"),
    "priority": need("clock", "realtime"),
    "latency": need("clock", "virtual"),
}
"""Options that have no effect without a value of another option."""
OF_THE_ENV = ("env_args", "repeat_action_probability")
"""Options that belong to the environment that --env names."""


def check_acting(options: ActingArguments, needs: Mapping[str, Need]) -> None:
    """Refuse numbers out of range, and options that would have no effect.

    Raises:
        ConfigurationError: naming the option.
    """
    check_numbers(options)
    check_needs(options, needs)


def make_world(options: ActingArguments, *, drawn: bool = False) -> gym.Env[Any, Any]:
    """The environment that the options name; with ``drawn``, one that renders pictures, if it can."""

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


def rate_of(options: ActingArguments) -> float:
    """Ticks per second, as given or as the environment has it."""
    rate = options.hz if options.hz is not None else natural_hz(options.env)
    if rate is None:
        make_world(options).close()  # reports an unknown id first
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
    options: ActingArguments,
    hz: float,
    latency: LatencyModel | None,
    measured: Callable[[], hocket.analysis.Measured],
) -> hocket.Realtime | hocket.Virtual:
    """The clock that the options name.

    Args:
        options: options of the command.
        hz: ticks per second.
        latency: law of virtual time, from `check_latency`.
        measured: returns the policy's own inference times, for ``--latency measured``.
    """
    if options.clock == "virtual":
        return hocket.Virtual(hz=hz, latency=measured() if latency is None else latency)
    skip = options.overrun == "skip"
    return hocket.Realtime(
        hz=hz,
        executor=options.executor,
        overrun=hocket.Overrun.SKIP if skip else hocket.Overrun.CATCH_UP,
        priority=options.priority,
    )


def check_latency(options: ActingArguments) -> LatencyModel | None:
    """The law of virtual time; None if it is measured, and in realtime.

    Raises:
        ConfigurationError: if virtual time has no law, or it cannot be read.
    """
    if options.clock == "realtime":
        return None
    if options.latency is None:
        raise ConfigurationError(
            "--clock virtual needs --latency: seconds, lognormal:0.2:0.3, a file of seconds, or measured"
        )
    return None if options.latency == MEASURED else parse_latency(options.latency)


def parse_latency(text: str, name: str = "latency") -> LatencyModel:
    """The law in ``0.2``, ``lognormal:0.2:0.3``, ``gamma:0.2:4``, ``heavy:0.2``, or a file."""
    law, *numbers = text.split(":")
    laws: dict[str, Any] = {"lognormal": hocket.LogNormal, "gamma": hocket.Gamma, "heavy": hocket.HeavyTail}
    if law in laws:
        usage = "try lognormal:0.2:0.3, gamma:0.2:4, heavy:0.2 or heavy:0.2:0.01:5"
        try:
            found: LatencyModel = laws[law](*(float(number) for number in numbers))
        except TypeError as error:
            raise ConfigurationError(f"{flag(name)} {text} has {len(numbers)} numbers after {law}; {usage}") from error
        except ValueError as error:
            raise ConfigurationError(f"{flag(name)} {text}: {error}; {usage}") from error
        return found
    try:
        seconds = float(text)
    except ValueError:
        return law_of_file(text)
    return hocket.Constant(seconds)


def make_default(options: ActingArguments) -> hocket.Default | None:
    """The default behaviour that the options name; None is the neutral action."""
    return {"repeat": hocket.RepeatLast(), "random": hocket.RandomDefault()}.get(options.default or "noop")


def number_of(name: str, text: str, kind: type[Any]) -> Any:
    """``text`` as a number.

    Raises:
        ConfigurationError: if it is not one.
    """
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text} must be a number or auto") from error
