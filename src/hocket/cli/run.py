"""``hocket run``: any environment, policy size, rule and clock, by words."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro

import hocket
from hocket.cli import show
from hocket.core.rules import Rule
from hocket.drivers.realtime import as_executor_kind
from hocket.envs import make_env, natural_hz
from hocket.errors import ConfigurationError
from hocket.latency import LatencyModel
from hocket.policy import Policy, PolicyFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What ``hocket run`` can be told; a run folder's config.json keeps it."""

    env: str = "ALE/Boxing-v5"
    """Any Gymnasium id; see: hocket envs."""
    seconds: float = 20.0
    """How long, in the environment's own time."""
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
    latency: str | None = None
    """Virtual time's inference times: seconds, lognormal:MEAN:SIGMA, gamma:MEAN:SHAPE,
    heavy:MEAN[:SHARE:FACTOR], or a file (of seconds, or a saved run's inferences.npz)."""
    policy: Literal["network", "random"] = "network"
    """An untrained network (an IMPALA net on 84x84 pictures, else two hidden layers), or random actions."""
    width: float = 1.0
    """The network's width multiplier."""
    deep: bool = False
    """The twice-deep IMPALA net."""
    bfloat16: bool = False
    """Run the network in bfloat16."""
    threads: int = 1
    """Torch threads of each worker."""
    default: Literal["noop", "repeat", "random"] = "noop"
    """What fills a tick without a fresh action."""
    frame_stack: int = 1
    """How many observations the policy sees at once."""
    repeat_action_probability: float = 0.0
    """Atari's sticky actions."""
    seed: int = 0
    """Of environment, network weights and virtual latencies."""
    out: Path | None = None
    """Save the run into this folder."""
    json: Path | None = None
    """Also write the summary to this file."""


_USUAL = RunOptions()


def run(options: Annotated[RunOptions, tyro.conf.arg(name="")] = _USUAL) -> None:
    """Let a policy act in an environment that does not wait.

    hocket run --config FOLDER/config.json repeats a saved run; options override it.
    """
    show.check_writable(out=options.out, json=options.json)
    result = execute(options)
    show.say(str(result.summary()))
    if options.out is not None:
        show.say(f"Saved in {result.save(options.out)}")
    show.write_json(options.json, asdict(result.summary()))
    if result.record.interrupted:
        raise KeyboardInterrupt


def execute(options: RunOptions) -> hocket.RunResult:
    """Run what ``options`` say; an interrupted run is a result too."""
    rate = options.hz if options.hz is not None else natural_hz(options.env)
    if rate is None:
        make_env(options.env).close()  # an unknown id is the better news
        raise ConfigurationError(f"{options.env} has no rate of its own; give one, such as --hz 30")
    if not (math.isfinite(options.seconds) and options.seconds > 0):
        raise ConfigurationError(f"--seconds {options.seconds} must be greater than 0; try --seconds 20")
    if not (math.isfinite(options.width) and options.width > 0):
        raise ConfigurationError(f"--width {options.width} must be greater than 0; try --width 1")
    check_relevant(options)
    rule, clock = make_rule(options), make_clock(options, float(rate))
    env = make_env(
        options.env, frame_stack=options.frame_stack, repeat_action_probability=options.repeat_action_probability
    )
    ticks = max(1, round(options.seconds * float(rate)))
    known = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(options).items() if k not in ("out", "json")}
    mode = "true-size" if options.clock == "realtime" or options.latency is None else "delay-only"
    try:
        with show.progress(options.env, ticks) as watch:
            return hocket.run(
                env,
                make_policy(options, env),
                rule,
                clock,
                ticks=ticks,
                default=make_default(options),
                seed=options.seed,
                watch=watch,
                config={"options": known, "mode": f"{mode}, {options.clock}"},
            )
    except hocket.RunInterrupted as interrupted:
        return interrupted.result
    finally:
        env.close()


NEEDS = {
    "quantile": ("rule", "tick-dispatch"),
    "predictability": ("rule", "tick-dispatch"),
    "release_early": ("rule", "tick-dispatch"),
    "executor": ("clock", "realtime"),
    "overrun": ("clock", "realtime"),
    "latency": ("clock", "virtual"),
    "width": ("policy", "network"),
    "deep": ("policy", "network"),
    "bfloat16": ("policy", "network"),
    "threads": ("policy", "network"),
}
"""Options that say something only beside another one's value."""


