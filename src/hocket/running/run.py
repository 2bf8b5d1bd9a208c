"""`hocket.run`: one environment, one policy, one rule, one clock."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.rules import Learn, Rule, Sequential
from hocket.core.trace import describe_rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError, TraceError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import Instrument, name_of
from hocket.hooks.record import Background, Listener, RunRecord
from hocket.latency.laws import LatencyModel, describe_latency
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.policies.charged import Charged
from hocket.results.metrics import Metrics
from hocket.results.perfetto import TRACE_JSON, is_small, write_trace_json
from hocket.results.report import REPORT, write_report
from hocket.results.run_folder import SavedRun, read_run, write_run
from hocket.results.summary import Summary
from hocket.results.training_log import TrainingLog
from hocket.spaces.codec import ActionCodec, check_spaces
from hocket.spaces.defaults import Default, Fixed, neutral


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a run cleanly; ``result`` holds what there is of it."""

    def __init__(self, result: RunResult) -> None:
        super().__init__("the run was interrupted; .result holds what there is of it")
        self.result = result


@dataclass(frozen=True)
class RunResult:
    """A finished run: its record, and how to look at it."""

    record: RunRecord
    config: dict[str, Any] = field(default_factory=dict)
    learning: TrainingLog | None = None
    """Of a training: how it learned."""

    def summary(self) -> Summary:
        """The figures people ask for first; printable."""
        return Summary.of(self.record)

    def metrics(self, after_tick: int = 0) -> Metrics:
        """Everything else, leaving out a warm-up of ``after_tick`` ticks."""
        return Metrics(self.record, after_tick)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything that `load` reads back into ``folder``, and beside it what people look at.

        config.json, summary.json, ticks.npz, inferences.npz, episodes.npz, trace.bin and, of a training, learning.npz;
        report.html, and trace.json if the run is short enough for it to stay small. A file is whole or not there;
        those of an earlier run are replaced.

        Raises:
            ConfigurationError: if the disk refuses.
        """
        path = Path(folder)
        config = {**self.config, "machine": machine()}
        write_run(path, self.record, config, self.learning)
        saved = SavedRun(
            name=path.resolve().name,
            config=config,
            summary=asdict(self.summary()),
            metrics=self.metrics(),
            learning=self.learning,
        )
        write_report([saved], path / REPORT)
        trace = path / TRACE_JSON
        if is_small(self.metrics()):
            write_trace_json(saved, trace)
        else:
            trace.unlink(missing_ok=True)
        return path


def load(folder: str | os.PathLike[str], rule: Rule | None = None) -> RunResult:
    """Read back what `RunResult.save` has written.

    Args:
        folder: the run's.
        rule: of your own, if the run was made under one and is to be replayed.

    Raises:
        TraceError: if something is missing or damaged, by name; or a newer hocket has written it.
    """
    path = Path(folder)
    saved = read_run(path, rule)
    if saved.problems or saved.metrics is None:
        raise TraceError(
            f"{path} cannot be read as a whole: {'; '.join(saved.problems)}; hocket report shows what there is"
        )
    config = {name: value for name, value in saved.config.items() if name != "machine"}
    return RunResult(saved.metrics.record, config, saved.learning)


def run(
    env: gym.Env[Any, Any],
    policy: PolicyFactory | Policy,
    rule: Rule,
    clock: Realtime | Virtual,
    *,
    ticks: int,
    default: Default | None = None,
    seed: int = 0,
    learn: Callable[[], None] | None = None,
    instruments: Sequence[Instrument] | Dispatcher = (),
    listener: Listener | None = None,
    until: Callable[[RunRecord], bool] | None = None,
    background: Background | None = None,
    config: dict[str, Any] | None = None,
) -> RunResult:
    """Let ``policy`` act in ``env`` for ``ticks`` ticks while the world does not wait.

    Args:
        env: any Gymnasium environment with Box observations and Discrete or Box actions. It is stepped exactly
            once a tick and not closed.
        policy: a function of one observation, or a `PolicyFactory`, called once in every worker.
        rule: when to start which worker: `TickDispatch`, `MaxTime`, `ExpectedTime`, `Unstaggered`, `Sequential`.
        clock: `Realtime` or `Virtual`.
        default: what fills a tick that has no fresh action; `Fixed(0)`, or zeros in a Box, if None.
        seed: of the environment, the default and a virtual clock's latencies.
        learn: called when a `Sequential` rule that learns says so.
        instruments: look on, such as a `LivePage`. One that fails is told no more, and the run goes on.
        listener: told of every tick as it happens, such as a learner; a part of the run, which ends if it raises.
        until: asked after every tick, of the record so far; the run ends when it says so, if that is before ``ticks``.
        background: what goes on beside a virtual run and changes the policy between its inferences, such as learners.
        config: put into the run's config.json beside what is known anyway.

    Raises:
        ConfigurationError: if something does not fit, before anything is started.
        PolicyError: if the policy cannot be built or keeps failing, with its own traceback.
        RunInterrupted: on Ctrl-C, with the record so far.
    """
    setup = set_up(env, policy, rule, clock, ticks=ticks, default=default, seed=seed)
    if learn is not None and not (isinstance(rule, Sequential) and rule.learn is not Learn.NEVER):
        raise ConfigurationError(
            f"learn={learn!r} would never be called under {rule}; try hocket.Sequential(hocket.Learn.AFTER_INFERENCE)"
        )
    if background is not None and not isinstance(clock, Virtual):
        raise ConfigurationError(
            f"background={background!r} goes on in virtual time, and {clock} does not wait for it; try hocket.Virtual"
        )
    beside: dict[str, Any] = {} if background is None else {"background": background}
    record = clock.run(
        **setup.parts(),
        ticks=int(ticks),
        learn=learn,
        listener=listener,
        dispatcher=Dispatcher.to(instruments).or_none(),
        until=until,
        **beside,
    )
    return setup.result(record, config)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that has been checked and not begun; `set_up` makes it."""

    env: gym.Env[Any, Any]
    policy: PolicyFactory
    rule: Rule
    clock: Realtime | Virtual
    default: Default
    ticks: int
    seed: int

    @property
    def name(self) -> str:
        """The environment's id, or its class."""
        return name_of(self.env)

    def parts(self) -> dict[str, Any]:
        """What a clock's ``run`` takes, or `Virtual.begin`."""
        space = self.env.action_space
        return {
            "env": self.env,
            "policy": self.policy,
            "rule": self.rule,
            "default": self.default.bind(space, np.random.default_rng(self.seed)),
            "codec": ActionCodec(space, self.policy.chunk_length),
            "seed": self.seed,
        }

    def result(self, record: RunRecord, config: dict[str, Any] | None = None) -> RunResult:
        """What `run` returns for ``record``.

        Raises:
            RunInterrupted: if Ctrl-C ended it.
        """
        clock = self.clock
        known = {
            "env": self.name,
            "policy": repr(self.policy),
            "rule": describe_rule(self.rule),
            "clock": {"name": type(clock).__name__, **{f.name: _plain(getattr(clock, f.name)) for f in fields(clock)}},
            "default": repr(self.default),
            "ticks": self.ticks,
            "seed": self.seed,
        }
        if record.interrupted:
            record.trim()
        result = RunResult(record, {**known, **(config or {})})
        if record.interrupted:
            raise RunInterrupted(result)
        return result


