"""``hocket run``: any environment, policy size, rule and clock, by words."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro

import hocket
from hocket.cli import show
from hocket.cli.live import live_page
from hocket.cli.options import (
    ACTING_NEEDS,
    ActingOptions,
    check_relevant,
    check_width,
    make_clock,
    make_default,
    make_rule,
    make_world,
    rate_of,
    saved_options,
)
from hocket.errors import ConfigurationError
from hocket.measure import mode_of
from hocket.policy import Policy, PolicyFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ActingOptions):
    """What ``hocket run`` can be told; a run folder's config.json keeps it."""

    seconds: float = 20.0
    """How long, in the environment's own time."""
    policy: Literal["network", "random"] = "network"
    """An untrained network (an IMPALA net on 84x84 pictures, else two hidden layers), or random actions."""
    bfloat16: bool = False
    """Run the network in bfloat16."""
    out: Path | None = None
    """Save the run into this folder."""


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
    rate = rate_of(options)
    if not (math.isfinite(options.seconds) and options.seconds > 0):
        raise ConfigurationError(f"--seconds {options.seconds} must be greater than 0; try --seconds 20")
    check_width(options)
    check_relevant(options, NEEDS)
    rule = make_rule(options)
    env = make_world(options, drawn=bool(options.live))
    ticks = max(1, round(options.seconds * rate))
    known = saved_options(options, without=("out", "json"))
    try:
        policy = make_policy(options, env)
        clock = make_clock(options, rate, lambda: hocket.measure(policy, env))
        page = live_page(options.live, options.live_port, options.live_host)
        with page as watching, show.progress(options.env, ticks) as instruments:
            return hocket.run(
                env,
                policy,
                rule,
                clock,
                ticks=ticks,
                default=make_default(options),
                seed=options.seed,
                instruments=[*watching, *instruments],
                config={"options": known, "mode": mode_of(clock)},
            )
    except hocket.RunInterrupted as interrupted:
        return interrupted.result
    finally:
        env.close()


NEEDS = {
    **ACTING_NEEDS,
    "width": ("policy", "network"),
    "deep": ("policy", "network"),
    "bfloat16": ("policy", "network"),
    "threads": ("policy", "network"),
}
"""Options that say something only beside another one's value."""


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