def check_relevant(options: RunOptions) -> None:
    """Refuse an option that would change nothing."""
    for name, (other, value) in NEEDS.items():
        given, beside = getattr(options, name), getattr(options, other)
        if given != getattr(_USUAL, name) and beside != value:
            option = name.replace("_", "-")
            raise ConfigurationError(
                f"--{option} {given} needs --{other} {value}; with --{other} {beside} leave it out"
            )
    if options.rule == "sequential" and options.workers not in ("1", _USUAL.workers):
        raise ConfigurationError(f"--workers {options.workers}: --rule sequential has one worker; leave it out")


def make_rule(options: RunOptions) -> Rule:
    """The rule that the options name."""
    workers: Any = options.workers if options.workers == "auto" else _number("workers", options.workers, int)
    if options.rule == "sequential":
        return hocket.Sequential()
    if options.rule == "tick-dispatch":
        return hocket.TickDispatch(
            workers,
            quantile="auto" if options.quantile == "auto" else _number("quantile", options.quantile, float),
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


def make_clock(options: RunOptions, hz: float) -> hocket.Realtime | hocket.Virtual:
    """The clock that the options name."""
    if options.clock == "realtime":
        skip = options.overrun == "skip"
        return hocket.Realtime(
            hz=hz,
            executor=as_executor_kind(options.executor),
            overrun=hocket.Overrun.SKIP if skip else hocket.Overrun.CATCH_UP,
        )
    if options.latency is None:
        raise ConfigurationError("--clock virtual needs --latency: seconds, lognormal:0.2:0.3, or a file of seconds")
    return hocket.Virtual(hz=hz, latency=parse_latency(options.latency))


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


@dataclass(frozen=True)
class RandomActions(PolicyFactory):
    """Samples the action space. With a seed of its own every worker would answer alike, so realtime has none."""

    space: gym.Space[Any]
    seed: int | None

    def build(self) -> Policy:
        space = copy.deepcopy(self.space)
        space.seed(self.seed)
        return lambda observation: space.sample()


def make_policy(options: RunOptions, env: gym.Env[Any, Any]) -> PolicyFactory:
    """The policy that the options name, for ``env``."""
    space = env.action_space
    if options.policy == "random":
        return RandomActions(space, options.seed if options.clock == "virtual" else None)
    from hocket.models.impala import SIDE, ImpalaNet
    from hocket.models.mlp import Mlp, between
    from hocket.models.torch_policy import greedy

    observation_shape = env.observation_space.shape
    assert observation_shape is not None
    decide: Any = greedy
    if isinstance(space, gym.spaces.Discrete):
        outputs, first = int(space.n), int(space.start)
        if first:
            decide = lambda values: greedy(values) + first  # noqa: E731
    else:
        assert isinstance(space, gym.spaces.Box)
        if not space.is_bounded():
            raise ConfigurationError(f"the network needs a bounded action space, not {space}; try --policy random")
        outputs, decide = math.prod(space.shape), between(space.low, space.high)
    if observation_shape[-2:] == (SIDE, SIDE) and len(observation_shape) == 3:
        network: Any = partial(ImpalaNet, options.width, outputs, frames=observation_shape[0], deep=options.deep)
    elif options.deep:
        raise ConfigurationError(
            f"--deep needs 84x84 pictures; {options.env} gives observations of {observation_shape}"
        )
    else:
        network = partial(Mlp, math.prod(observation_shape), outputs, hidden=max(1, round(64 * options.width)))
    return hocket.TorchPolicy(
        network, threads=options.threads, bfloat16=options.bfloat16, decide=decide, seed=options.seed
    )


def make_default(options: RunOptions) -> hocket.Default | None:
    """The default behaviour that the options name; None is the neutral action."""
    return {"noop": None, "repeat": hocket.RepeatLast(), "random": hocket.RandomDefault()}[options.default]


def _number(name: str, text: str, kind: type[Any]) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text} must be a number or auto") from error


def with_config(arguments: list[str]) -> list[str]:
    """``run --config FILE …`` with the file's options spelled out before those that were given.

    Raises:
        ConfigurationError: if the file is not a saved run's.
    """
    if arguments[:1] != ["run"]:
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
        known = {field.name for field in fields(RunOptions)}
        if not set(saved) <= known:
            raise ConfigurationError(f"unknown options {sorted(set(saved) - known)}")
    except KeyError as error:
        raise ConfigurationError(
            f"--config {file} has no options: only what hocket run has saved can be repeated; try its --out"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"--config {file} is not the config.json of a saved hocket run: {error}") from error
    spelled = []
    for name, value in saved.items():
        if value is not None:
            spelled += ["--" + name.replace("_", "-"), str(value)]
    return ["run", *spelled, *split[1:at], *split[at + 2 :]]
