"""Checks what a run is made of, before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from signal import Signals
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.rules import Rule
from hocket.core.trace import describe_rule
from hocket.drivers.handover import SWITCH, Handover, check_handover
from hocket.drivers.realtime import Realtime
from hocket.drivers.run_setup import RunSetup
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError, check_whole
from hocket.hooks.record import Background, Listener, RunRecord, attached_record
from hocket.latency.laws import LatencyModel, describe_latency
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.policies.charged import Charged
from hocket.policies.failures import FailureLimits
from hocket.results.captions import caption, default_fields
from hocket.running.mode import mode_of
from hocket.running.result import RunInterrupted, RunResult, with_result
from hocket.spaces.checked_env import name_of
from hocket.spaces.codec import ActionCodec, OutOfBounds, check_spaces
from hocket.spaces.defaults import Default, Fixed, bound, neutral


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """A run that has been checked and not begun; `set_up` makes it."""

    env: gym.Env[Any, Any]
    policy: PolicyFactory
    rule: Rule
    clock: Realtime | Virtual
    default: Default
    ticks: int
    seed: int
    out_of_bounds: OutOfBounds
    handover: Handover
    config: dict[str, Any]
    """All of it as plain values."""

    @property
    def name(self) -> str:
        """The environment's id, or its class."""
        return name_of(self.env)

    def setup(
        self,
        *,
        learn: Callable[[], None] | None = None,
        listener: Listener | None = None,
        background: Background | None = None,
    ) -> RunSetup:
        """A new one for the clock, whose default behaviour draws from the seed's beginning; see `RunSetup`."""
        space = self.env.action_space
        return RunSetup(
            env=self.env,
            policy=self.policy,
            rule=self.rule,
            default=bound(self.default, space, np.random.default_rng(self.seed)),
            codec=ActionCodec(space, self.policy.chunk_length, self.out_of_bounds),
            handover=self.handover,
            seed=self.seed,
            learn=learn,
            listener=listener,
            background=background,
        )

    def result(self, record: RunRecord, config: dict[str, Any] | None = None) -> RunResult:
        """The `RunResult` of ``record``.

        Raises:
            RunInterrupted: if a signal ended it.
        """
        if record.interrupted:
            record.trim()
        result = self._result(record, config)
        if record.interrupted:
            raise RunInterrupted(result)
        return result

    def _result(self, record: RunRecord, config: dict[str, Any] | None) -> RunResult:
        """``record`` with the configuration of the run and what the caller adds to it."""
        given = config or {}
        defaults = [*self.config["default_fields"], *given.get("default_fields", ())]
        return RunResult(record, {**self.config, **given, "default_fields": defaults})

    @contextmanager
    def keeping_result(self, config: dict[str, Any] | None = None) -> Iterator[None]:
        """Inside, an error that ends a run of the clock leaves with ``error.result``, the `RunResult` up to there.

        Raises:
            RunInterrupted: for a `KeyboardInterrupt` that ended the run before it could end by itself.
        """
        try:
            yield
        except BaseException as error:
            record = attached_record(error)
            if record is None:
                raise
            result = self._result(record, config)
            if isinstance(error, KeyboardInterrupt):
                record.signal = record.signal or Signals.SIGINT
            carrier = with_result(error, result)
            if carrier is error:
                raise
            raise carrier from error


def set_up(
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
) -> CheckedRun:
    """Check what a run is made of; see `run`."""
    check_whole("ticks", ticks, example=3600, numpy=True)
    if not isinstance(rule, Rule):
        raise ConfigurationError(f"rule={rule!r} is not a rule; try hocket.TickDispatch(workers=2)")
    if not isinstance(clock, Realtime | Virtual):
        raise ConfigurationError(f"clock={clock!r} is not a clock; try hocket.Realtime(hz=60)")
    check_whole("seed", seed, least=0, example=0, numpy=True)
    if not isinstance(env, gym.Env):
        raise ConfigurationError(f"env={env!r} is not a gymnasium.Env; try gymnasium.make('CartPole-v1')")
    if default is not None and not isinstance(default, Default):
        raise ConfigurationError(f"default={default!r} is not a default behaviour; try hocket.Fixed({default!r})")
    if isinstance(policy, Charged) and isinstance(clock, Virtual):
        raise ConfigurationError(
            f"policy={policy!r} sleeps, and virtual time would not notice; try the policy itself with "
            f"hocket.Virtual(hz=..., latency={policy.latency!r})"
        )
    check_spaces(env)
    policy = as_factory(policy)
    ActionCodec(env.action_space, policy.chunk_length, out_of_bounds)
    check_handover(handover, policy, env.action_space)
    default = default if default is not None else Fixed(neutral(env.action_space))
    return CheckedRun(
        env=env,
        policy=policy,
        rule=rule,
        clock=clock,
        default=default,
        ticks=int(ticks),
        seed=int(seed),
        out_of_bounds=out_of_bounds,
        handover=handover,
        config={
            "env": name_of(env),
            "mode": mode_of(clock, policy.latency if isinstance(policy, Charged) else None),
            "policy": caption(policy),
            "rule": describe_rule(rule),
            "clock": _settings(clock, policy),
            "default": caption(default),
            **({"out_of_bounds": out_of_bounds.value} if out_of_bounds is not OutOfBounds.REFUSE else {}),
            **({"handover": caption(handover)} if handover != SWITCH else {}),
            "ticks": int(ticks),
            "seed": int(seed),
            "default_fields": [
                f"{part}.{name}" for part, value in (("rule", rule), ("clock", clock)) for name in default_fields(value)
            ],
        },
    )


def _settings(clock: Realtime | Virtual, policy: PolicyFactory) -> dict[str, Any]:
    """``clock`` as plain values, with the executor that ``policy`` gets."""
    settled = replace(clock, executor=clock.executor_of(policy)) if isinstance(clock, Realtime) else clock
    return {"name": type(clock).__name__, **{f.name: _plain(getattr(settled, f.name)) for f in fields(clock)}}


def _plain(value: Any) -> Any:
    if isinstance(value, LatencyModel):
        return describe_latency(value)
    if isinstance(value, FailureLimits):
        return asdict(value)
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, bool | int | float | str) else caption(value)
