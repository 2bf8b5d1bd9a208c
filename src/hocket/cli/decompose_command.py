"""``hocket decompose``: the return that a policy loses to inaction and to delay."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro
from rich.progress import Progress

import hocket
from hocket.analysis import Counterfactual
from hocket.cli import console
from hocket.cli.cautions import check_usual
from hocket.cli.options.acting import RULE_NEEDS, make_default, make_rule, make_world, parse_latency, rate_of
from hocket.cli.options.numbers import check_numbers
from hocket.cli.options.run import UNTRAINED, RunArguments
from hocket.cli.options.typed import check_needs
from hocket.cli.outcome import conclude
from hocket.cli.policies import Trained, chosen_policy, made_policy
from hocket.policies.base import PolicyFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class DecomposeArguments:
    """The options of ``hocket decompose``."""

    latency: str
    """Inference times: seconds, lognormal:MEAN:SIGMA, gamma:MEAN:SHAPE, heavy:MEAN[:SHARE:FACTOR], or a file
    (of seconds, or a saved run's inferences.npz)."""
    env: str = "CartPole-v1"
    """Any Gymnasium id whose randomness comes from its seed alone; see: hocket envs."""
    policy: str = "network"
    """An untrained network, random actions, FILE.py:NAME for a policy of your own, or a folder of hocket train."""
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
    """Tick-dispatch: run answers as soon as they are ready instead of at their target."""
    default: Literal["noop", "repeat", "random"] = "noop"
    """Action of a tick without a fresh action."""
    env_args: str | None = None
    """Arguments of the environment as NAME=VALUE,…"""
    frame_stack: int = 1
    """Observations that the policy gets at once."""
    repeat_action_probability: float = 0.0
    """Probability of Atari's sticky actions."""
    width: float = 1.0
    """Width multiplier of the network."""
    seconds: float = 40.0
    """Length of each run, in the environment's own time."""
    runs: int = 20
    """Runs with different seeds; the intervals are over them."""
    seed: int = 0
    """Seed of all randomness."""
    json: Path | None = None
    """Also write the figures to this file."""


NEEDS = {**RULE_NEEDS, "width": UNTRAINED}


def decompose(options: Annotated[DecomposeArguments, tyro.conf.arg(name="")]) -> None:
    """Measure what a policy loses to inaction and to delay, by runs without them.

    hocket decompose --policy FILE.py:NAME --latency lognormal:0.05:0.3
    """
    check_numbers(options)
    check_needs(options, NEEDS)
    console.check_writable(json=options.json)
    acting = RunArguments(
        env=options.env,
        hz=options.hz,
        rule=options.rule,
        workers=options.workers,
        quantile=options.quantile,
        predictability=options.predictability,
        release_early=options.release_early,
        default=options.default,
        env_args=options.env_args,
        frame_stack=options.frame_stack,
        repeat_action_probability=options.repeat_action_probability,
        width=options.width,
        seed=options.seed,
        clock="virtual",
        policy=options.policy,
    )
    rate = rate_of(acting)
    rule, latency, chosen = make_rule(acting), parse_latency(options.latency), chosen_policy(options.policy)
    check_usual(hz=rate, workers=rule.initial_workers, latency=(options.latency, latency))
    env = make_world(acting)
    conclude(
        lambda: measured(options, acting, env, rule, hocket.Virtual(hz=rate, latency=latency), chosen),
        save=[lambda found: console.write_json(options.json, asdict(found))],
        show=lambda found: console.say(str(found)),
    )


def measured(
    options: DecomposeArguments,
    acting: RunArguments,
    env: gym.Env[Any, Any],
    rule: hocket.Rule,
    clock: hocket.Virtual,
    chosen: Trained | PolicyFactory | None,
) -> Counterfactual:
    """Play the runs, with a progress bar on a terminal."""
    with Progress(console=console.console, transient=True, disable=not console.console.is_terminal) as progress:
        task = progress.add_task("decompose", total=options.runs)
        return hocket.decompose(
            lambda: env,
            made_policy(chosen, acting, env),
            rule,
            clock,
            ticks=max(1, round(options.seconds * float(clock.hz))),
            runs=options.runs,
            default=make_default(acting),
            seed=options.seed,
            done=lambda number, of: progress.update(task, completed=number, total=of),
        )