def set_up(
    env: gym.Env[Any, Any],
    policy: PolicyFactory | Policy,
    rule: Rule,
    clock: Realtime | Virtual,
    *,
    ticks: int,
    default: Default | None = None,
    seed: int = 0,
) -> Setup:
    """Check what a run is made of; see `run`."""
    if isinstance(ticks, bool) or not isinstance(ticks, int | np.integer) or ticks < 1:
        raise ConfigurationError(f"ticks={ticks!r} must be an integer of at least 1; try ticks=3600")
    if not isinstance(rule, Rule):
        raise ConfigurationError(f"rule={rule!r} is not a rule; try hocket.TickDispatch(workers=2)")
    if not isinstance(clock, Realtime | Virtual):
        raise ConfigurationError(f"clock={clock!r} is not a clock; try hocket.Realtime(hz=60)")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigurationError(f"seed={seed!r} must be an integer of at least 0; try seed=0")
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
    return Setup(
        env=env,
        policy=as_factory(policy),
        rule=rule,
        clock=clock,
        default=default if default is not None else Fixed(neutral(env.action_space)),
        ticks=int(ticks),
        seed=int(seed),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, LatencyModel):
        return describe_latency(value)
    return value.value if isinstance(value, Enum) else value


def machine() -> dict[str, Any]:
    """What a run's figures depend on and its configuration does not say."""
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in ("hocket", "numpy", "gymnasium", "torch", "ale-py"):
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        **_gpu(),
        "packages": packages,
    }


def _gpu() -> dict[str, str]:
    """The one that torch uses here, if it uses any."""
    torch = sys.modules.get("torch")
    return {"gpu": torch.cuda.get_device_name()} if torch is not None and torch.cuda.is_initialized() else {}
