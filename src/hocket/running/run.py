"""`hocket.run`: one environment, one policy, one rule, one clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym

from hocket.core.rules import Learn, Rule, Sequential
from hocket.drivers.handover import SWITCH, Handover
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import INSTANT, Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import Instrument
from hocket.hooks.record import Background, Listener, RunRecord
from hocket.policies.base import Policy, PolicyFactory
from hocket.running.result import RunResult
from hocket.running.setup import set_up
from hocket.spaces.codec import OutOfBounds
from hocket.spaces.defaults import Default


def run(
    env: gym.Env[Any, Any],
    policy: PolicyFactory | Policy,
    rule: Rule,
    clock: Realtime | Virtual,
    *,
    ticks: int,
    default: Default | None = None,
    seed: int = 0,
    out_of_bounds: OutOfBounds = OutOfBounds.REFUSE,
    handover: Handover = SWITCH,
    learn: Callable[[], None] | None = None,
    instruments: Sequence[Instrument] | Dispatcher = (),
    listener: Listener | None = None,
    until: Callable[[RunRecord], bool] | None = None,
    background: Background | None = None,
    config: dict[str, Any] | None = None,
) -> RunResult:
    """Let ``policy`` act in ``env`` for ``ticks`` ticks while the world does not wait.

    Args:
        env: any Gymnasium environment with Discrete or Box actions, and observations of one array, number or text, or
            of a dict or a tuple of them; see `hocket.spaces.ObservationCheck`. It is stepped exactly once a tick and
            not closed. ``info["observation_age_s"]``, a number or a dict of them by part, is the age of an observation.
        policy: a function of one observation, or a `PolicyFactory`, called once in every worker.
        rule: when to start which worker: `TickDispatch`, `MaxTime`, `ExpectedTime`, `Unstaggered`, `OneInFlight`,
            `Sequential`.
        clock: `Realtime` or `Virtual`.
        default: what fills a tick that has no fresh action; `Fixed(0)`, or zeros in a Box, if None.
        seed: of the environment, the default and a virtual clock's latencies.
        out_of_bounds: the handling of actions of the policy outside a Box; clipped ones are counted in the record.
        handover: the way in which a chunk takes over from an older one: `hocket.drivers.Switch` or `Blend`.
        learn: called when a `Sequential` rule that learns says so.
        instruments: observe the run, such as a `LivePage`. One that fails is not called any more; the run continues.
        listener: told of every tick as it happens, such as a learner; a part of the run, which ends if it raises.
        until: asked after every tick, of the record so far; the run ends when it says so, if that is before ``ticks``.
        background: runs beside a virtual run and changes the policy between its inferences, such as learners.
        config: put into the run's config.json beside what is known anyway.

    Whatever else ends the run, such as an exception of the environment or the listener, leaves it as it is, with the
    `RunResult` up to there as its attribute ``result``.

    Warns (`RuntimeWarning`) once if the loop does not hold the rate of a realtime clock.

    Raises:
        ConfigurationError: if something does not fit, before anything is started.
        EnvError: if the environment gives something else than it declares; with ``result``.
        PolicyError: if the policy cannot be built or keeps failing, with its own traceback; with ``result`` once the
            run has begun.
        RunInterrupted: on Ctrl-C, with ``result``.
    """
    checked = set_up(
        env,
        policy,
        rule,
        clock,
        ticks=ticks,
        default=default,
        seed=seed,
        out_of_bounds=out_of_bounds,
        handover=handover,
    )
    if isinstance(clock, Virtual):
        clock.check_head(checked.policy.head_s)
    learns = isinstance(rule, Sequential) and rule.learn is not Learn.NEVER
    learning = clock.learning if isinstance(clock, Virtual) else INSTANT
    if learning != INSTANT and not learns and background is None:
        raise ConfigurationError(
            f"learning={learning!r} has no effect under {rule}, which never learns; leave it out, or try "
            "hocket.Sequential(hocket.Learn.AFTER_INFERENCE)"
        )
    if learns and learn is None and background is None and learning == INSTANT:
        raise ConfigurationError(
            f"{rule} learns, and there is nothing to call and no time that it takes; try hocket.run(..., learn=...), "
            "hocket.Virtual(..., learning=hocket.Constant(0.05)), or hocket.Sequential()"
        )
    if learn is not None and not learns:
        raise ConfigurationError(
            f"learn={learn!r} would never be called under {rule}; try hocket.Sequential(hocket.Learn.AFTER_INFERENCE)"
        )
    if background is not None and not isinstance(clock, Virtual):
        raise ConfigurationError(
            f"background={background!r} runs in virtual time, and {clock} does not wait for it; try hocket.Virtual"
        )
    with checked.keeping_result(config):
        record = clock.run(
            checked.setup(learn=learn, listener=listener, background=background),
            ticks=checked.ticks,
            dispatcher=Dispatcher.to(instruments).or_none(),
            until=until,
        )
    return checked.result(record, config)
